//! Steps of conversations and calls in the log: one line for each event, without what people wrote and their numbers.

use serde_json::Value;
use tracing::Level;

use crate::store::WaitingRow;
use crate::telemetry::records;

/// Logs the events among the effects of a decision that was committed.
pub(super) fn log(effects: &[WaitingRow]) {
    if !tracing::enabled!(target: records::STEP, Level::INFO) {
        return;
    }
    for row in effects.iter().filter(|row| row.subject.starts_with("nmc.event.")) {
        let (envelope, data) = (&row.payload, &row.payload["data"]);
        let word = |value: &'_ Value| value.as_str().map(str::to_owned);
        let action = word(&envelope["event_type"]).unwrap_or_default();
        // Only here it is one of our own words; elsewhere, people have written it.
        let reason = word(&data["reason"]).filter(|_| action == "conversation.needs_attention");
        tracing::info!(
            target: records::STEP, { event.action = action,
            event.sequence = envelope["sequence"].as_i64(),
            business.id = word(&envelope["business_id"]),
            conversation.id = word(&envelope["conversation_id"]),
            call.sid = word(&data["call_sid"]),
            message.id = word(&data["message_id"]),
            message.kind = word(&data["kind"]),
            window.id = word(&data["window_id"]),
            dial_status = word(&data["dial_status"]),
            error_code = data["error_code"].as_i64(),
            reason }, "{action}"
        );
    }
}
