//! Alerts: in an emergency the owner gets an SMS at once, and then, one after the other, each of the business's contacts,
//! until somebody takes over.

use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use super::texts;
use crate::domain::conversation::decision::{Draft, Effect, MessageKind, NewMessage};
use crate::domain::conversation::event::EventType;
use crate::domain::conversation::input::Context;
use crate::domain::conversation::state::{Alerting, Ownership};
use crate::domain::emergency::LifeSafety;
use crate::domain::phone::PhoneNumber;

/// What is told within this time of an emergency is the same one; later, it is another: the first has been seen to, or
/// it is time to say it again.
const SAME_EMERGENCY: TimeDelta = TimeDelta::minutes(30);
/// How much of the customer's words an alert quotes.
const QUOTED_CHARS: usize = 300;

/// What the customer hears from us, as far as whoever gets an alert has to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::domain::conversation) enum Customer {
    /// They are answered, and told how to get safe.
    Answered,
    /// A person has the conversation: it is up to them.
    WithAPerson,
    /// Nothing: they want no texts.
    Out,
    /// Nothing but how to get safe: they may want no texts.
    PerhapsOut,
    /// Nothing but how to get safe: their word is Twilio's to answer.
    OfTwilio,
}

/// What was seen, in the customer's words or by DispatchBot.
pub(in crate::domain::conversation) struct Sighting<'a> {
    /// How it is known, for the event.
    pub why: Value,
    /// What the customer wrote.
    pub said: Option<&'a str>,
    /// A danger to life.
    pub danger: Option<LifeSafety>,
    /// What the customer hears from us; where that is not all, the rest is up to who gets the alert.
    pub customer: Customer,
}

/// An emergency was seen. It is told once, and again with each danger to life that is new; `true` where this was the time.
pub(in crate::domain::conversation) fn emergency_seen(
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
    draft.state().memory.alerting = Some(Alerting { next: 0, at: now, text, told: Vec::new(), unreached: Vec::new() });
    escalate(context, draft);
    true
}

/// Tells whoever is next, if it is time.
pub(in crate::domain::conversation) fn escalate(context: Context<'_>, draft: &mut Draft<'_>) {
    let now = draft.now;
    let Some(mut alerting) = draft.state().memory.alerting.clone().filter(|alerting| alerting.at <= now) else {
        return;
    };
    let numbers = &context.business.alert_numbers;
    if let Some(number) = numbers.get(alerting.next) {
        let text = format!("{}{}", alerting.text, unreached(&alerting));
        alerting.told.push(alert(draft, number, &text));
    }
    alerting.next += 1;
    alerting.at = now + context.policy.alert_every;
    let goes_on = alerting.next < numbers.len() && draft.state().ownership != Ownership::User;
    draft.state().memory.alerting = goes_on.then_some(alerting);
    draft.rearm();
}

/// Who was to be told before, and was not reached: whoever is next may be the first to hear of it.
fn unreached(alerting: &Alerting) -> String {
    let others = alerting.unreached.iter().filter(|place| **place > 0).count();
    match (alerting.unreached.contains(&0), others) {
        (false, 0) => String::new(),
        (true, 0) => " We could not reach the owner by SMS.".to_owned(),
        (true, others) => format!(" We could not reach the owner, nor {others} of those told before you, by SMS."),
        (false, others) => format!(" We could not reach {others} of those told before you by SMS."),
    }
}

/// The customer has opted out since: whoever is told after that has to know that we do not answer them any more.
pub(in crate::domain::conversation) fn customer_is_out(draft: &mut Draft<'_>) {
    if let Some(alerting) = draft.state().memory.alerting.as_mut()
        && !alerting.text.contains(texts::WANTS_NO_TEXTS)
    {
        alerting.text =
            format!("{} {} We do NOT answer them any more: call them.", alerting.text, texts::WANTS_NO_TEXTS);
    }
}

