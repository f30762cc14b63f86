//! The JSON of `/metrics`: the last hour and the totals since start.
//!
//! Read by operators and by the App Server. The shape is that of docs/contract.md, complete from the start, and all
//! values are numbers.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde_json::{Map, Value, json};

use crate::domain::conversation::Detector;
use crate::outage::Service;

use super::labelled::Labelled;
use super::labels::{AiResult, CacheLookup, DeliveryStatus, EventStep, SmsResult, WindowEvent};
use super::metrics::Metrics;
use super::prometheus::Totals;
use super::rolling::{Rolling, Summary};

impl Metrics {
    /// The JSON of docs/contract.md. `…_per_hour`, times and error rates cover the hour that ends now; the rest are
    /// totals since the process started.
    pub fn json(&self, now: Instant) -> Value {
        let inner = &*self.inner;
        let totals = &inner.totals;
        let [calls, messages, callbacks] = [&inner.calls, &inner.messages, &inner.callbacks].map(|r| hour(r, now));
        let (ai, sms) = (hour(&inner.ai, now), hour(&inner.sms, now));
        let (calls_per_hour, sms_per_hour) = (calls.count, messages.count);
        let webhooks = calls.merge(&messages).merge(&callbacks);
        json!({
            "webhook_processing": {
                "calls_per_hour": calls_per_hour,
                "sms_per_hour": sms_per_hour,
                "avg_processing_time_ms": rounded(webhooks.avg_ms()),
                "p95_processing_time_ms": rounded(webhooks.p95_ms()),
                "error_rate": webhooks.error_rate(),
                "signatures_refused": totals.webhooks.signatures_refused.sum(),
                "body_conflicts": totals.webhooks.body_conflicts.sum(),
                "unknown_numbers": totals.webhooks.unknown_numbers.sum(),
                "waiting": totals.webhooks.waiting.get(),
                "shed": totals.webhooks.shed.sum(),
                "kept_in_postgres": totals.webhooks.kept.get(),
                "calls_unrecorded": totals.webhooks.calls_unrecorded.get(),
            },
            "ai": {
                "calls_per_hour": ai.count,
                "avg_response_time_ms": rounded(ai.avg_ms()),
                "p95_response_time_ms": rounded(ai.p95_ms()),
                "error_rate": ai.error_rate(),
                "results": by_word(&totals.answers.ai_calls, AiResult::ALL, AiResult::as_str),
            },
            "sms": {
                "replies_per_hour": sms.count,
                "avg_response_time_ms": rounded(sms.avg_ms()),
                "p95_response_time_ms": rounded(sms.p95_ms()),
                "results": by_word(&totals.sending.sms, SmsResult::ALL, SmsResult::as_str),
                "deliveries": by_word(&totals.sending.deliveries, DeliveryStatus::ALL, DeliveryStatus::as_str),
            },
            "windows": by_word(&totals.answers.windows, WindowEvent::ALL, WindowEvent::as_str),
            "events": by_word(&totals.processing.events, EventStep::ALL, EventStep::as_str),
            "emergencies": {
                "verdicts": totals.emergencies.verdicts.sum(),
                "disagreements": by_word(&totals.emergencies.disagreements, Detector::ALL, Detector::as_str),
                "false_alarms": totals.emergencies.false_alarms.get(),
            },
            "services": services_up(totals),
            "processing": {
                "inbox_duplicates": totals.processing.inbox_duplicates.get(),
                "dead_letters": totals.processing.dead_letters.sum(),
                "outbox_swept": totals.processing.outbox_swept.get(),
                "timers_rearmed": totals.processing.timers_rearmed.get(),
                "cas_conflicts": totals.processing.cas_conflicts.get(),
                "cache": by_word(&totals.processing.cache, CacheLookup::ALL, CacheLookup::as_str),
            },
        })
    }
}

/// 1 or 0 for each service, as the watch has found it.
fn services_up(totals: &Totals) -> Value {
    let up = |service: &Service| Some((service.to_string(), totals.services.is_up(*service)?.into()));
    Value::Object(Service::ALL.iter().filter_map(up).collect::<Map<_, _>>())
}

fn hour(rolling: &Mutex<Rolling>, now: Instant) -> Summary {
    rolling.lock().unwrap_or_else(PoisonError::into_inner).summary(now)
}

fn by_word<T: Copy>(counter: &Labelled, all: &[T], word: fn(T) -> &'static str) -> Value {
    let words = all.iter().map(|value| word(*value));
    Value::Object(words.map(|word| (word.to_owned(), counter.get(word).into())).collect::<Map<_, _>>())
}

