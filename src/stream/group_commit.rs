//! Joins concurrent calls into batches, as a database joins commits: while one batch is under way, the next collects.
//!
//! An idle caller gets a batch of its own at once, so nothing waits for a batch to fill.

use std::{
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};

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
///     tokio::task::yield_now().await; // the first batch is under way while the others arrive
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
}

impl<I, O> Clone for GroupCommit<I, O> {
    fn clone(&self) -> Self {
        Self { limit: self.limit, handler: Arc::clone(&self.handler), state: Arc::clone(&self.state) }
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
    /// The newest batch, if anybody still waits for it.
    newest: Option<(Items<I>, WeakShared<Running<O>>)>,
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
            state: Arc::new(Mutex::new(State { newest: None })),
        }
    }

    /// Processes an item in the next batch, and returns its result; `None` if the handler panicked on the batch.
    pub async fn call(&self, item: I) -> Option<O> {
        let (batch, place) = self.join(item);
        let results = batch.await;
        results.get(place).and_then(|result| lock(result).take())
    }

    /// Adds an item to the batch that collects, or begins one. Returns the batch and the item's place in it.
    fn join(&self, item: I) -> (Shared<Running<O>>, usize) {
        let mut state = lock(&self.state);
        let newest = state.newest.as_ref().and_then(|(items, batch)| Some((items, batch.upgrade()?)));
        if let Some((items, batch)) = &newest
            && let Some(items) = &mut *lock(items)
            && items.len() < self.limit
        {
            items.push(item);
            return (batch.clone(), items.len() - 1);
        }
        let previous = newest.map(|(_, batch)| batch);
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
            state.newest = Some((items, weak));
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
    async fn a_panic_fails_its_batch_and_not_the_next() {
        let group = sizes(64);
        let mut first = Box::pin(group.call(0));
        assert!(poll!(&mut first).is_pending());
        let (failed, next) = tokio::join!(first, group.call(5));
        assert_eq!((failed, next), (None, Some((5, 1))));
    }
}