/// The safety notice has not reached the customer, or may not have, and whoever was told of the emergency takes them for
/// warned: the owner is told that they are not, once, and so are all who come after.
pub(in crate::domain::conversation) fn customer_was_not_told(context: Context<'_>, draft: &mut Draft<'_>) {
    let now = draft.now;
    let state = draft.state();
    let Some(danger) = state.memory.dangers.last().copied().filter(|_| state.emergency_detected) else { return };
    if state.memory.not_told_at.is_some_and(|at| Some(at) >= state.memory.emergency_at) {
        return;
    }
    state.memory.not_told_at = Some(now);
    let what = format!("Our safety notice did not reach them. {}", texts::tell_them(danger));
    if let Some(alerting) = state.memory.alerting.as_mut() {
        alerting.text = format!("{} {what}", alerting.text);
    }
    let customer = state.customer_phone.to_string();
    if let Some(owner) = context.business.alert_numbers.first() {
        alert(draft, owner, &format!("EMERGENCY for {}: {customer} is in danger. {what}", context.business.name));
    }
}

/// Whether a danger to life was told of just now, and not taken back: the customer is being told how to get safe.
pub(in crate::domain::conversation) fn is_about_life(draft: &mut Draft<'_>) -> bool {
    let now = draft.now;
    let state = draft.state();
    let told = state.memory.emergency_at.filter(|_| state.emergency_detected && !state.memory.dangers.is_empty());
    told.is_some_and(|at| now < at + SAME_EMERGENCY)
}

/// Somebody has it: nobody else has to be told.
pub(in crate::domain::conversation) fn stop(draft: &mut Draft<'_>) {
    draft.state().memory.alerting = None;
}

fn alert(draft: &mut Draft<'_>, number: &PhoneNumber, text: &str) -> Uuid {
    let now = draft.now;
    let id = draft.id("alert");
    draft.message(NewMessage {
        recipient: Some(number.clone()),
        ..NewMessage::ours(id, MessageKind::Alert, text.to_owned(), now)
    });
    draft.effect(Effect::SendSms { message_id: id, responds_to: now });
    id
}

fn text(context: Context<'_>, draft: &mut Draft<'_>, sighting: &Sighting<'_>) -> String {
    let customer = draft.state().customer_phone.to_string();
    let about = match (sighting.said, &draft.state().job_type) {
        (Some(said), _) => format!("wrote: \"{}\"", said.chars().take(QUOTED_CHARS).collect::<String>()),
        (None, Some(job_type)) => format!("has an emergency ({job_type})."),
        (None, None) => "has an emergency.".to_owned(),
    };
    let to_do = to_do(sighting.danger, sighting.customer);
    format!("EMERGENCY for {}: {customer} {about} {to_do}", context.business.name)
}

fn to_do(danger: Option<LifeSafety>, customer: Customer) -> String {
    match (danger, customer) {
        (_, Customer::Answered) | (None, Customer::WithAPerson) => {
            "Call them, or take the conversation over.".to_owned()
        }
        (Some(danger), Customer::WithAPerson) => texts::tell_them(danger).to_owned(),
        (Some(danger), Customer::Out) => format!("{} {}", texts::WANTS_NO_TEXTS, texts::tell_them(danger)),
        (None, Customer::Out) => format!("{} {}", texts::WANTS_NO_TEXTS, texts::NOT_ANSWERED),
        (Some(_), Customer::PerhapsOut) => format!("{} {}", texts::MAY_WANT_NO_TEXTS, texts::NOTICE_ONLY),
        (None, Customer::PerhapsOut) => format!("{} {}", texts::MAY_WANT_NO_TEXTS, texts::NOT_ANSWERED),
        (Some(_), Customer::OfTwilio) => texts::NOTICE_ONLY.to_owned(),
        (None, Customer::OfTwilio) => texts::NOT_ANSWERED.to_owned(),
    }
}

/// An alert did not arrive, or may not have: it is told, and whoever is next hears of the emergency at once.
pub(in crate::domain::conversation) fn failed(
    context: Context<'_>,
    draft: &mut Draft<'_>,
    alert: Uuid,
    code: Option<i32>,
) {
    draft.emit(EventType::NeedsAttention, json!({ "reason": "alert_failed", "error_code": code }));
    let now = draft.now;
    let Some(alerting) = draft.state().memory.alerting.as_mut() else { return };
    let Some(place) = alerting.told.iter().position(|told| *told == alert) else { return };
    if !alerting.unreached.contains(&place) {
        alerting.unreached.push(place);
    }
    // Somebody after them has been told already otherwise, and has their time.
    if alerting.told.len() == place + 1 {
        alerting.at = now;
        escalate(context, draft);
    }
}