/// Rounds to a microsecond: more digits are noise.
fn rounded(ms: f64) -> f64 {
    (ms * 1e3).round() / 1e3
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::super::labels::{AiResult, SmsResult, WindowEvent};
    use super::*;
    use crate::webhook::WebhookKind;
    use rstest::rstest;
    use std::time::Duration;

    const MS: Duration = Duration::from_millis(1);

    /// Metrics with a fixed clock, and its time.
    fn metrics() -> (Metrics, Instant) {
        let now = Instant::now();
        (Metrics::with_clock(move || now), now)
    }

    #[test]
    fn nothing_recorded_is_zero_and_complete() {
        let (metrics, now) = metrics();
        let json = metrics.json(now);
        for key in ["calls_per_hour", "sms_per_hour", "avg_processing_time_ms", "p95_processing_time_ms", "error_rate"]
        {
            assert_eq!(json["webhook_processing"][key].as_f64(), Some(0.0), "{key}");
        }
        for section in ["ai", "sms", "windows", "events"] {
            assert!(json[section].is_object(), "{section}");
        }
    }

    #[test]
    fn the_last_hour_of_webhooks_is_told_by_kind_with_times_and_errors() {
        let (metrics, now) = metrics();
        metrics.webhook(WebhookKind::Call, 200, 10 * MS, None);
        metrics.webhook(WebhookKind::Sms, 200, 20 * MS, None);
        metrics.webhook(WebhookKind::Sms, 503, 30 * MS, None);
        metrics.webhook(WebhookKind::MessageStatus, 204, 20 * MS, None);
        metrics.webhook(WebhookKind::Sms, 401, 500 * MS, None);
        let webhooks = &metrics.json(now)["webhook_processing"];
        assert_eq!(webhooks["calls_per_hour"], 1);
        assert_eq!(webhooks["sms_per_hour"], 2);
        assert_eq!(webhooks["avg_processing_time_ms"], 20.0);
        assert_eq!(webhooks["error_rate"], 0.25);
        let p95 = webhooks["p95_processing_time_ms"].as_f64().unwrap();
        assert!(p95 > 20.0 && p95 <= 30.0, "{p95}");
        let later = now + Duration::from_secs(3_600);
        assert_eq!(metrics.json(later)["webhook_processing"]["sms_per_hour"], 0);
    }

    #[rstest]
    #[case::known("delivered", "delivered")]
    #[case::anything_else("partially_delivered", "other")]
    fn a_delivery_status_is_one_of_a_closed_set(#[case] reported: &str, #[case] counted: &str) {
        let (metrics, now) = metrics();
        metrics.delivery(reported);
        assert_eq!(metrics.json(now)["sms"]["deliveries"][counted], 1);
    }

    #[test]
    fn every_other_count_is_found_where_it_belongs() {
        let (metrics, now) = metrics();
        metrics.signature_refused(WebhookKind::Call);
        metrics.body_conflict(WebhookKind::Sms);
        metrics.unknown_number(WebhookKind::Sms);
        metrics.dead_letter("undecodable");
        metrics.dead_letter("exhausted");
        metrics.inbox_duplicate();
        metrics.window(WindowEvent::HandedOver);
        metrics.ai_call(AiResult::Timeout, 2_000 * MS, None);
        metrics.sms(SmsResult::Accepted);
        metrics.sms_accepted_after(1_500 * MS);
        metrics.event_published();
        metrics.event_forwarded();
        metrics.outbox_swept(3);
        metrics.timers_rearmed(2);
        metrics.cas_conflict();
        metrics.cache(true);
        let json = metrics.json(now);
        for (pointer, expected) in [
            ("/webhook_processing/signatures_refused", 1),
            ("/webhook_processing/body_conflicts", 1),
            ("/webhook_processing/unknown_numbers", 1),
            ("/processing/dead_letters", 2),
            ("/processing/inbox_duplicates", 1),
            ("/windows/handed_over", 1),
            ("/ai/results/timeout", 1),
            ("/ai/calls_per_hour", 1),
            ("/sms/results/accepted", 1),
            ("/sms/replies_per_hour", 1),
            ("/events/published", 1),
            ("/events/forwarded", 1),
            ("/processing/outbox_swept", 3),
            ("/processing/timers_rearmed", 2),
            ("/processing/cas_conflicts", 1),
            ("/processing/cache/hit", 1),
        ] {
            assert_eq!(json.pointer(pointer), Some(&Value::from(expected)), "{pointer}");
        }
        assert_eq!(json["sms"]["avg_response_time_ms"], 1_500.0);
        assert_eq!(json["ai"]["error_rate"], 1.0);
    }
}
