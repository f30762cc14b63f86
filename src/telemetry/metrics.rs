//! Counters and timings for `/metrics`.
//!
//! All parts record through clones of one [`Metrics`] handle; `prometheus` has the methods that record. The metrics
//! endpoint reads it as Prometheus text or, through the sibling `report`, as JSON. Recording takes at most a short lock,
//! never fails, and stores no customer data: only counts, durations and values from closed sets.

use std::sync::{Arc, Mutex};
use std::time::Instant;

pub use super::labels::{
    AiResult, Batch, ConnectionEnd, CountedBy, LeftOutList, ReadFrom, SmsResult, Stage, Unanswered, WindowEvent,
};

use super::prometheus::Totals;
use super::rolling::Rolling;

/// Returns the time of an observation; tests pass their own.
type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// A handle to the metrics of this process.
#[derive(Clone)]
pub struct Metrics {
    pub(super) inner: Arc<Inner>,
}

/// The counters that all clones of the handle share.
pub(super) struct Inner {
    clock: Clock,
    pub(super) totals: Totals,
    pub(super) calls: Mutex<Rolling>,
    pub(super) messages: Mutex<Rolling>,
    pub(super) callbacks: Mutex<Rolling>,
    pub(super) ai: Mutex<Rolling>,
    pub(super) sms: Mutex<Rolling>,
}

impl Inner {
    /// The time of an observation.
    pub(super) fn now(&self) -> Instant {
        (self.clock)()
    }
}

impl Metrics {
    /// Metrics that start now.
    pub fn new() -> Self {
        Self::per_business(0)
    }

    /// The same with series of their own for at most this many businesses.
    pub fn per_business(most: usize) -> Self {
        Self::start(most, Instant::now)
    }

    /// Metrics that take the time of each observation from this clock.
    #[cfg(test)]
    pub fn with_clock(clock: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        Self::start(0, clock)
    }

    fn start(businesses: usize, clock: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        let rolling = || Mutex::new(Rolling::new(clock()));
        let (calls, messages, callbacks, ai, sms) = (rolling(), rolling(), rolling(), rolling(), rolling());
        let totals = Totals::new(businesses);
        let clock = Arc::new(clock);
        Self { inner: Arc::new(Inner { clock, totals, calls, messages, callbacks, ai, sms }) }
    }

    /// The Prometheus text in the OpenMetrics format.
    ///
    /// # Errors
    /// If a metric cannot be written, which does not happen with these metrics.
    pub fn openmetrics(&self) -> Result<String, std::fmt::Error> {
        self.inner.totals.openmetrics()
    }

    /// The same in Prometheus' own text format, without exemplars.
    ///
    /// # Errors
    /// As [`openmetrics`](Self::openmetrics).
    pub fn prometheus(&self) -> Result<String, std::fmt::Error> {
        self.inner.totals.text()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn clones_count_together() {
        let metrics = Metrics::new();
        metrics.clone().window(WindowEvent::Opened);
        metrics.window(WindowEvent::Opened);
        let text = metrics.prometheus().unwrap();
        assert!(text.contains("nmc_windows_total{event=\"opened\"} 2\n"), "{text}");
    }

    #[test]
    fn a_call_that_was_not_made_takes_no_time() {
        let metrics = Metrics::new();
        metrics.ai_call(AiResult::Rejected, Duration::ZERO, None);
        let text = metrics.prometheus().unwrap();
        assert!(text.contains("nmc_ai_calls_total{result=\"rejected\"} 1\n"), "{text}");
        assert!(text.contains("nmc_ai_call_seconds_count 0\n"), "{text}");
    }
}
