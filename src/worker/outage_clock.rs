//! The time since the last outage: a wait for something that has not arrived yet must not expire because of an outage.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

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
