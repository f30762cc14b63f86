//! What has arrived for a customer and is not processed yet: the webhooks on one subject of NMC_INBOUND.
//!
//! On one node, direct gets find them. Any replica of a stream may answer a direct get, and one that lags would not have a
//! webhook that the edge has answered; so a stream with replicas is read from its leader.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{LastRawMessageErrorKind, RawMessageError};
use async_nats::{Message, StatusCode};
use bytes::Bytes;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::JetStream;

/// A batched direct get, as in nats-server's ADR-31.
const DIRECT_GET: &str = "$JS.API.DIRECT.GET.NMC_INBOUND";
const STREAM: &str = "NMC_INBOUND";
const CONSUMER_INFO: &str = "CONSUMER.INFO.NMC_INBOUND.conversations";
/// Messages of one page.
const PAGE: usize = 256;
/// How long reading the newest webhook, or a page, may take.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How long the acknowledgement floor is used before it is read again. An old one is only lower.
const FLOOR_TTL: Duration = Duration::from_millis(500);

/// NMC_INBOUND cannot be read at the moment.
#[derive(Debug, thiserror::Error)]
#[error("NMC_INBOUND cannot be read: {0}")]
pub struct ArrivalsError(String);

impl ArrivalsError {
    pub(crate) fn new(why: impl std::fmt::Display) -> Self {
        Self(why.to_string())
    }
}

/// What the consumer of NMC_INBOUND says, and when that was read; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct AckFloor(Arc<Mutex<Option<(Instant, Floor)>>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Floor {
    /// Up to this sequence, every webhook is acknowledged.
    sequence: u64,
    /// Whether the stream is on several nodes.
    has_replicas: bool,
}

impl Floor {
    fn of(consumer: &Value) -> Option<Self> {
        let sequence = consumer.pointer("/ack_floor/stream_seq")?.as_u64()?;
        let others = consumer.pointer("/cluster/replicas").and_then(Value::as_array);
        Some(Self { sequence, has_replicas: others.is_some_and(|others| !others.is_empty()) })
    }
}

/// The newest webhook on a subject of NMC_INBOUND.
#[derive(Debug, Clone)]
pub struct Newest {
    /// Its payload.
    pub payload: Bytes,
    /// Whether it and all before it are acknowledged: then nothing on the subject is unprocessed.
    pub is_acknowledged: bool,
}

/// A page of the webhooks on a subject of NMC_INBOUND.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrivedPage {
    /// Their payloads, the oldest first.
    pub payloads: Vec<Bytes>,
    /// The last sequence of the page, if there are more behind it.
    pub more_after: Option<u64>,
}

impl JetStream {
    /// The newest webhook on a subject of NMC_INBOUND, if it has any. It is found by its subject, while
    /// [`Self::unprocessed`] searches the stream.
    ///
    /// # Errors
    /// If JetStream does not answer.
    pub async fn newest(&self, subject: &str) -> Result<Option<Newest>, ArrivalsError> {
        in_time(async {
            let floor = self.ack_floor().await?;
            let newest = if floor.has_replicas {
                self.newest_of_leader(subject).await
            } else {
                self.newest_of_any(subject).await
            };
            let newest = newest?.map(|(sequence, payload)| {
                let is_acknowledged = sequence <= floor.sequence;
                Newest { payload, is_acknowledged }
            });
            Ok(newest)
        })
        .await
    }

    /// A page of the webhooks on a subject of NMC_INBOUND, at most 256: those after the sequence `after`, or else after the
    /// consumer's acknowledgement floor. Some of them may be processed already.
    ///
    /// # Errors
    /// If JetStream does not answer completely.
    pub async fn unprocessed(&self, subject: &str, after: Option<u64>) -> Result<ArrivedPage, ArrivalsError> {
        in_time(async {
            let floor = self.ack_floor().await?;
            let after = after.unwrap_or(floor.sequence);
            match floor.has_replicas {
                true => self.page_of_leader(subject, after).await,
                false => self.page_of_any(subject, after).await,
            }
        })
        .await
    }

