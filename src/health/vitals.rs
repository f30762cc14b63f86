//! What this process has seen of the others, for `/health/ready` to tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A handle; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Vitals {
    streams_are_there: Arc<AtomicBool>,
    everything_was_there: Arc<AtomicBool>,
}

impl Vitals {
    /// Streams and consumers have been created, or were there.
    pub fn streams_found(&self) {
        self.streams_are_there.store(true, Ordering::Relaxed);
    }

    /// Whether streams and consumers are there.
    pub fn streams_are_there(&self) -> bool {
        self.streams_are_there.load(Ordering::Relaxed)
    }

    /// Streams, JetStream and PostgreSQL were all there at once.
    pub fn everything_found(&self) {
        self.everything_was_there.store(true, Ordering::Relaxed);
    }

    /// Whether they ever were.
    pub fn everything_was_there(&self) -> bool {
        self.everything_was_there.load(Ordering::Relaxed)
    }
}
