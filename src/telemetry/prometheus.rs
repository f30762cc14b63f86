//! The totals since start, and their Prometheus text.
//!
//! Names begin with `nmc_` and end in their unit or in `_total`. Every value of a closed set is present from the start,
//! at zero, so that the first increase is visible.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::domain::conversation::Detector;
use crate::domain::day_limits::Limit;
use crate::domain::emergency;
use crate::domain::phones::Verified;
use crate::outage::Service;
use crate::webhook::WebhookKind;

use super::labelled::Labelled;
use super::labels::{AiResult, CacheLookup, ConnectionEnd, DeliveryStatus, EventStep, SmsResult, WindowEvent};

/// Media type of the text: OpenMetrics.
#[cfg(test)]
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Histogram bounds in seconds for answers to webhooks; Twilio gives up after 15 s.
const WEBHOOK_BOUNDS: &[f64] = &[0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0];
/// Histogram bounds in seconds for calls to DispatchBot: two tries of 2 s each.
const AI_BOUNDS: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0];
/// Histogram bounds in seconds for replies: expected within seconds, useless after half an hour.
const SMS_BOUNDS: &[f64] = &[0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0];

/// A webhook's kind and the status it was answered with.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WebhookLabels {
    kind: &'static str,
    status: u16,
}

/// Makes the histograms of webhooks, one per kind.
#[derive(Debug, Clone)]
struct WebhookHistogram;

impl MetricConstructor<Histogram> for WebhookHistogram {
    fn new_metric(&self) -> Histogram {
        Histogram::new(WEBHOOK_BOUNDS.iter().copied())
    }
}

/// All totals, and the registry that encodes them.
#[derive(Debug)]
pub(super) struct Totals {
    registry: Registry,
    webhooks: Family<WebhookLabels, Counter>,
    webhook_time: Family<[(&'static str, &'static str); 1], Histogram, WebhookHistogram>,
    pub(super) ai_time: Histogram,
    pub(super) sms_time: Histogram,
    pub(super) signatures_refused: Labelled,
    pub(super) body_conflicts: Labelled,
    pub(super) unknown_numbers: Labelled,
    pub(super) webhooks_shed: Labelled,
    pub(super) webhooks_kept: Counter,
    pub(super) webhooks_waiting: Gauge,
    pub(super) http_connections: Gauge,
    pub(super) http_connections_closed: Labelled,
    pub(super) calls_unrecorded: Counter,
    services: Family<[(&'static str, &'static str); 1], Gauge>,
    business_numbers: Family<[(&'static str, &'static str); 1], Gauge>,
    pub(super) dead_letters: Labelled,
    pub(super) windows: Labelled,
    pub(super) ai_calls: Labelled,
    pub(super) sms: Labelled,
    pub(super) deliveries: Labelled,
    pub(super) events: Labelled,
    pub(super) cache: Labelled,
    pub(super) inbox_duplicates: Counter,
    pub(super) outbox_swept: Counter,
    pub(super) timers_rearmed: Counter,
    pub(super) cas_conflicts: Counter,
    pub(super) emergency_verdicts: Labelled,
    pub(super) emergency_disagreements: Labelled,
    pub(super) emergency_false_alarms: Counter,
    pub(super) stopped_by_limit: Labelled,
}

