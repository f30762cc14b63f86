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

/// How many messages one pull requests: when a worker dies, at most this many are redelivered.
const BATCH: usize = 128;
/// How long a pull waits until it is full. It is short, because a pull that the server has forgotten (its leader has
/// changed) blocks for a little longer than that. Heartbeats are not used: async-nats 0.51 is not woken by messages
/// that follow a heartbeat in a batch.
const EXPIRES: Duration = Duration::from_secs(3);
/// How often the connection is checked while a pull waits.
const LOOK: Duration = Duration::from_millis(200);
/// How long to wait after an error before reading from the consumer again.
const RETRY: Duration = Duration::from_millis(250);

/// The deliveries of a durable consumer. If the consumer cannot be read (NATS is unreachable, or the consumer does not
/// exist yet), reading is retried until it succeeds. Once `shutdown` is canceled, nothing more is fetched; messages
/// that were already fetched are still returned, so that the operators can nak them at once, and then the stream ends.
///
/// # Acknowledgement
/// Each delivery is settled through its own handle. An unsettled one is redelivered after the consumer's `ack_wait`, to
/// this worker or another.
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
    /// The number of the connection on which the batch was requested.
    asked_on: u64,
    /// The current batch. It ends when it is full or has expired.
    batch: Option<pull::Batch>,
    /// After shutdown: the remaining messages of the last batch.
    at_hand: VecDeque<jetstream::Message>,
    /// Canceled after shutdown, when the last batch has ended.
    over: CancellationToken,
    /// Cancels `over` when the puller is dropped, so that no nak waits for it.
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
                    tracing::debug!(stream, consumer, why, "reading the consumer failed; retrying");
                    (self.handle, self.batch) = (None, None);
                    shutdown.run_until_cancelled(tokio::time::sleep(RETRY)).await;
                }
                None => self.batch = None,
            }
        }
    }

    /// The next message of the batch; `None` at its end. Requests a batch unless one is open. A batch ends after a
    /// reconnection, because the server may have forgotten the request.
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

    /// After shutdown: the next message that was fetched but not returned yet; `None` if there are no more.
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

/// Resolves once there has been a connection later than `connection`.
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

/// A message that is not acknowledged yet.
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
                    // The server would redeliver it to the pull that is still open, which nobody reads any more, and
                    // the message would wait for `ack_wait`.
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
