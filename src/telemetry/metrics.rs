//! Counters and timings for `/metrics`.
//!
//! All parts record through clones of one [`Metrics`] handle. The metrics endpoint reads it as Prometheus text or,
//! through the sibling `report`, as JSON. Recording takes at most a short lock, never fails, and stores no customer
//! data: only counts, durations and values from closed sets.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use super::labels::{AiResult, ConnectionEnd, DeliveryStatus, SmsResult, WindowEvent};

use crate::domain::conversation::Detector;
use crate::domain::day_limits::Limit;
use crate::domain::emergency;
use crate::domain::phones::Verified;
use crate::outage::Service;
use crate::webhook::{Traffic, WebhookKind};

use super::labels::{CacheLookup, EventStep};
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

impl Metrics {
    /// Metrics that start now.
    pub fn new() -> Self {
        Self::with_clock(Instant::now)
    }

    /// Metrics that take the time of each observation from this clock.
    pub fn with_clock(clock: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        let rolling = || Mutex::new(Rolling::new(clock()));
        let (calls, messages, callbacks, ai, sms) = (rolling(), rolling(), rolling(), rolling(), rolling());
        let totals = Totals::new();
        let clock = Arc::new(clock);
        Self { inner: Arc::new(Inner { clock, totals, calls, messages, callbacks, ai, sms }) }
    }

    /// A webhook was answered with this status.
    ///
    /// A 5xx counts as an error of the last hour. A 4xx was refused and counts only in the totals.
    pub fn webhook(&self, kind: WebhookKind, status: u16, elapsed: Duration) {
        self.inner.totals.webhook(kind, status, elapsed);
        if !(400..500).contains(&status) {
            let rolling = match kind.traffic() {
                Traffic::Calls => &self.inner.calls,
                Traffic::Messages => &self.inner.messages,
                Traffic::Callbacks => &self.inner.callbacks,
            };
            self.record(rolling, elapsed, status >= 500);
        }
    }

    /// A webhook had no signature or a wrong one.
    pub fn signature_refused(&self, kind: WebhookKind) {
        self.inner.totals.signatures_refused.inc(kind.as_str());
    }

    /// A webhook repeated a SID with another body.
    pub fn body_conflict(&self, kind: WebhookKind) {
        self.inner.totals.body_conflicts.inc(kind.as_str());
    }

    /// A webhook was for a number that no business owns.
    pub fn unknown_number(&self, kind: WebhookKind) {
        self.inner.totals.unknown_numbers.inc(kind.as_str());
    }

    /// A webhook was refused because too many are waiting.
    pub fn webhook_shed(&self, kind: WebhookKind) {
        self.inner.totals.webhooks_shed.inc(kind.as_str());
    }

