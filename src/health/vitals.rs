//! What this process knows about the services, for `/health/ready`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A handle; clones share the flags.
#[derive(Debug, Clone, Default)]
pub struct Vitals {
    streams_are_there: Arc<AtomicBool>,
    everything_was_there: Arc<AtomicBool>,
}

impl Vitals {
    /// Records that the streams and consumers exist.
    pub fn streams_found(&self) {
        self.streams_are_there.store(true, Ordering::Relaxed);
    }

    /// Whether the streams and consumers exist.
    pub fn streams_are_there(&self) -> bool {
        self.streams_are_there.load(Ordering::Relaxed)
    }

    /// Records that streams, JetStream and PostgreSQL were available at the same time.
    pub fn everything_found(&self) {
        self.everything_was_there.store(true, Ordering::Relaxed);
    }

    /// Whether they were ever available at the same time.
    pub fn everything_was_there(&self) -> bool {
        self.everything_was_there.load(Ordering::Relaxed)
    }
}
