//! Limits the look-ups for unauthenticated requests, and serves requests with known keys first.
//!
//! To check a signature or an API key, PostgreSQL is queried for what a request names. A flood of requests with random
//! names must neither use up the connections nor delay requests with known names. So known and unknown names have
//! separate places, and requests that wait for the same look-up share it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use tokio::sync::Semaphore;

/// Concurrent look-ups of known keys. Most of the 24 connections to PostgreSQL are left for other work.
const KNOWN: usize = 6;
/// Concurrent look-ups of unknown keys.
const UNKNOWN: usize = 2;

/// Look-ups by key `K` with results `T`.
pub(super) struct LookUps<K, T> {
    known: Lane<K, T>,
    unknown: Lane<K, T>,
}

impl<K, T> LookUps<K, T>
where
    K: Hash + Eq + Clone + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    pub(super) fn new() -> Self {
        Self { known: Lane::new(KNOWN), unknown: Lane::new(UNKNOWN) }
    }

    /// Looks up when a place is free. A caller never joins a look-up that has already started, so the result includes
    /// every change made before the call.
    pub(super) async fn ask<F>(&self, key: K, is_known: bool, look_up: F) -> T
    where
        F: Future<Output = T> + Send + 'static,
    {
        let lane = if is_known { &self.known } else { &self.unknown };
        lane.join(key, look_up).await
    }
}

type Waiting<K, T> = Arc<Mutex<HashMap<K, WeakShared<BoxFuture<'static, T>>>>>;

struct Lane<K, T> {
    places: Arc<Semaphore>,
    waiting: Waiting<K, T>,
}

impl<K, T> Lane<K, T>
where
    K: Hash + Eq + Clone + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    fn new(places: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), waiting: Arc::default() }
    }

    /// Returns the waiting look-up of this key, or starts to wait with a new one.
    fn join<F>(&self, key: K, look_up: F) -> Shared<BoxFuture<'static, T>>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(asked) = waiting.get(&key).and_then(WeakShared::upgrade) {
            return asked;
        }
        let (places, queued) =
            (Arc::clone(&self.places), Queued { waiting: Arc::clone(&self.waiting), key: key.clone() });
        let asked = async move {
            let _place = places.acquire_owned().await;
            drop(queued);
            look_up.await
        };
        let asked = asked.boxed().shared();
        waiting.extend(asked.downgrade().map(|weak| (key, weak)));
        asked
    }
}

/// While this exists, callers may join the look-up. It is dropped when the look-up starts, or when nobody waits for it
/// any more.
struct Queued<K: Hash + Eq, T> {
    waiting: Waiting<K, T>,
    key: K,
}

impl<K: Hash + Eq, T> Drop for Queued<K, T> {
    fn drop(&mut self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::{join_all, pending};
    use tokio::sync::watch;

    use super::*;

    #[tokio::test]
    async fn a_flood_of_what_nobody_knows_does_not_hold_up_what_is_known() {
        let look_ups = LookUps::new();
        let flood = join_all((0..1_000).map(|n| look_ups.ask(n, false, pending::<&str>())));
        let known = look_ups.ask(5, true, async { "known" });
        tokio::select! {
            biased;
            _ = flood => unreachable!("the flood never ends"),
            found = known => assert_eq!(found, "known"),
        }
    }

    #[tokio::test]
    async fn only_so_many_look_ups_run_at_once_and_the_same_is_asked_once() {
        let look_ups = LookUps::new();
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let asked = (0..300).map(|n: usize| {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            look_ups.ask(n % 100, true, async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                running.fetch_sub(1, Ordering::SeqCst);
                n
            })
        });
        let found = join_all(asked).await;
        assert_eq!(most.load(Ordering::SeqCst), KNOWN);
        let asked_again = found.iter().filter(|n| **n >= 100).count();
        // Those in progress when the second request came are looked up once more.
        assert!(asked_again <= 2 * KNOWN, "{asked_again}");
    }

    #[tokio::test]
    async fn a_look_up_that_has_begun_is_not_joined() {
        let look_ups = Arc::new(LookUps::new());
        let (answer, answered) = watch::channel(false);
        let first = async move {
            let mut answered = answered;
            let _ = answered.wait_for(|answered| *answered).await;
            "before"
        };
        let first = tokio::spawn({
            let look_ups = Arc::clone(&look_ups);
            async move { look_ups.ask(1, true, first).await }
        });
        tokio::task::yield_now().await;
        assert_eq!(look_ups.ask(1, true, async { "after" }).await, "after");
        answer.send_replace(true);
        assert_eq!(first.await.ok(), Some("before"));
    }

    #[tokio::test]
    async fn who_goes_away_leaves_nothing_behind() {
        let look_ups = LookUps::<u32, ()>::new();
        for n in 0..100 {
            assert!(look_ups.ask(n, false, pending()).now_or_never().is_none());
        }
        assert!(look_ups.unknown.waiting.lock().is_ok_and(|waiting| waiting.is_empty()));
        assert_eq!(look_ups.unknown.places.available_permits(), UNKNOWN);
    }
}