    /// Sets the number of webhooks that wait to be processed.
    pub fn backlog(&self, waiting: u64) {
        self.inner.totals.webhooks_waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    /// Sets the number of open connections to the edge.
    pub fn http_connections(&self, open: usize) {
        self.inner.totals.http_connections.set(i64::try_from(open).unwrap_or(i64::MAX));
    }

    /// A connection to the edge has ended.
    pub fn http_connection_closed(&self, how: ConnectionEnd) {
        self.inner.totals.http_connections_closed.inc(how.as_str());
    }

    /// A webhook was stored in PostgreSQL, because JetStream is unavailable.
    pub fn webhook_kept(&self) {
        self.inner.totals.webhooks_kept.inc();
    }

    /// A call was forwarded, but could not be recorded anywhere.
    pub fn call_unrecorded(&self) {
        self.inner.totals.calls_unrecorded.inc();
    }

    /// Sets how many numbers of businesses have this verification result.
    pub fn business_numbers(&self, verified: Verified, count: i64) {
        self.inner.totals.business_numbers(verified, count);
    }

    /// Sets whether the watch has found a service healthy.
    pub fn service(&self, service: Service, up: bool) {
        self.inner.totals.service(service, up);
    }

    /// An input became a dead letter. The reason must be a fixed word, because each becomes a time series.
    pub fn dead_letter(&self, reason: &'static str) {
        self.inner.totals.dead_letters.inc(reason);
    }

    /// An input arrived that had been processed before.
    pub fn inbox_duplicate(&self) {
        self.inner.totals.inbox_duplicates.inc();
    }

    /// Counts a step of a window.
    pub fn window(&self, event: WindowEvent) {
        self.inner.totals.windows.inc(event.as_str());
    }

    /// A call to DispatchBot ended. A call that the circuit breaker rejected has no time and is not a failure of the
    /// last hour.
    pub fn ai_call(&self, result: AiResult, elapsed: Duration) {
        self.inner.totals.ai_calls.inc(result.as_str());
        if result != AiResult::Rejected {
            self.inner.totals.ai_time.observe(elapsed.as_secs_f64());
            self.record(&self.inner.ai, elapsed, result != AiResult::Answered);
        }
    }

    /// An attempt to send an SMS ended.
    pub fn sms(&self, result: SmsResult) {
        self.inner.totals.sms.inc(result.as_str());
    }

    /// Twilio accepted a window's reply this long after the window closed. Record it in addition to [`Metrics::sms`].
    pub fn sms_accepted_after(&self, since_close: Duration) {
        self.inner.totals.sms_time.observe(since_close.as_secs_f64());
        self.record(&self.inner.sms, since_close, false);
    }

    /// Twilio reported this delivery status; an unknown status counts as `other`.
    pub fn delivery(&self, status: &str) {
        let status: DeliveryStatus = status.parse().unwrap_or(DeliveryStatus::Other);
        self.inner.totals.deliveries.inc(status.as_str());
    }

    /// An event was published to JetStream.
    pub fn event_published(&self) {
        self.inner.totals.events.inc(EventStep::Published.as_str());
    }

    /// An event was forwarded to Redis.
    pub fn event_forwarded(&self) {
        self.inner.totals.events.inc(EventStep::Forwarded.as_str());
    }

    /// The sweeper published this many effects left in the outbox.
    pub fn outbox_swept(&self, count: u64) {
        self.inner.totals.outbox_swept.inc_by(count);
    }

    /// The sweeper armed this many window timers again.
    pub fn timers_rearmed(&self, count: u64) {
        self.inner.totals.timers_rearmed.inc_by(count);
    }

    /// A word rule classified a text as an emergency; counted for the strongest rule.
    pub fn emergency_verdict(&self, rule: &str) {
        let known = emergency::rules().find(|known| *known == rule);
        self.inner.totals.emergency_verdicts.inc(known.unwrap_or("other"));
    }

    /// Only one of the two detectors, `words` and `dispatchbot`, found an emergency.
    pub fn emergency_disagreement(&self, seen_by: Detector) {
        self.inner.totals.emergency_disagreements.inc(seen_by.as_str());
    }

    /// A person marked an emergency as a false alarm.
    pub fn emergency_false_alarm(&self) {
        self.inner.totals.emergency_false_alarms.inc();
    }

    /// Something was not done, because a business had used up a limit of the day.
    pub fn stopped_by_limit(&self, limit: Limit) {
        self.inner.totals.stopped_by_limit.inc(limit.as_str());
    }

    /// A decision was repeated, because another transaction had changed the row.
    pub fn cas_conflict(&self) {
        self.inner.totals.cas_conflicts.inc();
    }

    /// A look-up in the conversation cache.
    pub fn cache(&self, hit: bool) {
        let lookup = if hit { CacheLookup::Hit } else { CacheLookup::Miss };
        self.inner.totals.cache.inc(lookup.as_str());
    }

    /// The Prometheus text, in the OpenMetrics format.
    ///
    /// # Errors
    /// If a metric cannot be written, which does not happen with these metrics.
    pub fn prometheus(&self) -> Result<String, std::fmt::Error> {
        self.inner.totals.text()
    }

    fn record(&self, rolling: &Mutex<Rolling>, took: Duration, failed: bool) {
        let now = (self.inner.clock)();
        rolling.lock().unwrap_or_else(PoisonError::into_inner).record(now, took, failed);
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
        metrics.ai_call(AiResult::Rejected, Duration::ZERO);
        let text = metrics.prometheus().unwrap();
        assert!(text.contains("nmc_ai_calls_total{result=\"rejected\"} 1\n"), "{text}");
        assert!(text.contains("nmc_ai_call_seconds_count 0\n"), "{text}");
    }
}