impl Totals {
    pub(super) fn new() -> Self {
        let mut r = Registry::with_prefix("nmc");
        let kinds = || WebhookKind::ALL.iter().map(|kind| kind.as_str());
        Self {
            webhooks: registered(&mut r, "webhooks", "Webhooks answered", Family::default()),
            webhook_time: timed(
                &mut r,
                "webhook_processing",
                "Time from a webhook's arrival to its answer",
                Family::new_with_constructor(WebhookHistogram),
            ),
            ai_time: timed(
                &mut r,
                "ai_call",
                "Duration of calls to DispatchBot",
                Histogram::new(AI_BOUNDS.iter().copied()),
            ),
            sms_time: timed(
                &mut r,
                "sms_response",
                "Time from the close of a window to Twilio's acceptance of its reply",
                Histogram::new(SMS_BOUNDS.iter().copied()),
            ),
            signatures_refused: labelled(
                &mut r,
                "webhook_signatures_refused",
                "Webhooks with a missing or wrong signature",
                "kind",
                kinds(),
            ),
            body_conflicts: labelled(
                &mut r,
                "webhook_body_conflicts",
                "Webhooks that repeat a SID with another body",
                "kind",
                kinds(),
            ),
            unknown_numbers: labelled(
                &mut r,
                "unknown_numbers",
                "Webhooks for a number that no business owns",
                "kind",
                kinds(),
            ),
            webhooks_shed: labelled(&mut r, "webhooks_shed", "Webhooks refused by load shedding", "kind", kinds()),
            webhooks_kept: registered(
                &mut r,
                "webhooks_kept",
                "Webhooks stored in PostgreSQL while JetStream was unavailable",
                Counter::default(),
            ),
            webhooks_waiting: registered(
                &mut r,
                "webhooks_waiting",
                "Webhooks waiting to be processed",
                Gauge::default(),
            ),
            http_connections: registered(&mut r, "http_connections", "Open connections to the edge", Gauge::default()),
            http_connections_closed: labelled(
                &mut r,
                "http_connections_closed",
                "Closed connections to the edge",
                "reason",
                words(ConnectionEnd::ALL, ConnectionEnd::as_str),
            ),
            calls_unrecorded: registered(
                &mut r,
                "calls_unrecorded",
                "Forwarded calls that could not be recorded",
                Counter::default(),
            ),
            services: registered(
                &mut r,
                "service_up",
                "Whether a service that this one depends on is healthy (1) or not (0)",
                Family::default(),
            ),
            business_numbers: registered(
                &mut r,
                "business_numbers",
                "Phone numbers of businesses, by whether Twilio has found them in the business's account",
                Family::default(),
            ),
            dead_letters: labelled(
                &mut r,
                "dead_letters",
                "Messages stored as dead letters",
                "reason",
                std::iter::empty(),
            ),
            windows: labelled(
                &mut r,
                "windows",
                "State changes of windows",
                "event",
                words(WindowEvent::ALL, WindowEvent::as_str),
            ),
            ai_calls: labelled(
                &mut r,
                "ai_calls",
                "Calls to DispatchBot",
                "result",
                words(AiResult::ALL, AiResult::as_str),
            ),
            sms: labelled(&mut r, "sms", "Attempts to send an SMS", "result", words(SmsResult::ALL, SmsResult::as_str)),
            deliveries: labelled(
                &mut r,
                "sms_deliveries",
                "Delivery callbacks from Twilio",
                "status",
                words(DeliveryStatus::ALL, DeliveryStatus::as_str),
            ),
            events: labelled(
                &mut r,
                "events",
                "Events published and forwarded",
                "step",
                words(EventStep::ALL, EventStep::as_str),
            ),
            cache: labelled(
                &mut r,
                "cache_lookups",
                "Lookups in the conversation cache",
                "result",
                words(CacheLookup::ALL, CacheLookup::as_str),
            ),
            inbox_duplicates: registered(
                &mut r,
                "inbox_duplicates",
                "Duplicate inputs found in the inbox",
                Counter::default(),
            ),
            outbox_swept: registered(&mut r, "outbox_swept", "Effects published by the sweeper", Counter::default()),
            timers_rearmed: registered(
                &mut r,
                "timers_rearmed",
                "Window timers rearmed by the sweeper",
                Counter::default(),
            ),
            cas_conflicts: registered(
                &mut r,
                "cas_conflicts",
                "Decisions repeated after a version conflict",
                Counter::default(),
            ),
            emergency_verdicts: labelled(
                &mut r,
                "emergency_verdicts",
                "Texts detected as emergencies by their words",
                "rule",
                emergency::rules(),
            ),
            emergency_disagreements: labelled(
                &mut r,
                "emergency_disagreements",
                "Emergencies detected by the words alone or by DispatchBot alone",
                "seen_by",
                words(Detector::ALL, Detector::as_str),
            ),
            emergency_false_alarms: registered(
                &mut r,
                "emergency_false_alarms",
                "Emergencies marked as false alarms by a person",
                Counter::default(),
            ),
            stopped_by_limit: labelled(
                &mut r,
                "stopped_by_limit",
                "Texts, answers and alerts that a limit of the day stopped",
                "limit",
                words(Limit::ALL, Limit::as_str),
            ),
            registry: r,
        }
    }

