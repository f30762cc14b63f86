//! A list of what a simulator saw, for tests. Each change wakes the waiters, and listeners are called with each new
//! entry.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use anyhow::bail;
use tokio::sync::watch;

use super::lock;

type Listener<T> = Box<dyn Fn(&T) + Send + Sync>;

/// Entries in the order of arrival.
pub struct Journal<T> {
    // Shared, so that readers neither copy the entries nor hold the lock.
    entries: Mutex<Arc<Vec<T>>>,
    version: watch::Sender<u64>,
    listeners: RwLock<Vec<Listener<T>>>,
}

impl<T> Default for Journal<T> {
    fn default() -> Self {
        Self { entries: Mutex::default(), version: watch::Sender::new(0), listeners: RwLock::default() }
    }
}

impl<T: Clone> Journal<T> {
    /// All entries, oldest first.
    pub fn snapshot(&self) -> Vec<T> {
        self.shared().to_vec()
    }

    /// All entries, oldest first, without a copy.
    pub fn shared(&self) -> Arc<Vec<T>> {
        lock(&self.entries).clone()
    }

    /// Calls `listener` with each entry before it is appended. It must be quick: the request waits for it.
    pub fn on_push(&self, listener: impl Fn(&T) + Send + Sync + 'static) {
        self.listeners.write().unwrap_or_else(PoisonError::into_inner).push(Box::new(listener));
    }

    /// Appends an entry.
    pub fn push(&self, entry: T) {
        for listener in self.listeners.read().unwrap_or_else(PoisonError::into_inner).iter() {
            listener(&entry);
        }
        self.change(|entries| entries.push(entry));
    }

    /// Removes all entries.
    pub fn clear(&self) {
        self.change(Vec::clear);
    }

    /// Changes the entries and wakes the waiters.
    pub fn change<R>(&self, change: impl FnOnce(&mut Vec<T>) -> R) -> R {
        let result = change(Arc::make_mut(&mut lock(&self.entries)));
        self.version.send_modify(|version| *version = version.wrapping_add(1));
        result
    }

    /// Waits until the entries satisfy `satisfied`, and returns them. After `timeout` it fails with the number of
    /// entries.
    pub async fn wait_for(&self, mut satisfied: impl FnMut(&[T]) -> bool, timeout: Duration) -> anyhow::Result<Vec<T>> {
        let mut changes = self.version.subscribe();
        let waiting = async {
            loop {
                changes.borrow_and_update();
                let entries = self.shared();
                if satisfied(&entries) {
                    return entries.to_vec();
                }
                // If this handle were kept while waiting, every push would copy all entries.
                drop(entries);
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        match tokio::time::timeout(timeout, waiting).await {
            Ok(entries) => Ok(entries),
            Err(_) => bail!("not satisfied after {timeout:?} by {} entries", self.shared().len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_sees_each_entry_before_the_readers_do() {
        let journal = Arc::new(Journal::default());
        let (seen, readable) = (Arc::new(Mutex::new(Vec::new())), Arc::clone(&journal));
        let noted = Arc::clone(&seen);
        journal.on_push(move |entry: &u8| lock(&noted).push((*entry, readable.snapshot())));
        journal.push(1);
        journal.push(2);
        assert_eq!(*lock(&seen), [(1, vec![]), (2, vec![1])]);
    }
}
