//! Joins concurrent calls into batches, as a database joins commits: while one batch is under way, the next collects.
//!
//! An idle caller gets a batch of its own at once, so nothing waits for a batch to fill.

use std::{
    future::Future,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{
    FutureExt,
    future::{BoxFuture, Either, Shared, WeakShared, select},
};
use tokio::sync::Notify;

/// A handler that turns a batch of items into one result for each of them, in the same order. Clones share the batches.
///
/// At most one batch is under way; it holds at most `limit` items.
///
/// # Cancellation
///
/// A batch is advanced by those who wait for it, whichever of them is polled: it ends with the last of them. A caller
/// that is dropped does not affect its neighbours; its item may still be processed.
///
/// ```
/// use nevermisscall::stream::GroupCommit;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let sizes = GroupCommit::new(64, |batch: Vec<u32>| async move {
///     tokio::time::sleep(std::time::Duration::from_millis(1)).await; // meanwhile, the others arrive
///     let size = batch.len();
///     batch.into_iter().map(|n| (n, size)).collect()
/// });
/// let results = tokio::join!(sizes.call(1), sizes.call(2), sizes.call(3));
/// assert_eq!(results, (Some((1, 1)), Some((2, 2)), Some((3, 2))));
/// # }
/// ```
pub struct GroupCommit<I, O> {
    limit: usize,
    handler: Arc<dyn Fn(Vec<I>) -> BoxFuture<'static, Vec<O>> + Send + Sync>,
    state: Arc<Mutex<State<I, O>>>,
    /// Tells the other callers that one is gone, which may have been woken to advance a batch.
    gone: Arc<Notify>,
}

impl<I, O> Clone for GroupCommit<I, O> {
    fn clone(&self) -> Self {
        let (handler, state, gone) = (Arc::clone(&self.handler), Arc::clone(&self.state), Arc::clone(&self.gone));
        Self { limit: self.limit, handler, state, gone }
    }
}

impl<I, O> std::fmt::Debug for GroupCommit<I, O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupCommit").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// The items of a batch that has not begun; `None` once it has.
type Items<I> = Arc<Mutex<Option<Vec<I>>>>;
/// The results of a batch, each taken by the one who waits for it.
type Results<O> = Arc<Vec<Mutex<Option<O>>>>;
type Running<O> = BoxFuture<'static, Results<O>>;

struct State<I, O> {
    /// The batches that are under way or wait for their turn, the newest last.
    batches: Vec<(Items<I>, WeakShared<Running<O>>)>,
}

impl<I, O> State<I, O> {
    /// The newest batch that anybody still waits for; it may have begun. It need not be the last one that was formed:
    /// the callers of that may be gone, while an earlier one is under way.
    fn newest(&mut self) -> Option<(&Items<I>, Shared<Running<O>>)> {
        self.batches.retain(|(_, batch)| batch.upgrade().is_some());
        self.batches.last().and_then(|(items, batch)| Some((items, batch.upgrade()?)))
    }
}

/// Tells the others if a caller is dropped without its result.
struct Caller<'a> {
    gone: &'a Notify,
    has_results: bool,
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        if !self.has_results {
            self.gone.notify_waiters();
        }
    }
}