    pub(super) fn business_numbers(&self, verified: Verified, count: i64) {
        self.business_numbers.get_or_create(&[("verified", verified.as_str())]).set(count);
    }

    pub(super) fn service(&self, service: Service, up: bool) {
        self.services.get_or_create(&[("service", service.as_str())]).set(up.into());
    }

    /// 1 or 0; `None` if the watch does not know the state yet.
    pub(super) fn service_up(&self, service: Service) -> Option<i64> {
        self.services.get(&[("service", service.as_str())]).map(|up| up.get())
    }

    pub(super) fn webhook(&self, kind: WebhookKind, status: u16, elapsed: Duration) {
        let kind = kind.as_str();
        self.webhooks.get_or_create(&WebhookLabels { kind, status }).inc();
        self.webhook_time.get_or_create(&[("kind", kind)]).observe(elapsed.as_secs_f64());
    }

    /// # Errors
    /// If a metric cannot be written, which does not happen with these metrics.
    pub(super) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

fn words<T: Copy + 'static>(all: &'static [T], word: fn(T) -> &'static str) -> impl Iterator<Item = &'static str> {
    all.iter().copied().map(word)
}

fn labelled(
    registry: &mut Registry,
    name: &str,
    help: &str,
    label: &'static str,
    words: impl Iterator<Item = &'static str>,
) -> Labelled {
    let counter = Labelled::new(label, words);
    registry.register(name, help, counter.family());
    counter
}

fn registered<M: prometheus_client::registry::Metric + Clone>(
    registry: &mut Registry,
    name: &str,
    help: &str,
    metric: M,
) -> M {
    registry.register(name, help, metric.clone());
    metric
}

fn timed<M: prometheus_client::registry::Metric + Clone>(
    registry: &mut Registry,
    name: &str,
    help: &str,
    metric: M,
) -> M {
    registry.register_with_unit(name, help, Unit::Seconds, metric.clone());
    metric
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::webhooks("nmc_webhooks_total{kind=\"sms\",status=\"200\"} 1\n")]
    #[case::webhook_time("nmc_webhook_processing_seconds_count{kind=\"sms\"} 1\n")]
    #[case::webhook_bucket("nmc_webhook_processing_seconds_bucket{le=\"0.01\",kind=\"sms\"} 1\n")]
    #[case::unit("# UNIT nmc_ai_call_seconds seconds\n")]
    #[case::dead_letters("nmc_dead_letters_total{reason=\"undecodable\"} 1\n")]
    #[case::a_word_never_seen("nmc_windows_total{event=\"superseded\"} 0\n")]
    #[case::plain_counter("nmc_outbox_swept_total 3\n")]
    #[case::end("# EOF\n")]
    fn the_text_names_prefix_labels_and_units(#[case] line: &str) {
        let totals = Totals::new();
        totals.webhook(WebhookKind::Sms, 200, Duration::from_millis(7));
        totals.dead_letters.inc("undecodable");
        totals.outbox_swept.inc_by(3);
        let text = totals.text().unwrap();
        assert!(text.contains(line), "{text}");
    }
}
