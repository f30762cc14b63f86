//! Statements about many keys, for callers who each have one: while a statement is under way, the next callers collect
//! ([`GroupCommit`]), and a caller who comes alone waits for nobody.
//!
//! This is not a cache: a caller sees everything that was committed before the call.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::{StoreError, Stored};
use crate::stream::GroupCommit;

/// The most keys of a statement.
const MOST_KEYS: usize = 64;
/// How long a statement may take, so that a connection that is dead does not hold up everybody. Longer than a wait for a
/// connection and then for a lock.
const DEADLINE: Duration = Duration::from_secs(17);

/// The results of a statement by their key. A row that cannot be parsed is an error of its own.
pub(super) type Rows<K, V> = HashMap<K, Stored<V>>;
type Statement<K, V> = dyn Fn(Vec<K>) -> BoxFuture<'static, Stored<Rows<K, V>>> + Send + Sync;

/// A statement whose callers share it.
pub(super) struct Batched<K, V> {
    statement: Arc<Statement<K, V>>,
    batches: GroupCommit<K, Outcome<V>>,
}

impl<K, V> std::fmt::Debug for Batched<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batched").finish_non_exhaustive()
    }
}

enum Outcome<V> {
    Row(Stored<Option<V>>),
    /// The statement failed as a whole, or another caller has the result of the same key.
    Alone,
}

impl<K: Clone + Eq + Hash + Send + 'static, V: Send + 'static> Batched<K, V> {
    /// Shares a statement, which gets each key once, in the order of the calls.
    pub(super) fn new<F>(statement: impl Fn(Vec<K>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Stored<Rows<K, V>>> + Send + 'static,
    {
        let statement: Arc<Statement<K, V>> =
            Arc::new(move |keys| StoreError::within(DEADLINE, statement(keys)).boxed());
        let shared = Arc::clone(&statement);
        let batches = GroupCommit::new(MOST_KEYS, move |keys| {
            let shared = Arc::clone(&shared);
            async move { run(&*shared, keys).await }
        });
        Self { statement, batches }
    }

    /// The result for a key, if the statement has one.
    ///
    /// # Errors
    /// If PostgreSQL is unavailable, the statement fails for this key, or the row cannot be parsed.
    pub(super) async fn one(&self, key: K) -> Stored<Option<V>> {
        if let Some(Outcome::Row(row)) = self.batches.call(key.clone()).await {
            return row;
        }
        (self.statement)(vec![key.clone()]).await?.remove(&key).transpose()
    }
}

async fn run<K: Clone + Eq + Hash, V>(statement: &Statement<K, V>, keys: Vec<K>) -> Vec<Outcome<V>> {
    match statement(distinct(&keys)).await {
        Ok(mut rows) => {
            let mut given = HashSet::new();
            let outcome =
                |key| if given.insert(key) { Outcome::Row(rows.remove(key).transpose()) } else { Outcome::Alone };
            keys.iter().map(outcome).collect()
        }
        Err(error) if keys.len() == 1 => vec![Outcome::Row(Err(error))],
        Err(StoreError::Unavailable(_)) => keys.iter().map(|_| Outcome::Row(Err(StoreError::away()))).collect(),
        // Only the key whose fault it is must fail.
        Err(_) => keys.iter().map(|_| Outcome::Alone).collect(),
    }
}

fn distinct<K: Clone + Eq + Hash>(keys: &[K]) -> Vec<K> {
    let mut seen = HashSet::new();
    keys.iter().filter(|key| seen.insert(*key)).cloned().collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Mutex;

    use futures::future::join_all;
    use futures::poll;
    use tokio::time::sleep;

    use super::*;

    /// Doubles numbers, one statement a second; knows no zero, and fails on a 13.
    fn doubled() -> (Batched<u32, u32>, Arc<Mutex<Vec<usize>>>) {
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&sizes);
        let statement = move |keys: Vec<u32>| {
            seen.lock().unwrap().push(keys.len());
            async move {
                sleep(Duration::from_secs(1)).await;
                if keys.contains(&13) {
                    return Err(StoreError::Conflict("13".to_owned()));
                }
                Ok(keys.into_iter().filter(|key| *key > 0).map(|key| (key, Ok(2 * key))).collect())
            }
        };
        (Batched::new(statement), sizes)
    }

    /// Asks for the first key, and for the others while the first statement is under way.
    async fn ask(batched: &Batched<u32, u32>, first: u32, others: &[u32]) -> Vec<Stored<Option<u32>>> {
        let mut first = Box::pin(batched.one(first));
        assert!(poll!(&mut first).is_pending());
        let (first, others) = tokio::join!(first, join_all(others.iter().map(|key| batched.one(*key))));
        std::iter::once(first).chain(others).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn callers_who_come_while_a_statement_is_under_way_share_the_next() {
        let (batched, sizes) = doubled();
        let results = ask(&batched, 1, &[2, 0, 3]).await;
        let results: Vec<Option<u32>> = results.into_iter().map(Result::unwrap).collect();
        assert_eq!(results, [Some(2), Some(4), None, Some(6)]);
        assert_eq!(*sizes.lock().unwrap(), [1, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_two_callers_have_is_given_to_both() {
        let (batched, _) = doubled();
        let results = ask(&batched, 1, &[5, 5]).await;
        assert!(results.into_iter().skip(1).all(|result| result.unwrap() == Some(10)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_on_which_the_statement_fails_fails_alone() {
        let (batched, sizes) = doubled();
        let results = ask(&batched, 1, &[2, 13, 3]).await;
        let failed: Vec<bool> = results.iter().map(Result::is_err).collect();
        assert_eq!(failed, [false, false, true, false]);
        assert_eq!(*sizes.lock().unwrap(), [1, 3, 1, 1, 1]);
    }
}