impl<I: Send + 'static, O: Send + 'static> GroupCommit<I, O> {
    /// Batches of at most `limit` items for a handler, which must return as many results as it gets items.
    pub fn new<Work>(limit: usize, handler: impl Fn(Vec<I>) -> Work + Send + Sync + 'static) -> Self
    where
        Work: Future<Output = Vec<O>> + Send + 'static,
    {
        Self {
            limit: limit.max(1),
            handler: Arc::new(move |items| handler(items).boxed()),
            state: Arc::new(Mutex::new(State { batches: Vec::new() })),
            gone: Arc::default(),
        }
    }

    /// Processes an item in the next batch, and returns its result; `None` if the handler panicked on the batch.
    pub async fn call(&self, item: I) -> Option<O> {
        let (mut batch, place) = self.join(item);
        let mut caller = Caller { gone: &self.gone, has_results: false };
        let results = loop {
            // A batch wakes its callers once. If the one that is polling it goes away just then, another must poll it.
            let somebody_gone = pin!(self.gone.notified());
            if let Either::Left((results, _)) = select(&mut batch, somebody_gone).await {
                break results;
            }
        };
        caller.has_results = true;
        results.get(place).and_then(|result| lock(result).take())
    }

    /// Adds an item to the batch that collects, without waiting for its result.
    ///
    /// # Errors
    /// Returns the item if no batch collects.
    pub fn offer(&self, item: I) -> Result<(), I> {
        let mut state = lock(&self.state);
        let Some((items, _batch)) = state.newest() else { return Err(item) };
        self.push(items, item).map(drop)
    }

    /// Adds an item to a batch, unless it has begun or is full. Returns the item's place in it.
    fn push(&self, items: &Items<I>, item: I) -> Result<usize, I> {
        match &mut *lock(items) {
            Some(items) if items.len() < self.limit => {
                items.push(item);
                Ok(items.len() - 1)
            }
            _ => Err(item),
        }
    }

    /// Adds an item to the batch that collects, or begins one. Returns the batch and the item's place in it.
    fn join(&self, mut item: I) -> (Shared<Running<O>>, usize) {
        let mut state = lock(&self.state);
        let mut previous = None;
        if let Some((items, batch)) = state.newest() {
            match self.push(items, item) {
                Ok(place) => return (batch, place),
                Err(given_back) => item = given_back,
            }
            previous = Some(batch);
        }
        let items: Items<I> = Arc::new(Mutex::new(Some(vec![item])));
        let (handler, waiting) = (Arc::clone(&self.handler), Arc::clone(&items));
        let batch = async move {
            if let Some(previous) = previous {
                previous.await;
            }
            let items = lock(&waiting).take().unwrap_or_default();
            let results = AssertUnwindSafe(async { handler(items).await }).catch_unwind().await;
            let results = results.unwrap_or_else(|_panic| {
                tracing::error!("a handler of batches panicked");
                Vec::new()
            });
            Arc::new(results.into_iter().map(|result| Mutex::new(Some(result))).collect::<Vec<_>>())
        };
        let batch = batch.boxed().shared();
        if let Some(weak) = batch.downgrade() {
            state.batches.push((items, weak));
        }
        (batch, 0)
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::{Context, Wake, Waker};
    use std::time::Duration;

    use futures::{future::join_all, poll};
    use tokio::time::{Instant, sleep};

    use super::*;

    const ONE_BATCH: Duration = Duration::from_secs(1);

    /// Returns each item with the size of its batch, a second later; panics on a zero.
    fn sizes(limit: usize) -> GroupCommit<u32, (u32, usize)> {
        GroupCommit::new(limit, |batch: Vec<u32>| async move {
            sleep(ONE_BATCH).await;
            assert!(!batch.contains(&0));
            let size = batch.len();
            batch.into_iter().map(|item| (item, size)).collect()
        })
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_caller_waits_for_nobody() {
        let (group, begun) = (sizes(64), Instant::now());
        assert_eq!(group.call(7).await, Some((7, 1)));
        assert_eq!(group.call(8).await, Some((8, 1)));
        assert_eq!(begun.elapsed(), 2 * ONE_BATCH);
    }

    #[tokio::test(start_paused = true)]
    async fn while_a_batch_is_under_way_the_next_collects_up_to_its_limit() {
        let (group, begun) = (sizes(3), Instant::now());
        let mut first = Box::pin(group.call(1));
        assert!(poll!(&mut first).is_pending());
        let rest = join_all((2..=6).map(|n| group.call(n)));
        let (first, rest) = tokio::join!(first, rest);
        assert_eq!(first, Some((1, 1)));
        let sizes: Vec<usize> = rest.iter().map(|result| result.unwrap().1).collect();
        assert_eq!(sizes, [3, 3, 3, 2, 2]);
        assert!(rest.iter().zip(2..).all(|(result, n)| result.unwrap().0 == n), "each gets its own result");
        assert_eq!(begun.elapsed(), 3 * ONE_BATCH);
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_goes_away_holds_up_nobody() {
        let group = sizes(64);
        let mut gone = Box::pin(group.call(1));
        assert!(poll!(&mut gone).is_pending());
        let mut waiting = Box::pin(group.call(2));
        assert!(poll!(&mut waiting).is_pending());
        let mut also_gone = Box::pin(group.call(3));
        assert!(poll!(&mut also_gone).is_pending());
        drop((gone, also_gone));
        assert_eq!(waiting.await, Some((2, 2)));
    }

    #[tokio::test(start_paused = true)]
    async fn no_batch_begins_beside_another_after_the_callers_of_the_one_between_them_are_gone() {
        let (group, begun) = (sizes(64), Instant::now());
        let mut first = Box::pin(group.call(1));
        assert!(poll!(&mut first).is_pending());
        for gone in [2, 3] {
            assert!(poll!(Box::pin(group.call(gone))).is_pending());
        }
        assert_eq!(tokio::join!(first, group.call(4)), (Some((1, 1)), Some((4, 1))));
        assert_eq!(begun.elapsed(), 2 * ONE_BATCH);
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_waits_for_a_full_one_behind_which_the_callers_of_another_are_gone() {
        let (group, begun) = (sizes(1), Instant::now());
        let (mut first, mut full) = (Box::pin(group.call(1)), Box::pin(group.call(2)));
        assert!(poll!(&mut first).is_pending() && poll!(&mut full).is_pending());
        assert!(poll!(Box::pin(group.call(3))).is_pending());
        assert_eq!(tokio::join!(first, full, group.call(4)), (Some((1, 1)), Some((2, 1)), Some((4, 1))));
        assert_eq!(begun.elapsed(), 3 * ONE_BATCH);
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_for_which_nobody_waits_any_more_does_not_run_later() {
        let ran = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&ran);
        let group = GroupCommit::new(64, move |batch: Vec<u32>| {
            let seen = Arc::clone(&seen);
            async move {
                sleep(ONE_BATCH).await;
                seen.lock().unwrap().extend(batch.clone());
                batch
            }
        });
        let mut gone = Box::pin(group.call(1));
        assert!(poll!(&mut gone).is_pending());
        drop(gone);
        assert_eq!(group.call(2).await, Some(2));
        assert_eq!(*ran.lock().unwrap(), [2]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_offered_joins_the_batch_that_collects_and_waits_for_nobody() {
        let group = sizes(3);
        assert_eq!(group.offer(1), Err(1), "no batch collects");
        let mut first = Box::pin(group.call(2));
        assert!(poll!(&mut first).is_pending());
        assert_eq!(group.offer(3), Err(3), "the only batch has begun");
        let mut next = Box::pin(group.call(4));
        assert!(poll!(&mut next).is_pending());
        assert_eq!([group.offer(5), group.offer(6), group.offer(7)], [Ok(()), Ok(()), Err(7)], "three is the limit");
        assert_eq!(tokio::join!(first, next), (Some((2, 1)), Some((4, 3))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_goes_away_wakes_those_that_wait() {
        let group = sizes(64);
        let mut first = Box::pin(group.call(1));
        assert!(poll!(&mut first).is_pending());
        let (waker, woken) = flag_waker();
        let mut waiting = Box::pin(group.call(2));
        assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        woken.store(false, Ordering::SeqCst);
        drop(first);
        assert!(woken.load(Ordering::SeqCst));
        assert_eq!(waiting.await, Some((2, 1)));
    }

    /// A waker that records that it was woken.
    fn flag_waker() -> (Waker, Arc<AtomicBool>) {
        struct Flag(Arc<AtomicBool>);
        impl Wake for Flag {
            fn wake(self: Arc<Self>) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let woken = Arc::default();
        (Arc::new(Flag(Arc::clone(&woken))).into(), woken)
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_fails_its_batch_and_not_the_next() {
        let group = sizes(64);
        let mut first = Box::pin(group.call(0));
        assert!(poll!(&mut first).is_pending());
        let (failed, next) = tokio::join!(first, group.call(5));
        assert_eq!((failed, next), (None, Some((5, 1))));
    }
}
