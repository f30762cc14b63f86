//! A durable consumer as a stream of deliveries, shared by all workers.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::{PullConsumer, pull};
use async_nats::jetstream::message::{AckKind, Acker};
use chrono::DateTime;
use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt};
use tokio::task::coop::unconstrained;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::JetStream;
use crate::stream::{AckHandle, Acknowledge, AcknowledgeError, Delivery, Disposition, Metadata};

/// How many messages one pull asks for: a worker that dies leaves at most so many to be redelivered.
const BATCH: usize = 128;
/// How long a pull waits to be full. Short, for a pull that the server has forgotten (its leader has changed) is waited for
/// a little longer than that. There is no heartbeat: async-nats 0.51 is not woken by what comes after one in a batch.
const EXPIRES: Duration = Duration::from_secs(3);
/// How often the connection is looked at while a pull waits.
const LOOK: Duration = Duration::from_millis(200);
/// How long to wait before a consumer that cannot be read is asked again.
const RETRY: Duration = Duration::from_millis(250);

/// The deliveries of a durable consumer: where it cannot be read (NATS is away, the consumer is not there yet), it is asked
/// again until it can. Once `shutdown` is cancelled nothing more is fetched; what has been fetched is still handed out, for
/// whoever works on it to give it back at once, and then the stream ends.
///
/// # Acknowledgement
/// Each delivery carries its own. Unsettled ones come again after the consumer's `ack_wait`, here or elsewhere.
pub fn deliveries(
    jetstream: &JetStream,
    stream: &'static str,
    consumer: &'static str,
    shutdown: CancellationToken,
) -> impl Stream<Item = Delivery<()>> + Send + use<> {
    let over = CancellationToken::new();
    let puller = Puller {
        jetstream: jetstream.clone(),
        stream,
        consumer,
        shutdown,
        handle: None,
        asked_on: 0,
        batch: None,
        at_hand: VecDeque::new(),
        _over: over.clone().drop_guard(),
        over,
    };
    futures::stream::unfold(puller, |mut puller| async move { Some((puller.next().await?, puller)) })
}

/// Fetches one batch after the other.
struct Puller {
    jetstream: JetStream,
    stream: &'static str,
    consumer: &'static str,
    shutdown: CancellationToken,
    handle: Option<PullConsumer>,
    /// Which connection the batch was asked for on.
    asked_on: u64,
    /// What is being fetched: it ends when it is full or has waited long enough.
    batch: Option<pull::Batch>,
    /// Once stopped: what the last batch still held.
    at_hand: VecDeque<jetstream::Message>,
    /// Stopped, and the last batch is over.
    over: CancellationToken,
    /// Nothing waits for that once this is dropped.
    _over: DropGuard,
}

impl Puller {
    async fn next(&mut self) -> Option<Delivery<()>> {
        let shutdown = self.shutdown.clone();
        loop {
            let Some(next) = shutdown.run_until_cancelled(self.fetched()).await else { return self.at_hand().await };
            match next {
                Some(Ok(message)) => return Some(self.delivery(message)),
                Some(Err(why)) => {
                    let (stream, consumer) = (self.stream, self.consumer);
                    tracing::debug!(stream, consumer, why, "the consumer cannot be read; trying again");
                    (self.handle, self.batch) = (None, None);
                    shutdown.run_until_cancelled(tokio::time::sleep(RETRY)).await;
                }
                None => self.batch = None,
            }
        }
    }

    /// The next message of the batch, which is asked for where there is none; nothing at its end. A server that was gone
    /// meanwhile has forgotten what was asked of it.
    async fn fetched(&mut self) -> Option<Result<jetstream::Message, String>> {
        if self.batch.is_none() {
            self.asked_on = self.jetstream.connections();
            match self.ask().await {
                Ok(batch) => self.batch = Some(batch),
                Err(why) => return Some(Err(why)),
            }
        }
        let next = tokio::select! {
            biased;
            next = self.batch.as_mut()?.next() => next?,
            () = reconnected(&self.jetstream, self.asked_on) => return None,
        };
        Some(next.map_err(|error| error.to_string()))
    }

    async fn ask(&mut self) -> Result<pull::Batch, String> {
        let handle = match &self.handle {
            Some(handle) => handle,
            None => {
                let found = self.jetstream.context.get_consumer_from_stream(self.consumer, self.stream).await;
                self.handle.insert(found.map_err(|error| error.to_string())?)
            }
        };
        let batch = handle.batch().max_messages(BATCH).expires(EXPIRES);
        batch.messages().await.map_err(|error| error.to_string())
    }

    /// What was fetched and not handed out yet; nothing when that is all.
    async fn at_hand(&mut self) -> Option<Delivery<()>> {
        if let Some(mut batch) = self.batch.take() {
            self.jetstream.round_trip().await;
            while let Some(Some(Ok(message))) = unconstrained(batch.next()).now_or_never() {
                self.at_hand.push_back(message);
            }
            drop(batch);
            self.jetstream.round_trip().await;
        }
        self.over.cancel();
        let message = self.at_hand.pop_front()?;
        Some(self.delivery(message))
    }

    fn delivery(&self, message: jetstream::Message) -> Delivery<()> {
        let metadata = metadata(&message);
        let (_, acker) = message.split();
        AckHandle::new(metadata, Pending { acker, shutdown: self.shutdown.clone(), over: self.over.clone() }).with(())
    }
}

/// Resolves once there has been a further connection than `connection`.
async fn reconnected(jetstream: &JetStream, connection: u64) {
    while jetstream.connections() == connection {
        tokio::time::sleep(LOOK).await;
    }
}

fn metadata(message: &jetstream::Message) -> Metadata {
    let mut metadata = Metadata::new(message.subject.as_str(), message.payload.clone());
    if let Ok(info) = message.info() {
        metadata.stream_sequence = info.stream_sequence;
        metadata.delivery_count = u64::try_from(info.delivered).unwrap_or(1);
        metadata.published_at =
            DateTime::from_timestamp(info.published.unix_timestamp(), info.published.nanosecond()).unwrap_or_default();
    }
    metadata.headers = message.headers.as_ref().map_or_else(BTreeMap::new, |headers| {
        headers.iter().filter_map(|(name, values)| Some((name.to_string(), values.first()?.to_string()))).collect()
    });
    metadata
}

/// A message that JetStream waits to hear of.
struct Pending {
    acker: Acker,
    shutdown: CancellationToken,
    over: CancellationToken,
}

impl Acknowledge for Pending {
    fn settle(self: Box<Self>, how: Disposition) -> BoxFuture<'static, Result<(), AcknowledgeError>> {
        Box::pin(async move {
            let kind = match how {
                Disposition::Ack => {
                    crate::failpoint::hit("before_ack");
                    AckKind::Ack
                }
                Disposition::Nak { delay } => {
                    // The server would deliver it to the pull that is still open, where nobody reads it any more, and
                    // everybody would wait for `ack_wait`.
                    if self.shutdown.is_cancelled() {
                        self.over.cancelled().await;
                    }
                    AckKind::Nak(delay)
                }
                Disposition::Term => AckKind::Term,
            };
            self.acker.ack_with(kind).await.map_err(AcknowledgeError::new)
        })
    }

    fn in_progress(&self) -> BoxFuture<'_, Result<(), AcknowledgeError>> {
        Box::pin(async move { self.acker.ack_with(AckKind::Progress).await.map_err(AcknowledgeError::new) })
    }
}
