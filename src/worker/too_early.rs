//! A report that arrives before its call or message has been processed: it is retried for a limited time, and the time of
//! an outage does not count.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{retry_delay, retry_or_wait};
use crate::adapters::outage;
use crate::stream::{DeadReason, FailureReason};

/// A report that arrives before its call or message is tried this often, for about ten minutes, before it becomes a
/// dead letter …
const MAX_TOO_EARLY: u64 = 25;

/// … and only if no service was unavailable for this long.
const LONG_ENOUGH: Duration = Duration::from_secs(5 * 60);

/// How to give back a webhook that cannot be processed yet.
#[derive(Clone, Copy)]
pub(super) struct TooEarly<'a> {
    pub(super) delivery_count: u64,
    pub(super) outage_clock: &'a OutageClock,
}

impl TooEarly<'_> {
    /// An error: waits if a service is unavailable, otherwise retries.
    pub(super) fn retry(self, error: impl std::error::Error + Send + Sync + 'static) -> FailureReason {
        if outage::missing(&error).is_some() {
            self.outage_clock.disturb();
        }
        retry_or_wait(self.delivery_count, error)
    }

    /// Its call or message has not been processed yet: retries for a limited time. The time of an outage does not
    /// count, because the call or message waited through it too.
    pub(super) fn again(self, reason: DeadReason, detail: &'static str) -> FailureReason {
        if self.delivery_count >= MAX_TOO_EARLY && self.outage_clock.lasts() >= LONG_ENOUGH {
            return FailureReason::dead(reason, detail);
        }
        FailureReason::retry(retry_delay(self.delivery_count), detail)
    }
}

/// Since when no service was unavailable in this process.
#[derive(Debug)]
pub(super) struct OutageClock(Mutex<Instant>);

impl OutageClock {
    /// Starts now.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    /// A service is unavailable: starts again.
    pub(super) fn disturb(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// How long no service has been unavailable.
    pub(super) fn lasts(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;

    const UNKNOWN: DeadReason = DeadReason::new("unknown_call");

    #[tokio::test(start_paused = true)]
    async fn an_outage_does_not_make_a_report_too_old_to_wait() {
        let outage_clock = OutageClock::new();
        let early = TooEarly { delivery_count: MAX_TOO_EARLY, outage_clock: &outage_clock };
        let is_dead = || matches!(early.again(UNKNOWN, "no record"), FailureReason::Dead { .. });
        assert!(!is_dead());
        tokio::time::advance(LONG_ENOUGH).await;
        assert!(is_dead());
        early.retry(StoreError::away());
        assert!(!is_dead());
    }
}
