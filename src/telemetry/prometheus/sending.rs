//! Messages and calls, by their outcome.

use std::sync::PoisonError;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::histogram::Histogram;

use super::registrar::{About, Bounds, Registrar, words};
use crate::domain::call::CallStatus;
use crate::domain::conversation::{MessageKind, MessageStatus};
use crate::telemetry::Metrics;
use crate::telemetry::labelled::Labelled;
use crate::telemetry::labels::{DeliveryStatus, SmsResult};

/// In seconds, for replies: expected within seconds, useless after half an hour.
const BOUNDS: Bounds = Bounds(&[0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0]);
/// The code of an error that is not one of those that are explained, or that has none.
const OTHER: &str = "other";
/// What becomes of a message that we send.
const OUTCOMES: [MessageStatus; 7] = [
    MessageStatus::Queued,
    MessageStatus::Sent,
    MessageStatus::Delivered,
    MessageStatus::Undelivered,
    MessageStatus::Failed,
    MessageStatus::Superseded,
    MessageStatus::Unknown,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MessageLabels {
    kind: &'static str,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabels {
    code: String,
}

#[derive(Debug)]
pub(in crate::telemetry) struct Sending {
    pub(in crate::telemetry) sms: Labelled,
    pub(in crate::telemetry) time: Histogram,
    pub(in crate::telemetry) deliveries: Labelled,
    messages: Family<MessageLabels, Counter>,
    errors: Family<ErrorLabels, Counter>,
    calls: Labelled,
}

impl Sending {
    pub(super) fn register(r: &mut Registrar) -> Self {
        let time = About::seconds(
            "sms_response",
            "Time from the close of a window, or from what else a message responds to, to Twilio's acceptance of it",
        );
        let messages = About::new(
            "messages",
            "Messages that reached a status: those of customers when they are received, ours when they are queued and at \
             each outcome",
        );
        let errors = About::new(
            "sms_errors",
            "Messages that Twilio refused or could not deliver, by its error code; `other` for those without one of \
             the codes that the service explains",
        );
        let sending = Self {
            sms: r.labelled("sms", "Attempts to send an SMS", &["result"], words(SmsResult::ALL, SmsResult::as_str)),
            time: r.histogram(time, BOUNDS.new_metric()),
            deliveries: r.labelled(
                "sms_deliveries",
                "Delivery callbacks from Twilio",
                &["status"],
                words(DeliveryStatus::ALL, DeliveryStatus::as_str),
            ),
            messages: r.counter(messages.by(&["kind", "status"]), Family::default()),
            errors: r.counter(errors.by(&["code"]), Family::default()),
            calls: r.labelled(
                "calls",
                "Calls whose outcome is known; one whose outcome is corrected counts for both",
                &["outcome"],
                [CallStatus::Answered, CallStatus::Missed].into_iter().map(CallStatus::as_str),
            ),
        };
        for kind in MessageKind::ALL {
            let inbound = [MessageStatus::Received];
            let statuses: &[MessageStatus] = if kind.is_inbound() { &inbound } else { &OUTCOMES };
            for status in statuses {
                let (kind, status) = (kind.as_str(), status.as_str());
                drop(sending.messages.get_or_create(&MessageLabels { kind, status }));
            }
        }
        drop(sending.errors.get_or_create(&ErrorLabels { code: OTHER.to_owned() }));
        sending
    }
}

impl Metrics {
    /// An attempt to send an SMS ended.
    pub fn sms(&self, result: SmsResult) {
        self.inner.totals.sending.sms.inc(result.as_str());
    }

    /// Twilio accepted a window's reply this long after the window closed. Record it in addition to [`Metrics::sms`].
    pub fn sms_accepted_after(&self, since_close: Duration) {
        self.inner.totals.sending.time.observe(since_close.as_secs_f64());
        let now = self.inner.now();
        self.inner.sms.lock().unwrap_or_else(PoisonError::into_inner).record(now, since_close, false);
    }

    /// Twilio reported this delivery status; an unknown status counts as `other`.
    pub fn delivery(&self, status: &str) {
        let status: DeliveryStatus = status.parse().unwrap_or(DeliveryStatus::Other);
        self.inner.totals.sending.deliveries.inc(status.as_str());
    }

    /// A message reached a status.
    pub fn message(&self, kind: MessageKind, status: MessageStatus) {
        let labels = MessageLabels { kind: kind.as_str(), status: status.as_str() };
        self.inner.totals.sending.messages.get_or_create(&labels).inc();
    }

    /// Shows these error codes from the start. No other code is counted by itself.
    pub fn sms_error_codes(&self, known: impl Iterator<Item = u32>) {
        for code in known {
            drop(self.inner.totals.sending.errors.get_or_create(&ErrorLabels { code: code.to_string() }));
        }
    }

    /// Twilio refused a message, or could not deliver it, with this code if it is one of the known ones.
    pub fn sms_error(&self, code: Option<i32>) {
        let code = code.map_or_else(|| OTHER.to_owned(), |code| code.to_string());
        self.inner.totals.sending.errors.get_or_create(&ErrorLabels { code }).inc();
    }

    /// It is known how a call ended.
    pub fn call(&self, outcome: CallStatus) {
        self.inner.totals.sending.calls.inc(outcome.as_str());
    }
}
