//! The audit log: one entry for each input that changed a conversation, or the ledger for a customer who has none. It
//! contains no texts and no phone numbers, except the proof of a consent, in the words of a person.

use serde_json::{Map, Value, json};

use crate::domain::conversation::{
    AttentionReason, Decision, Effect, EventData, Input, MessageKind, MessageReport, OwnSideWhat, RELEASED_BY_TIMER,
    RingReport,
};
use crate::store::AuditEntry;

/// The entry for a decision.
pub(super) fn entry(told: &Input, decision: &Decision) -> AuditEntry {
    let (actor, actor_id, action, mut data) = who_did_what(told);
    let messages = decision.messages.iter().map(|message| json!({ "id": message.id, "kind": message.kind }));
    let windows = decision.windows.iter().map(|w| json!({ "id": w.id, "state": w.state, "because": w.reason }));
    let events = decision.effects.iter().filter_map(|effect| match effect {
        Effect::Emit(event) => Some(event.data.event_type().as_str()),
        _ => None,
    });
    data["messages"] = messages.collect();
    data["windows"] = windows.collect();
    data["events"] = events.collect();
    if let Some(waiting) = waiting(decision) {
        data["waiting"] = waiting;
    }
    if let Some(paired) = &decision.paired {
        data["same_as"] = json!(paired.message_id);
    }
    let mut actor_id = actor_id.map(str::to_owned);
    let is_answer =
        matches!(told, Input::AlertTaken { .. } | Input::RingReported { report: RingReport::Took { .. }, .. });
    if let (true, Some(taken)) = (is_answer, &decision.conversation.memory.emergency_taken) {
        // A contact is named by a phone, which is not recorded here.
        let is_owner = taken.by == decision.conversation.user_id;
        actor_id = is_owner.then(|| taken.by.clone());
        data["taken_by"] = json!(if is_owner { "owner" } else { "contact" });
    }
    data["status"] = json!(decision.conversation.status);
    data["ownership"] = json!(decision.conversation.ownership);
    AuditEntry { actor, actor_id, action, data }
}

/// What was done about a customer who waits: `GET /conversations/{id}/explain` tells it.
fn waiting(decision: &Decision) -> Option<Value> {
    let mut done = Map::new();
    for effect in &decision.effects {
        let Effect::Emit(event) = effect else { continue };
        match &event.data {
            EventData::Waiting(data) => {
                done.insert("since".to_owned(), json!(data.since));
                done.insert("minutes".to_owned(), json!(data.minutes));
            }
            EventData::NeedsAttention(data) if data.reason == AttentionReason::PersonSilent => {
                done.insert("person_silent".to_owned(), json!(true));
            }
            EventData::Released(data) if data.by == RELEASED_BY_TIMER => {
                done.insert("released".to_owned(), json!(true));
            }
            _ => {}
        }
    }
    if let Some(reminder) = decision.messages.iter().find(|message| message.kind == MessageKind::Reminder) {
        done.insert("reminder".to_owned(), json!(reminder.id));
    }
    (!done.is_empty()).then_some(Value::Object(done))
}

/// The entry for a change of the ledger for a customer who has no conversation. The customer is named where it is stored.
pub(super) fn ledger_entry(told: &Input) -> AuditEntry {
    let (actor, actor_id, action, data) = who_did_what(told);
    AuditEntry { actor, actor_id: actor_id.map(str::to_owned), action, data }
}

fn who_did_what(told: &Input) -> (&'static str, Option<&str>, &'static str, Value) {
    match told {
        Input::CallMissed(call) if call.recovered => {
            ("service", None, "recovered_a_missed_call", json!({ "call_sid": call.call_sid }))
        }
        Input::CallMissed(call) => ("customer", None, "call_missed", json!({ "call_sid": call.call_sid })),
        Input::CallAnswered(call) => ("user", None, "answered_the_call", json!({ "call_sid": call.call_sid })),
        Input::SmsReceived(sms) => ("customer", None, "wrote", json!({ "twilio_sid": sms.twilio_sid })),
        Input::WindowDue { .. } => ("service", None, "looked_at_the_clock", json!({})),
        Input::AnalysisReady { window_id, .. } => ("dispatchbot", None, "answered", json!({ "window_id": window_id })),
        Input::AnalysisFailed { window_id, reason } => {
            ("dispatchbot", None, "failed", json!({ "window_id": window_id, "reason": reason }))
        }
        Input::UserTookOver { user_id, .. } => ("user", Some(user_id), "took_over", json!({})),
        Input::UserReplied { user_id, .. } => ("user", Some(user_id), "wrote", json!({})),
        Input::Released { user_id } => ("user", Some(user_id), "released", json!({})),
        Input::Completed { user_id, .. } => ("user", Some(user_id), "completed", json!({})),
        Input::NumberReleased => ("service", None, "released_the_number", json!({})),
        Input::TextRecovered(text) => {
            ("service", None, "recovered_a_text", json!({ "twilio_sid": text.sms.twilio_sid }))
        }
        Input::SentRecovered(sms) => ("service", None, "recovered_a_message", json!({ "twilio_sid": sms.twilio_sid })),
        Input::Restored { .. } => ("service", None, "recovered", json!({})),
        Input::FalseAlarm { user_id } => ("user", Some(user_id), "called_it_a_false_alarm", json!({})),
        Input::AlertTaken { via, .. } => ("user", None, "took_the_emergency", json!({ "via": via })),
        Input::RingReported { call_id, report } => {
            let (actor, what) = match report {
                RingReport::Took { .. } => ("user", "took_the_emergency"),
                RingReport::Passed => ("user", "passed_the_emergency_on"),
                RingReport::Placed { .. } => ("service", "called"),
                RingReport::Ended { .. } | RingReport::NotPlaced { .. } => ("twilio", "reported_a_call"),
            };
            (actor, None, what, json!({ "call_id": call_id }))
        }
        Input::OptOutRecorded { user_id, source, .. } => {
            ("user", Some(user_id), "recorded_an_opt_out", json!({ "source": source }))
        }
        Input::OptOutLifted { user_id, proof } => {
            ("user", Some(user_id), "lifted_the_opt_out", json!({ "proof": proof }))
        }
        Input::OwnSide(note) => match &note.what {
            OwnSideWhat::Told { about, .. } => ("service", None, "told_the_own_side", json!({ "about": about })),
            OwnSideWhat::OptedOut { .. } => ("own_side", None, "opted_out", json!({})),
            OwnSideWhat::OptedIn { .. } => ("own_side", None, "opted_in", json!({})),
        },
        Input::MessageReported { message, report } => {
            ("twilio", None, "reported", json!({ "message_id": message.id, "report": reported(report) }))
        }
    }
}

fn reported(report: &MessageReport) -> Value {
    match report {
        MessageReport::Accepted { .. } => json!("accepted"),
        MessageReport::Rejected { code, .. } => json!({ "rejected": code }),
        MessageReport::Superseded => json!("held_back"),
        MessageReport::Expired => json!("expired"),
        MessageReport::Unknown => json!("unknown"),
        MessageReport::Delivery { status, error_code, .. } => {
            json!({ "delivery": format!("{status:?}").to_lowercase(), "error_code": error_code })
        }
    }
}
