//! Reads that may be some seconds old: a replica answers them while it is there and keeps up, otherwise the primary.
//!
//! Nothing that decides anything reads here.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Store, StoreError, Stored};
use crate::telemetry::{Metrics, ReadFrom};

/// What the replica shows is at most this old.
const MOST_BEHIND: Duration = Duration::from_secs(5);
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// How long the replica may take before the primary is asked: a reader waits for both.
const REPLICA_TIMEOUT: Duration = Duration::from_secs(2);
/// Positions in the log as bytes since its beginning; they continue after a promotion.
const WRITTEN: &str = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::int8";
const REPLAYED: &str = "SELECT pg_wal_lsn_diff(
    CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, '0/0')::int8";

/// Answers reads. Clones share everything.
#[derive(Debug, Clone)]
pub struct Reads {
    primary: Store,
    replica: Option<Arc<Replica>>,
    metrics: Metrics,
}

#[derive(Debug)]
struct Replica {
    store: Store,
    keeps_up: AtomicBool,
}

impl Reads {
    /// Reads from the primary alone.
    pub fn new(primary: Store, metrics: Metrics) -> Self {
        Self { primary, replica: None, metrics }
    }

    /// The same from this replica, once [`watch`](Self::watch) has found that it keeps up.
    ///
    /// # Errors
    /// If the URL is not a PostgreSQL URL.
    pub fn or_replica(self, url: &str) -> Result<Self, StoreError> {
        let replica = Replica { store: Store::lazy(url)?, keeps_up: AtomicBool::new(false) };
        Ok(Self { replica: Some(Arc::new(replica)), ..self })
    }

    /// The primary, for a read that must not be old.
    pub fn primary(&self) -> &Store {
        &self.primary
    }

    /// Asks the replica; if it cannot answer, the primary.
    ///
    /// # Errors
    /// If the primary was asked and failed.
    pub async fn ask<T, F>(&self, question: impl Fn(Store) -> F) -> Stored<T>
    where
        F: Future<Output = Stored<T>>,
    {
        if let Some(replica) = self.replica.as_deref().filter(|replica| replica.keeps_up()) {
            match StoreError::within(REPLICA_TIMEOUT, question(replica.store.clone())).await {
                Err(error @ StoreError::Unavailable(_)) => replica.found(Err(&error)),
                // A replica cancels statements that are in the way of what it replays.
                Err(StoreError::Refused(_)) => {}
                answer => {
                    self.metrics.read(ReadFrom::Replica);
                    return answer;
                }
            }
        }
        self.metrics.read(ReadFrom::Primary);
        question(self.primary.clone()).await
    }

    /// The same about one thing: what the replica does not have yet, the primary may have.
    ///
    /// # Errors
    /// As for [`ask`](Self::ask).
    pub async fn find<T, F>(&self, question: impl Fn(Store) -> F) -> Stored<Option<T>>
    where
        F: Future<Output = Stored<Option<T>>>,
    {
        match self.ask(&question).await? {
            None if self.replica.is_some() => question(self.primary.clone()).await,
            found => Ok(found),
        }
    }

    /// Finds out again and again, until `shutdown`, whether the replica keeps up.
    pub async fn watch(self, shutdown: CancellationToken) {
        let Some(replica) = &self.replica else { return shutdown.cancelled().await };
        let mut written = VecDeque::new();
        let watching = async {
            loop {
                replica.found(self.look(replica, &mut written).await.as_ref().copied());
                sleep(POLL_INTERVAL).await;
            }
        };
        shutdown.run_until_cancelled(watching).await;
        replica.store.close().await;
    }

    /// Whether the replica has what the primary had written [`MOST_BEHIND`] ago. While the primary is away, nobody knows,
    /// and the replica is better than nothing.
    async fn look(&self, replica: &Replica, written: &mut VecDeque<(Instant, i64)>) -> Stored<bool> {
        let now = position(&self.primary, WRITTEN).await;
        let replayed = position(&replica.store, REPLAYED).await?;
        let Ok(now) = now else { return Ok(true) };
        written.push_back((Instant::now(), now));
        written.retain(|(at, _)| at.elapsed() <= MOST_BEHIND);
        Ok(written.iter().any(|(_, position)| *position <= replayed))
    }
}

impl Replica {
    fn keeps_up(&self) -> bool {
        self.keeps_up.load(Ordering::Relaxed)
    }

    /// Whether it keeps up, or why it does not answer. Logged when that changes.
    fn found(&self, keeps_up: Result<bool, &StoreError>) {
        let before = self.keeps_up.swap(keeps_up.unwrap_or(false), Ordering::Relaxed);
        match keeps_up {
            Ok(true) if !before => tracing::info!("the replica keeps up: it answers reads"),
            Ok(false) if before => tracing::warn!("the replica is behind: the primary answers reads"),
            Err(error) if before => tracing::warn!(%error, "the replica does not answer: the primary answers reads"),
            _ => {}
        }
    }
}

async fn position(store: &Store, question: &'static str) -> Stored<i64> {
    let asked = async { Ok(sqlx::query_scalar(question).fetch_one(&store.reserved).await?) };
    StoreError::within(REPLICA_TIMEOUT, asked).await
}
