//! Since when nothing was missing: who waits for something that has not come yet must not blame an outage on it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Since when no service was missing here.
#[derive(Debug)]
pub(super) struct OutageClock(Mutex<Instant>);

impl OutageClock {
    /// Calm from now on.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    /// A service is missing.
    pub(super) fn disturb(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// For how long none was.
    pub(super) fn lasts(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}
