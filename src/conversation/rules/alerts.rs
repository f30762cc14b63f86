//! Alerts: in an emergency the owner gets an SMS at once, and then, one after the other, each of the business's contacts,
//! until somebody takes over.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::texts;
use crate::conversation::decision::{Draft, Effect, MessageKind, NewMessage};
use crate::conversation::event::EventType;
use crate::conversation::input::Context;
use crate::conversation::state::{Alerting, Ownership};
use crate::emergency::LifeSafety;
use crate::phone::PhoneNumber;

/// What is told within this time of an emergency is the same one; later, it is another: the first has been seen to, or
/// it is time to say it again.
const SAME_EMERGENCY: TimeDelta = TimeDelta::minutes(30);
/// How much of the customer's words an alert quotes.
const QUOTED_CHARS: usize = 300;

/// What was seen, in the customer's words or by DispatchBot.
pub(in crate::conversation) struct Sighting<'a> {
    /// How it is known, for the event.
    pub why: Value,
    /// What the customer wrote.
    pub said: Option<&'a str>,
    /// A danger to life.
    pub danger: Option<LifeSafety>,
    /// Whether we tell the customer how to get safe; where not, it is up to who gets the alert.
    pub customer_is_told: bool,
}

/// An emergency was seen. It is told once, and again with each danger to life that is new; `true` where this was the time.
pub(in crate::conversation) fn emergency_seen(
    context: Context<'_>,
    draft: &mut Draft<'_>,
    sighting: Sighting<'_>,
) -> bool {
    draft.state().urgency_level = Some("emergency".to_owned());
    let now = draft.now;
    let told = draft.state().memory.emergency_at.filter(|_| draft.state().emergency_detected);
    let is_same = told.is_some_and(|at| now < at + SAME_EMERGENCY);
    let dangers = &mut draft.state().memory.dangers;
    if !is_same {
        dangers.clear();
    }
    let new_danger = sighting.danger.filter(|danger| !dangers.contains(danger));
    dangers.extend(new_danger);
    if is_same && new_danger.is_none() {
        return false;
    }
    draft.state().emergency_detected = true;
    draft.state().memory.emergency_at = Some(now);
    draft.emit(EventType::EmergencyDetected, sighting.why.clone());
    let text = text(context, draft, &sighting);
    // The owner hears of it at once, also while they have the conversation; nobody else is woken then.
    draft.state().memory.alerting = Some(Alerting { next: 0, at: now, text });
    escalate(context, draft);
    true
}

/// Tells whoever is next, if it is time.
pub(in crate::conversation) fn escalate(context: Context<'_>, draft: &mut Draft<'_>) {
    let now = draft.now;
    let Some(alerting) = draft.state().memory.alerting.clone().filter(|alerting| alerting.at <= now) else { return };
    let numbers = &context.business.alert_numbers;
    let next = alerting.next + 1;
    let goes_on = next < numbers.len() && draft.state().ownership != Ownership::User;
    if let Some(number) = numbers.get(alerting.next) {
        alert(draft, number, &alerting.text);
    }
    draft.state().memory.alerting =
        goes_on.then(|| Alerting { next, at: now + context.policy.alert_every, text: alerting.text });
    draft.rearm();
}

/// Somebody has it: nobody else has to be told.
pub(in crate::conversation) fn stop(draft: &mut Draft<'_>) {
    draft.state().memory.alerting = None;
}

fn alert(draft: &mut Draft<'_>, number: &PhoneNumber, text: &str) {
    let now = draft.now;
    let id = draft.id("alert");
    draft.message(NewMessage {
        recipient: Some(number.clone()),
        ..NewMessage::ours(id, MessageKind::Alert, text.to_owned(), now)
    });
    draft.effect(Effect::SendSms { message_id: id, responds_to: now });
}

fn text(context: Context<'_>, draft: &mut Draft<'_>, sighting: &Sighting<'_>) -> String {
    let customer = draft.state().customer_phone.to_string();
    let about = match (sighting.said, &draft.state().job_type) {
        (Some(said), _) => format!("wrote: \"{}\"", said.chars().take(QUOTED_CHARS).collect::<String>()),
        (None, Some(job_type)) => format!("has an emergency ({job_type})."),
        (None, None) => "has an emergency.".to_owned(),
    };
    let to_do = match sighting.danger {
        Some(danger) if !sighting.customer_is_told => texts::tell_them(danger),
        _ => "Call them, or take the conversation over.",
    };
    format!("EMERGENCY for {}: {customer} {about} {to_do}", context.business.name)
}

/// What is told where an alert could not be sent.
pub(in crate::conversation) fn failed(draft: &mut Draft<'_>, code: Option<i32>) {
    draft.emit(EventType::NeedsAttention, json!({ "reason": "alert_failed", "error_code": code }));
}