    async fn ack_floor(&self) -> Result<Floor, ArrivalsError> {
        let mut known = self.inbound_floor.0.lock().await;
        if let Some((at, floor)) = *known
            && at.elapsed() < FLOOR_TTL
        {
            return Ok(floor);
        }
        let info = self.api(CONSUMER_INFO, &json!({})).await.map_err(ArrivalsError::new)?;
        let floor = Floor::of(&info).ok_or_else(|| ArrivalsError::new("the consumer has no acknowledgement floor"))?;
        *known = Some((Instant::now(), floor));
        Ok(floor)
    }

    /// The newest message of a subject, with its sequence, as any replica has it.
    async fn newest_of_any(&self, subject: &str) -> Result<Option<(u64, Bytes)>, ArrivalsError> {
        let asked = self.client.request(format!("{DIRECT_GET}.{subject}"), Bytes::new());
        let reply = asked.await.map_err(ArrivalsError::new)?;
        match reply.status {
            None => Ok(Some((sequence(&reply)?, reply.payload))),
            Some(StatusCode::NOT_FOUND) => Ok(None),
            Some(status) => Err(ArrivalsError::new(status)),
        }
    }

    /// The same as the stream's leader has it.
    async fn newest_of_leader(&self, subject: &str) -> Result<Option<(u64, Bytes)>, ArrivalsError> {
        let stream = self.context.get_stream_no_info(STREAM).await.map_err(ArrivalsError::new)?;
        let newest = found(stream.get_last_raw_message_by_subject(subject).await)?;
        Ok(newest.map(|message| (message.sequence, message.payload)))
    }

    /// Messages of a subject after a sequence, as any replica has them: by one request.
    async fn page_of_any(&self, subject: &str, mut after: u64) -> Result<ArrivedPage, ArrivalsError> {
        let mut payloads = Vec::new();
        let inbox = self.client.new_inbox();
        let mut replies = self.client.subscribe(inbox.clone()).await.map_err(ArrivalsError::new)?;
        let request = json!({ "seq": after + 1, "next_by_subj": subject, "batch": PAGE }).to_string();
        self.client.publish_with_reply(DIRECT_GET, inbox, request.into()).await.map_err(ArrivalsError::new)?;
        while let Some(reply) = replies.next().await {
            match reply.status {
                None => {
                    after = sequence(&reply)?;
                    payloads.push(reply.payload);
                }
                // The end of the batch.
                Some(status) if status.as_u16() == 204 => {
                    let are_more = header(&reply, "Nats-Num-Pending").is_some_and(|pending| pending > 0);
                    if are_more && payloads.is_empty() {
                        return Err(ArrivalsError::new("an empty page"));
                    }
                    return Ok(ArrivedPage { payloads, more_after: are_more.then_some(after) });
                }
                Some(StatusCode::NOT_FOUND) => return Ok(ArrivedPage { payloads, more_after: None }),
                Some(status) => return Err(ArrivalsError::new(status)),
            }
        }
        Err(ArrivalsError::new("the connection was closed"))
    }

    /// The same as the stream's leader has them: it gives one message for each request.
    async fn page_of_leader(&self, subject: &str, mut after: u64) -> Result<ArrivedPage, ArrivalsError> {
        let stream = self.context.get_stream_no_info(STREAM).await.map_err(ArrivalsError::new)?;
        let mut payloads = Vec::new();
        while payloads.len() < PAGE {
            match found(stream.get_first_raw_message_by_subject(subject, after + 1).await)? {
                Some(message) => {
                    after = message.sequence;
                    payloads.push(message.payload);
                }
                None => return Ok(ArrivedPage { payloads, more_after: None }),
            }
        }
        Ok(ArrivedPage { payloads, more_after: Some(after) })
    }
}

