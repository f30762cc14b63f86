//! What has arrived for a customer and is not processed yet: the webhooks on one subject of NMC_INBOUND.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Message, StatusCode};
use bytes::Bytes;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::JetStream;

/// A batched direct get, as in nats-server's ADR-31.
const DIRECT_GET: &str = "$JS.API.DIRECT.GET.NMC_INBOUND";
const CONSUMER_INFO: &str = "CONSUMER.INFO.NMC_INBOUND.conversations";
/// Messages of one request.
const BATCH: usize = 256;
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

/// Up to which sequence of NMC_INBOUND every webhook is acknowledged, and when that was read; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct AckFloor(Arc<Mutex<Option<(Instant, u64)>>>);

/// The newest webhook on a subject of NMC_INBOUND.
#[derive(Debug, Clone)]
pub struct Newest {
    /// Its payload.
    pub payload: Bytes,
    /// Whether it and all before it are acknowledged: then nothing on the subject is unprocessed.
    pub is_acknowledged: bool,
}

impl JetStream {
    /// The newest webhook on a subject of NMC_INBOUND, if it has any. It is found by its subject, while
    /// [`Self::unprocessed`] searches the stream.
    ///
    /// # Errors
    /// If JetStream does not answer.
    pub async fn newest(&self, subject: &str) -> Result<Option<Newest>, ArrivalsError> {
        let read = async {
            let floor = self.ack_floor().await?;
            let asked = self.client.request(format!("{DIRECT_GET}.{subject}"), Bytes::new());
            let reply = asked.await.map_err(ArrivalsError::new)?;
            match reply.status {
                None => {
                    let is_acknowledged = sequence(&reply)? <= floor;
                    Ok(Some(Newest { payload: reply.payload, is_acknowledged }))
                }
                Some(StatusCode::NOT_FOUND) => Ok(None),
                Some(status) => Err(ArrivalsError::new(status)),
            }
        };
        tokio::time::timeout(TIMEOUT, read).await.unwrap_or_else(|_| Err(ArrivalsError::new("timeout")))
    }

    /// The payloads on a subject of NMC_INBOUND after the consumer's acknowledgement floor, the oldest first. Some of
    /// them may be processed already.
    ///
    /// # Errors
    /// If JetStream does not answer completely.
    pub async fn unprocessed(&self, subject: &str) -> Result<Vec<Bytes>, ArrivalsError> {
        let read = async {
            let mut after = self.ack_floor().await?;
            let mut found = Vec::new();
            loop {
                let is_last = self.read_batch(subject, &mut after, &mut found).await?;
                if is_last {
                    return Ok(found);
                }
            }
        };
        tokio::time::timeout(TIMEOUT, read).await.unwrap_or_else(|_| Err(ArrivalsError::new("timeout")))
    }

    async fn ack_floor(&self) -> Result<u64, ArrivalsError> {
        let mut known = self.inbound_floor.0.lock().await;
        if let Some((at, floor)) = *known
            && at.elapsed() < FLOOR_TTL
        {
            return Ok(floor);
        }
        let info = self.api(CONSUMER_INFO, &json!({})).await.map_err(ArrivalsError::new)?;
        let floor = info.pointer("/ack_floor/stream_seq").and_then(Value::as_u64);
        let floor = floor.ok_or_else(|| ArrivalsError::new("the consumer has no acknowledgement floor"))?;
        *known = Some((Instant::now(), floor));
        Ok(floor)
    }

    /// Reads messages of a subject after a sequence, which is advanced. Returns whether there are no more.
    async fn read_batch(&self, subject: &str, after: &mut u64, found: &mut Vec<Bytes>) -> Result<bool, ArrivalsError> {
        let inbox = self.client.new_inbox();
        let mut replies = self.client.subscribe(inbox.clone()).await.map_err(ArrivalsError::new)?;
        let request = json!({ "seq": *after + 1, "next_by_subj": subject, "batch": BATCH }).to_string();
        self.client.publish_with_reply(DIRECT_GET, inbox, request.into()).await.map_err(ArrivalsError::new)?;
        while let Some(reply) = replies.next().await {
            match reply.status {
                None => {
                    *after = sequence(&reply)?;
                    found.push(reply.payload);
                }
                // The end of the batch.
                Some(status) if status.as_u16() == 204 => {
                    return Ok(header(&reply, "Nats-Num-Pending").is_none_or(|pending| pending == 0));
                }
                Some(StatusCode::NOT_FOUND) => return Ok(true),
                Some(status) => return Err(ArrivalsError::new(status)),
            }
        }
        Err(ArrivalsError::new("the connection was closed"))
    }
}

fn header(reply: &Message, name: &str) -> Option<u64> {
    reply.headers.as_ref()?.get(name)?.as_str().parse().ok()
}

fn sequence(reply: &Message) -> Result<u64, ArrivalsError> {
    header(reply, "Nats-Sequence").ok_or_else(|| ArrivalsError::new("a message has no sequence"))
}
