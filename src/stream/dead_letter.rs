//! Moves messages that cannot be processed to a sink, so that they neither block the stream nor get lost.
//!
//! Usually placed between `keyed` and `settle`. A message is acknowledged only after the sink has confirmed that it
//! stored it.

use std::{
    collections::BTreeMap,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{
    Stream, StreamExt,
    future::BoxFuture,
    stream::{Fuse, FuturesUnordered},
};
use tokio::time::Instant;

use super::{
    delivery::{AckHandle, Metadata},
    step::{DeadReason, Failure, FailureReason, Step, chain},
};

/// How many dead letters may wait for the sink at once; at that limit, the upstream is not polled.
const BURIALS_AT_ONCE: usize = 32;

/// How long after the last [`FailureReason::Wait`] no message counts as exhausted. An outage raises the delivery count
/// of every message it delays, so the first failure after it must not make a message a dead letter.
const AFTER_A_WAIT: Duration = Duration::from_secs(5 * 60);

/// A new stream does not know whether there was an outage before it started, so at first no message counts as
/// exhausted: for this long, multiplied by `max_deliveries`, and at most for [`AFTER_A_WAIT`].
const LOOK_ON: Duration = Duration::from_millis(300);

/// Delay before the next attempt if the sink could not store the dead letter.
const AFTER_FAILED_BURIAL: Duration = Duration::from_secs(5);

/// A message that could not be processed, with everything needed to examine and replay it.
#[derive(Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The subject it was published on.
    pub subject: String,
    /// Its sequence number in its stream.
    pub stream_sequence: u64,
    /// How often it had been delivered.
    pub delivery_count: u64,
    /// Why it could not be processed.
    pub reason: DeadReason,
    /// Details of the reason. They may quote the message, so they must not be logged.
    pub detail: String,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
    /// Its payload.
    pub payload: Bytes,
    /// When it was published.
    pub first_seen: DateTime<Utc>,
}

impl DeadLetter {
    fn new(metadata: &Metadata, reason: DeadReason, detail: String) -> Self {
        Self {
            subject: metadata.subject.clone(),
            stream_sequence: metadata.stream_sequence,
            delivery_count: metadata.delivery_count,
            reason,
            detail,
            headers: metadata.headers.clone(),
            payload: metadata.payload.clone(),
            first_seen: metadata.published_at,
        }
    }
}

/// Omits the fields that may contain a customer's text.
impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("subject", &self.subject)
            .field("stream_sequence", &self.stream_sequence)
            .field("delivery_count", &self.delivery_count)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

/// Stores dead letters.
pub trait DeadLetterSink: Send + Sync {
    /// Why a dead letter could not be stored.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Stores a dead letter, and resolves once it is durable. If it gets the same letter twice, it may store it once or
    /// twice.
    fn dead_letter<'a>(&'a self, letter: &'a DeadLetter) -> BoxFuture<'a, Result<(), Self::Error>>;
}

/// How a delivery was completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled<T> {
    /// The handler processed it.
    Done(T),
    /// It became a dead letter.
    Buried(DeadReason),
}

/// Stream of [`dead_letter`](super::DeliveryStreamExt::dead_letter).
///
/// Sends a failure to the sink if it is [`FailureReason::Dead`], or if it is [`FailureReason::Retry`] and the message
/// has already been delivered `max_deliveries` times. Everything else passes unchanged. If the sink has stored the
/// letter, the delivery continues as [`Handled::Buried`]; if not, the message is retried 5 s later.
///
/// An outage raises delivery counts too. So no `Retry` becomes a dead letter within five minutes after any message of
/// this stream returned [`FailureReason::Wait`], nor shortly after the stream has started (300 ms for each of
/// `max_deliveries`, at most five minutes), because the outage may have been before the start.
///
/// `max_deliveries` must be less than the consumer's `max_deliver`; otherwise the server gives up first. At most 32
/// letters wait for the sink at once; at that limit, the upstream is not polled. The stream ends when the upstream has
/// ended and the sink has answered for every letter.
///
/// # Ordering
///
/// Items that pass keep their order. A dead letter continues when the sink has answered.
///
/// # Acknowledgement
///
/// Settles nothing. A dead letter keeps its ack handle, and [`settle`](super::DeliveryStreamExt::settle) acks it like
/// any success.
///
/// # Shutdown
///
/// Letters that wait for the sink are completed if the stream is polled until it ends. If it is dropped, those messages
/// are redelivered and become dead letters again.
///
/// ```
/// use std::{convert::Infallible, sync::{Arc, Mutex}};
/// use futures::{StreamExt, future::BoxFuture, stream};
/// use nevermisscall::stream::{DeadLetter, DeadLetterSink, DeadReason, Handled};
/// use nevermisscall::stream::{DeliveryStreamExt, Metadata, AckHandle};
///
/// #[derive(Default)]
/// struct Shelf(Mutex<Vec<DeadLetter>>);
///
/// impl DeadLetterSink for Shelf {
///     type Error = Infallible;
///     fn dead_letter<'a>(&'a self, letter: &'a DeadLetter) -> BoxFuture<'a, Result<(), Infallible>> {
///         Box::pin(async { Ok(self.0.lock().unwrap().push(letter.clone())) })
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let shelf = Arc::new(Shelf::default());
/// let raw = AckHandle::detached(Metadata::new("nmc.test", "not a number")).with(());
/// let steps: Vec<_> = stream::iter([raw]).decode::<u32>().dead_letter(Arc::clone(&shelf), 5).collect().await;
/// let outcome = steps[0].as_ref().map(|delivery| delivery.item);
/// assert_eq!(outcome.ok(), Some(Handled::Buried(DeadReason::UNDECODABLE)));
/// assert_eq!(shelf.0.lock().unwrap()[0].payload, "not a number");
/// # }
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct DeadLetters<S, T, D: ?Sized> {
    upstream: Fuse<Pin<Box<S>>>,
    sink: Arc<D>,
    max_deliveries: u64,
    /// Before this time, no message counts as exhausted.
    lenient_until: Instant,
    burials: FuturesUnordered<BoxFuture<'static, Step<Handled<T>>>>,
}

