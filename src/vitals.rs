//! What this process has seen of the others: what `/health` says of Twilio and of the streams (contract, section 6).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A handle; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Vitals {
    twilio_fails: Arc<AtomicBool>,
    streams_are_there: Arc<AtomicBool>,
}

impl Vitals {
    /// Twilio answered, whatever it said, or did not.
    pub fn twilio(&self, answered: bool) {
        self.twilio_fails.store(!answered, Ordering::Relaxed);
    }

    /// Streams and consumers have been created, or were there.
    pub fn streams_found(&self) {
        self.streams_are_there.store(true, Ordering::Relaxed);
    }

    /// Whether streams and consumers are there.
    pub fn streams_are_there(&self) -> bool {
        self.streams_are_there.load(Ordering::Relaxed)
    }

    /// Whether Twilio answered when it was last asked.
    pub fn twilio_answers(&self) -> bool {
        !self.twilio_fails.load(Ordering::Relaxed)
    }
}
