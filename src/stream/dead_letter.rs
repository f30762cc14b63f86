//! Puts aside what cannot be processed, so that it neither blocks a stream nor is lost.
//!
//! Fed by `keyed`; feeds `settle`, and a sink that keeps dead letters. It guarantees that a message is acknowledged
//! only after the sink has said that it has it.

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

/// How many letters may be on their way to the sink before the upstream has to wait.
const BURIALS_AT_ONCE: usize = 32;

/// For how long nothing may have waited before a message counts as exhausted: an outage adds to the deliveries of all that
/// it holds up, and whatever fails first after it is not to blame for them.
const AFTER_A_WAIT: Duration = Duration::from_secs(5 * 60);

/// A stream that has just begun does not know what was before it, so nothing counts as exhausted at once: for each delivery
/// that a message is allowed it looks on for so long, up to [`AFTER_A_WAIT`].
const LOOK_ON: Duration = Duration::from_millis(300);

/// How long a message waits that could neither be processed nor put aside.
const AFTER_FAILED_BURIAL: Duration = Duration::from_secs(5);

/// A message that could not be processed, with all that is needed to look at it and to play it again.
#[derive(Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The subject it was published on.
    pub subject: String,
    /// Its place in its stream.
    pub stream_sequence: u64,
    /// How often it had been delivered.
    pub delivery_count: u64,
    /// Why it could not be processed.
    pub reason: DeadReason,
    /// The same in particular; may quote the message, so it is not for logs.
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

/// Leaves out what may hold a customer's words.
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

/// Keeps dead letters.
pub trait DeadLetterSink: Send + Sync {
    /// Why a letter could not be kept.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Resolves once the letter is kept durably. Given the same letter twice, it keeps it once or twice, as it likes.
    fn dead_letter<'a>(&'a self, letter: &'a DeadLetter) -> BoxFuture<'a, Result<(), Self::Error>>;
}

/// How a delivery came to be done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled<T> {
    /// It was processed.
    Done(T),
    /// It was put aside.
    Buried(DeadReason),
}

/// Stream of [`dead_letter`](super::DeliveryStreamExt::dead_letter).
///
/// Gives to the sink every failure that is dead, and every one to be tried again whose message was already delivered
/// `max_deliveries` times; but none of these within five minutes after anything on this stream only waited
/// ([`FailureReason::Wait`]), for an outage makes deliveries too, nor soon after the stream has begun (300 ms for each of
/// `max_deliveries`, five minutes at the most), for the outage may have been before. What the sink has kept goes on as
/// [`Handled::Buried`]; if it could not keep it, the message is to be tried again 5 s later. Everything else passes. Let `max_deliveries` be less than the consumer's
/// `max_deliver`, or the server gives up first. At most 32 letters are on their way at once; more hold up the upstream.
/// Ends when the upstream has ended and every letter has been answered for.
///
/// # Ordering
///
/// What passes keeps its order; a buried message comes out when the sink has answered.
///
/// # Acknowledgement
///
/// Settles nothing: a buried message keeps its receipt, and [`settle`](super::DeliveryStreamExt::settle) acknowledges
/// it as it does any success.
///
/// # Shutdown
///
/// Letters on their way are finished if the stream is polled until it ends. If it is dropped, those messages are
/// delivered again and buried a second time.
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
    /// Until then nothing counts as exhausted.
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

    /// What passes at once, or nothing where a burial was begun.
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
                "put aside as a dead letter"
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
