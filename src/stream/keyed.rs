//! Processes deliveries in order for each key, and in parallel across keys.
//!
//! At most `limit` handlers run at once, and never two for the same key.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    hash::Hash,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{
    FutureExt, Stream, StreamExt,
    future::BoxFuture,
    stream::{Fuse, FuturesUnordered},
};

use super::{delivery::Delivery, step::Step};

/// How many deliveries may wait, for each of the `limit` handlers.
const WAITING_PER_HANDLER: usize = 4;

/// Stream of [`keyed`](super::DeliveryStreamExt::keyed).
///
/// Calls the handler for each delivery: at most `limit` at once, and never two for the same key. Deliveries of a busy
/// key wait in a buffer of 4 × `limit` deliveries; while the buffer is full, the upstream is not polled. So a busy key
/// delays other keys only when the buffer is full. A free handler takes the key that has waited longest.
///
/// The time in the buffer counts towards the server's `ack_wait`. Choose an `ack_wait` longer than the time to process
/// a full buffer, or keep the consumer's `max_ack_pending` in proportion to `limit`. Handlers advance only while this
/// stream is polled, as [`settle`](super::DeliveryStreamExt::settle) does. The stream ends when the upstream has ended
/// and every delivery has been processed.
///
/// # Ordering
///
/// Handlers of one key run one after the other, in the order of the upstream. Results are returned as they become
/// ready; those of one key are in order. Failures from the upstream are passed on immediately, ahead of all running and
/// waiting deliveries. A failed delivery does not hold back later deliveries of its key: it is redelivered after them.
///
/// # Acknowledgement
///
/// Settles nothing: the ack handle passes through the handler. If a handler panics, its delivery is dropped, so the
/// server redelivers it. Other handlers, and later deliveries of the same key, are not affected.
///
/// # Shutdown
///
/// End the upstream and continue polling: running and waiting deliveries are then completed. Dropping the stream
/// cancels the handlers, and the server redelivers their messages.
///
/// ```
/// use futures::{StreamExt, stream};
/// use nevermisscall::stream::{DeliveryStreamExt, Metadata, AckHandle};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let raw = ["1", "2", "3"].map(|payload| AckHandle::detached(Metadata::new("nmc.test", payload)).with(()));
/// let parity = |n: &u32| n % 2;
/// let mut tens: Vec<u32> = stream::iter(raw)
///     .decode::<u32>()
///     .keyed(8, parity, async |delivery| Ok(delivery.map(|n| n * 10)))
///     .filter_map(async |step| step.ok().map(|delivery| delivery.item))
///     .collect()
///     .await;
/// tens.sort();
/// assert_eq!(tens, [10, 20, 30]);
/// # }
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct Keyed<S, T, U, K, KeyOf, Handler> {
    upstream: Fuse<Pin<Box<S>>>,
    key_of: KeyOf,
    handler: Arc<Handler>,
    limit: usize,
    running: FuturesUnordered<BoxFuture<'static, Finished<K, U>>>,
    /// Every key with a running or waiting delivery, with its waiting deliveries.
    lanes: HashMap<K, VecDeque<Delivery<T>>>,
    /// The keys that wait for a free handler. Each has waiting deliveries and no running one.
    turns: VecDeque<K>,
    /// The number of deliveries in all lanes.
    waiting: usize,
}

/// A key whose handler has finished, with the result; `None` if the handler panicked.
type Finished<K, U> = (K, Option<Step<U>>);

/// Every field is owned or boxed, so nothing is pinned in place.
impl<S, T, U, K, KeyOf, Handler> Unpin for Keyed<S, T, U, K, KeyOf, Handler> {}

impl<S, T, U, K, KeyOf, Handler, Work> Keyed<S, T, U, K, KeyOf, Handler>
where
    S: Stream<Item = Step<T>>,
    T: Send + 'static,
    U: Send + 'static,
    K: Hash + Eq + Clone + Send + 'static,
    KeyOf: Fn(&T) -> K,
    Handler: Fn(Delivery<T>) -> Work + Send + Sync + 'static,
    Work: Future<Output = Step<U>> + Send + 'static,
{
    pub(super) fn new(upstream: S, limit: usize, key_of: KeyOf, handler: Handler) -> Self {
        Self {
            upstream: Box::pin(upstream).fuse(),
            key_of,
            handler: Arc::new(handler),
            limit: limit.max(1),
            running: FuturesUnordered::new(),
            lanes: HashMap::new(),
            turns: VecDeque::new(),
            waiting: 0,
        }
    }

    fn has_room(&self) -> bool {
        self.waiting < self.limit.saturating_mul(WAITING_PER_HANDLER)
    }

    fn admit(&mut self, delivery: Delivery<T>) {
        match self.lanes.entry((self.key_of)(&delivery.item)) {
            Entry::Occupied(mut lane) => lane.get_mut().push_back(delivery),
            Entry::Vacant(lane) => {
                self.turns.push_back(lane.key().clone());
                lane.insert(VecDeque::from([delivery]));
            }
        }
        self.waiting += 1;
        self.start();
    }

    fn release(&mut self, key: K) {
        match self.lanes.get(&key) {
            Some(lane) if !lane.is_empty() => self.turns.push_back(key),
            _ => drop(self.lanes.remove(&key)),
        }
        self.start();
    }

    fn start(&mut self) {
        while self.running.len() < self.limit {
            let Some(key) = self.turns.pop_front() else { return };
            let Some(delivery) = self.lanes.get_mut(&key).and_then(VecDeque::pop_front) else { continue };
            self.waiting -= 1;
            let handler = Arc::clone(&self.handler);
            let sequence = delivery.metadata().stream_sequence;
            let work = AssertUnwindSafe(async move { handler(delivery).await }).catch_unwind();
            self.running.push(Box::pin(async move {
                let outcome = work.await.inspect_err(|_panic| {
                    tracing::error!(
                        nats.stream_sequence = sequence,
                        "handler panicked; the message will be redelivered"
                    );
                });
                (key, outcome.ok())
            }));
        }
    }
}

impl<S, T, U, K, KeyOf, Handler, Work> Stream for Keyed<S, T, U, K, KeyOf, Handler>
where
    S: Stream<Item = Step<T>>,
    T: Send + 'static,
    U: Send + 'static,
    K: Hash + Eq + Clone + Send + 'static,
    KeyOf: Fn(&T) -> K,
    Handler: Fn(Delivery<T>) -> Work + Send + Sync + 'static,
    Work: Future<Output = Step<U>> + Send + 'static,
{
    type Item = Step<U>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Poll::Ready(Some((key, outcome))) = this.running.poll_next_unpin(cx) {
                this.release(key);
                match outcome {
                    Some(step) => return Poll::Ready(Some(step)),
                    None => continue,
                }
            }
            if this.has_room() && !this.upstream.is_done() {
                match this.upstream.poll_next_unpin(cx) {
                    Poll::Ready(Some(Ok(delivery))) => this.admit(delivery),
                    Poll::Ready(Some(Err(failure))) => return Poll::Ready(Some(Err(failure))),
                    Poll::Ready(None) if this.running.is_empty() => return Poll::Ready(None),
                    Poll::Ready(None) | Poll::Pending => return Poll::Pending,
                }
            } else if this.running.is_empty() {
                return Poll::Ready(None);
            } else {
                return Poll::Pending;
            }
        }
    }
}

#[cfg(test)]
mod tests;
