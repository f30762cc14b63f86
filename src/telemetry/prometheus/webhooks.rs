//! Webhooks and connections, at the edge.

use std::sync::PoisonError;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::registrar::{About, Bounds, By, Registrar, Traced, observe, words};
use crate::telemetry::Metrics;
use crate::telemetry::labelled::Labelled;
use crate::telemetry::labels::ConnectionEnd;
use crate::trace::Trace;
use crate::webhook::{Traffic, WebhookKind};

/// In seconds; Twilio gives up after 15 s.
const BOUNDS: Bounds = Bounds(&[0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0]);

/// A webhook's kind and the status it was answered with.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WebhookLabels {
    kind: &'static str,
    status: u16,
}

#[derive(Debug)]
pub(in crate::telemetry) struct Webhooks {
    answered: Family<WebhookLabels, Counter>,
    time: By<Traced, Bounds>,
    pub(in crate::telemetry) signatures_refused: Labelled,
    pub(in crate::telemetry) body_conflicts: Labelled,
    pub(in crate::telemetry) unknown_numbers: Labelled,
    pub(in crate::telemetry) shed: Labelled,
    pub(in crate::telemetry) kept: Counter,
    pub(in crate::telemetry) waiting: Gauge,
    pub(in crate::telemetry) calls_unrecorded: Counter,
    connections: Gauge,
    connections_closed: Labelled,
}

impl Webhooks {
    pub(super) fn register(r: &mut Registrar) -> Self {
        let kinds = || WebhookKind::ALL.iter().map(|kind| kind.as_str());
        let time = About::seconds("webhook_processing", "Time from a webhook's arrival to its answer").by(&["kind"]);
        Self {
            answered: r.counter(About::new("webhooks", "Webhooks answered").by(&["kind", "status"]), Family::default()),
            time: r.histogram(time, Family::new_with_constructor(BOUNDS)),
            signatures_refused: r.labelled(
                "webhook_signatures_refused",
                "Webhooks with a missing or wrong signature",
                &["kind"],
                kinds(),
            ),
            body_conflicts: r.labelled(
                "webhook_body_conflicts",
                "Webhooks that repeat a SID with another body",
                &["kind"],
                kinds(),
            ),
            unknown_numbers: r.labelled(
                "unknown_numbers",
                "Webhooks for a number that no business owns",
                &["kind"],
                kinds(),
            ),
            shed: r.labelled("webhooks_shed", "Webhooks refused by load shedding", &["kind"], kinds()),
            kept: r.count("webhooks_kept", "Webhooks stored in PostgreSQL while JetStream was unavailable"),
            waiting: r.level("webhooks_waiting", "Webhooks waiting to be processed, as an edge sees it"),
            calls_unrecorded: r.count(
                "calls_unrecorded",
                "Forwarded calls, and keys by which they were taken, that could not be recorded",
            ),
            connections: r.level("http_connections", "Open connections to the edge"),
            connections_closed: r.labelled(
                "http_connections_closed",
                "Closed connections to the edge",
                &["reason"],
                words(ConnectionEnd::ALL, ConnectionEnd::as_str),
            ),
        }
    }
}

impl Metrics {
    /// A webhook was answered with this status.
    ///
    /// A 5xx counts as an error of the last hour. A 4xx was refused and counts only in the totals.
    pub fn webhook(&self, kind: WebhookKind, status: u16, elapsed: Duration, trace: Option<&Trace>) {
        let webhooks = &self.inner.totals.webhooks;
        webhooks.answered.get_or_create(&WebhookLabels { kind: kind.as_str(), status }).inc();
        observe(&webhooks.time.get_or_create(&[("kind", kind.as_str())]), elapsed.as_secs_f64(), trace);
        if !(400..500).contains(&status) {
            let rolling = match kind.traffic() {
                Traffic::Calls => &self.inner.calls,
                Traffic::Messages => &self.inner.messages,
                Traffic::Callbacks => &self.inner.callbacks,
            };
            let now = self.inner.now();
            rolling.lock().unwrap_or_else(PoisonError::into_inner).record(now, elapsed, status >= 500);
        }
    }

    /// A webhook had no signature or a wrong one.
    pub fn signature_refused(&self, kind: WebhookKind) {
        self.inner.totals.webhooks.signatures_refused.inc(kind.as_str());
    }

    /// A webhook repeated a SID with another body.
    pub fn body_conflict(&self, kind: WebhookKind) {
        self.inner.totals.webhooks.body_conflicts.inc(kind.as_str());
    }

    /// A webhook was for a number that no business owns.
    pub fn unknown_number(&self, kind: WebhookKind) {
        self.inner.totals.webhooks.unknown_numbers.inc(kind.as_str());
    }

    /// A webhook was refused because too many are waiting.
    pub fn webhook_shed(&self, kind: WebhookKind) {
        self.inner.totals.webhooks.shed.inc(kind.as_str());
    }

    /// Sets the number of webhooks that wait to be processed.
    pub fn backlog(&self, waiting: u64) {
        self.inner.totals.webhooks.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    /// Sets the number of open connections to the edge.
    pub fn http_connections(&self, open: usize) {
        self.inner.totals.webhooks.connections.set(i64::try_from(open).unwrap_or(i64::MAX));
    }

    /// A connection to the edge has ended.
    pub fn http_connection_closed(&self, how: ConnectionEnd) {
        self.inner.totals.webhooks.connections_closed.inc(how.as_str());
    }

    /// A webhook was stored in PostgreSQL, because JetStream is unavailable.
    pub fn webhook_kept(&self) {
        self.inner.totals.webhooks.kept.inc();
    }

    /// A call was forwarded, or the key that takes it was pressed, but that could not be recorded anywhere.
    pub fn call_unrecorded(&self) {
        self.inner.totals.webhooks.calls_unrecorded.inc();
    }
}
