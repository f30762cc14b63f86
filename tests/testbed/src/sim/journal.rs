//! A list of what a simulator saw, for tests. Each change wakes the waiters.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::bail;
use tokio::sync::watch;

use super::lock;

/// Entries in the order of arrival.
pub struct Journal<T> {
    // Shared, so that readers neither copy the entries nor hold the lock.
    entries: Mutex<Arc<Vec<T>>>,
    version: watch::Sender<u64>,
}

impl<T> Default for Journal<T> {
    fn default() -> Self {
        Self { entries: Mutex::default(), version: watch::Sender::new(0) }
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

    /// Appends an entry.
    pub fn push(&self, entry: T) {
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
