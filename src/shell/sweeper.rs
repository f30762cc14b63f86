//! The sweeper: finds what a crash or a stuck timer has left behind. Every worker runs one; what two of them do is done
//! twice and harms nobody.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Publish, Records, Shell, ShellError};

/// How often it looks.
const EVERY: Duration = Duration::from_secs(1);
/// An effect that waits longer than this was left behind: whoever committed it publishes at once.
const OUTBOX_STALE_SECONDS: f64 = 2.0;
/// A window whose deadline passed this long ago has a timer that is stuck or lost; a timer is at most 0.25 s late.
const TIMER_OVERDUE_SECONDS: f64 = 3.0;
/// How much it takes on at once.
const BATCH: i64 = 500;
/// How many rounds until it prunes.
const PRUNE_EVERY: u32 = 600;
/// NMC_INBOUND keeps webhooks for 7 days: an input can come again for as long.
const INBOX_DAYS: i32 = 8;

/// Sweeps until `shutdown`.
pub async fn sweep<R: Records, P: Publish>(shell: Shell<R, P>, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut round = 0_u32;
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        if let Err(error) = shell.sweep_once(round.is_multiple_of(PRUNE_EVERY)).await {
            tracing::warn!(%error, "the sweeper could not look; it will again");
        }
        round = round.wrapping_add(1);
    }
}

impl<R: Records, P: Publish> Shell<R, P> {
    async fn sweep_once(&self, prune: bool) -> Result<(), ShellError> {
        for key in self.store.stale_outbox_keys(OUTBOX_STALE_SECONDS, BATCH).await? {
            let published = self.outbox.drain(key).await?;
            self.metrics.outbox_swept(published as u64);
        }
        for overdue in self.store.overdue_windows(TIMER_OVERDUE_SECONDS, BATCH).await? {
            self.outbox.arm(overdue.conversation_id, overdue.deadline).await?;
            self.metrics.timers_rearmed(1);
        }
        if prune {
            self.store.prune(INBOX_DAYS).await?;
            self.store.prune_idempotency().await?;
        }
        Ok(())
    }
}
