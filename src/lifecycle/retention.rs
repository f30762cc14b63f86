//! Retention (docs/retention.md): deletes old data. The streams expire by themselves, except NMC_WINDOWS. Every worker
//! prunes that stream, the tables, and the log in Redis; it is harmless if two workers do so at the same time.

use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use crate::adapters::jetstream::{JetStream, ProbeMarks};
use crate::adapters::postgres::Store;
use crate::adapters::redis::RedisSink;
use crate::store::StoreError;

/// Time between two runs.
const POLL_INTERVAL: Duration = Duration::from_secs(600);
/// How many rows one transaction deletes.
const BATCH: i64 = 200;
/// How many transactions one run makes, so that a backlog of years does not occupy a worker.
const BATCHES: usize = 50;
/// The age at which timers are removed. No window is open for that long, so such a timer is not needed.
const TIMERS: TimeDelta = TimeDelta::days(1);
/// How many timers one run removes.
const TIMERS_AT_ONCE: u32 = 1_000;

/// Deletes data older than `keep`, until `shutdown`.
pub async fn keep_for(
    keep: Duration,
    store: Store,
    jetstream: JetStream,
    redis: Arc<RedisSink>,
    shutdown: CancellationToken,
) {
    let mut ticks = tokio::time::interval(POLL_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut probes = ProbeMarks::default();
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        match shutdown.run_until_cancelled(prune(keep, &store)).await {
            None | Some(Ok(0)) => {}
            Some(Ok(count)) => tracing::info!(count, "deleted conversations and calls older than NMC_KEEP"),
            Some(Err(error)) => tracing::warn!(%error, "deleting data older than NMC_KEEP failed; retrying later"),
        }
        let old_timers = jetstream.remove_old_timers(Utc::now() - TIMERS, TIMERS_AT_ONCE);
        if let Some(Err(error)) = shutdown.run_until_cancelled(old_timers).await {
            tracing::debug!(%error, "removing old timers failed; retrying later");
        }
        if let Some(Err(error)) = shutdown.run_until_cancelled(jetstream.erase_probes(&mut probes)).await {
            tracing::debug!(%error, "erasing probes failed; retrying later");
        }
        if let Some(Err(error)) = shutdown.run_until_cancelled(redis.trim()).await {
            tracing::debug!(%error, "trimming the event log in Redis failed; retrying later");
        }
    }
}

async fn prune(keep: Duration, store: &Store) -> Result<u64, StoreError> {
    let mut pruned = 0;
    for _ in 0..BATCHES {
        let some = store.prune_conversations(keep, BATCH).await?
            + store.prune_calls(keep, BATCH).await?
            + store.prune_participants(keep, BATCH).await?;
        pruned += some;
        if some == 0 {
            break;
        }
    }
    store.prune_letter_replays().await?;
    store.prune_phone_codes().await?;
    store.prune_ladder_calls().await?;
    Ok(pruned)
}