impl<S, T, D> DeadLetters<S, T, D>
where
    S: Stream<Item = Step<T>>,
    T: 'static,
    D: DeadLetterSink + ?Sized + 'static,
{
    pub(super) fn new(upstream: S, sink: Arc<D>, max_deliveries: u64) -> Self {
        Self {
            upstream: Box::pin(upstream).fuse(),
            sink,
            max_deliveries,
            lenient_until: Instant::now() + look_on(max_deliveries),
            burials: FuturesUnordered::new(),
        }
    }

    /// Returns a step that passes, or `None` if the message was sent to the sink.
    fn pass(&mut self, step: Step<T>) -> Option<Step<Handled<T>>> {
        let Failure { receipt, reason } = match step {
            Ok(delivery) => return Some(Ok(delivery.map(Handled::Done))),
            Err(failure) => failure,
        };
        let (reason, detail) = match reason {
            FailureReason::Dead { reason, detail } => (reason, detail),
            FailureReason::Retry { source, .. }
                if receipt.metadata().delivery_count >= self.max_deliveries && Instant::now() >= self.lenient_until =>
            {
                (DeadReason::EXHAUSTED, chain(source.as_ref()))
            }
            wait @ FailureReason::Wait { .. } => {
                self.lenient_until = Instant::now() + AFTER_A_WAIT;
                return Some(Err(receipt.fail(wait)));
            }
            retry => return Some(Err(receipt.fail(retry))),
        };
        self.burials.push(Box::pin(dead_letter(Arc::clone(&self.sink), receipt, reason, detail)));
        None
    }
}

fn look_on(max_deliveries: u64) -> Duration {
    LOOK_ON.saturating_mul(u32::try_from(max_deliveries).unwrap_or(u32::MAX)).min(AFTER_A_WAIT)
}

async fn dead_letter<T, D>(sink: Arc<D>, receipt: AckHandle, reason: DeadReason, detail: String) -> Step<Handled<T>>
where
    D: DeadLetterSink + ?Sized,
{
    let letter = DeadLetter::new(receipt.metadata(), reason, detail);
    match sink.dead_letter(&letter).await {
        Ok(()) => {
            tracing::warn!(
                nats.subject = %letter.subject,
                nats.stream_sequence = letter.stream_sequence,
                nats.delivery_count = letter.delivery_count,
                reason = reason.code(),
                "message stored as a dead letter"
            );
            Ok(receipt.with(Handled::Buried(reason)))
        }
        Err(error) => Err(Failure::retry(receipt, AFTER_FAILED_BURIAL, error)),
    }
}

impl<S, T, D> Stream for DeadLetters<S, T, D>
where
    S: Stream<Item = Step<T>>,
    T: 'static,
    D: DeadLetterSink + ?Sized + 'static,
{
    type Item = Step<Handled<T>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Poll::Ready(Some(step)) = this.burials.poll_next_unpin(cx) {
                return Poll::Ready(Some(step));
            }
            if this.burials.len() >= BURIALS_AT_ONCE {
                return Poll::Pending;
            }
            match this.upstream.poll_next_unpin(cx) {
                Poll::Ready(Some(step)) => {
                    if let Some(passed) = this.pass(step) {
                        return Poll::Ready(Some(passed));
                    }
                }
                Poll::Ready(None) if this.burials.is_empty() => return Poll::Ready(None),
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }
}

#[cfg(test)]
mod tests;