async fn in_time<T>(read: impl Future<Output = Result<T, ArrivalsError>>) -> Result<T, ArrivalsError> {
    tokio::time::timeout(TIMEOUT, read).await.unwrap_or_else(|_| Err(ArrivalsError::new("timeout")))
}

/// A message of the leader, if it has one.
fn found(answer: Result<StreamMessage, RawMessageError>) -> Result<Option<StreamMessage>, ArrivalsError> {
    match answer {
        Ok(message) => Ok(Some(message)),
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => Err(ArrivalsError::new(error)),
    }
}

fn header(reply: &Message, name: &str) -> Option<u64> {
    reply.headers.as_ref()?.get(name)?.as_str().parse().ok()
}

fn sequence(reply: &Message) -> Result<u64, ArrivalsError> {
    header(reply, "Nats-Sequence").ok_or_else(|| ArrivalsError::new("a message has no sequence"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use futures::FutureExt;
    use futures::future::try_join_all;
    use nmc_testbed::servers::{NatsCluster, Shared};

    use super::super::definitions::{Mode, reconcile};
    use super::super::{Outgoing, subjects};
    use super::*;
    use crate::webhook::WebhookKind;

    /// Reads 300 webhooks of a subject, between as many of another; returns whether any replica was asked.
    async fn reads_all(url: String, replicas: u8) -> bool {
        let jetstream = JetStream::connect_now(&url).await.unwrap();
        reconcile(&jetstream, replicas, Mode::CreateMissing).await.unwrap();
        let publisher = jetstream.publisher();
        let [ours, others] = ["ours", "others"].map(|key| subjects::inbound(WebhookKind::Sms, key));
        assert!(jetstream.newest(&ours).await.unwrap().is_none());
        let nothing = ArrivedPage { payloads: Vec::new(), more_after: None };
        assert_eq!(jetstream.unprocessed(&ours, None).await.unwrap(), nothing);
        let mut payloads = Vec::new();
        for number in 0..300 {
            let payload = Bytes::from(number.to_string());
            payloads.push(payload.clone());
            try_join_all([&ours, &others].map(|subject| {
                let message_id = Some(format!("{subject}:{number}"));
                let (subject, headers, payload) = (subject.clone(), Default::default(), payload.clone());
                publisher.publish(Outgoing { subject, message_id, headers, payload })
            }))
            .await
            .unwrap();
        }
        let mut asked = jetstream.client.subscribe(format!("{DIRECT_GET}.>")).await.unwrap();
        let mut asked_for_pages = jetstream.client.subscribe(DIRECT_GET).await.unwrap();
        let newest = jetstream.newest(&ours).await.unwrap().unwrap();
        assert_eq!((&newest.payload, newest.is_acknowledged), (&payloads[299], false));
        let first = jetstream.unprocessed(&ours, None).await.unwrap();
        assert_eq!(first.payloads, payloads[..PAGE]);
        let second = jetstream.unprocessed(&ours, first.more_after).await.unwrap();
        assert_eq!((&second.payloads[..], second.more_after), (&payloads[PAGE..], None));
        jetstream.round_trip().await;
        let is_asked =
            [asked.next().now_or_never(), asked_for_pages.next().now_or_never()].map(|asked| asked.is_some());
        assert_eq!(is_asked[0], is_asked[1]);
        is_asked[0]
    }

    #[tokio::test]
    async fn a_stream_on_one_node_is_read_by_direct_gets() {
        let nats = Shared::from_env().unwrap().nats().await.unwrap();
        assert!(reads_all(nats.url(), 1).await);
    }

    #[tokio::test]
    async fn a_stream_with_replicas_is_read_from_its_leader() {
        let shared = Shared::from_env().unwrap();
        let dir = shared.dir().unwrap();
        let cluster = NatsCluster::start(shared.binaries(), dir.path()).await.unwrap();
        assert!(!reads_all(cluster.url(), 3).await);
    }
}
