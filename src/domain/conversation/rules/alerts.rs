//! Alerts: in an emergency the owner gets an SMS immediately. Then each of the business's contacts gets one, one after
//! the other, until a person takes over.

use chrono::TimeDelta;
use uuid::Uuid;

use super::{alert_taken, ladder, limits, texts};
use crate::domain::conversation::decision::{Draft, Effect, MessageKind, NewMessage};
use crate::domain::conversation::event::{EmergencyDetectedData, EventData, NeedsAttentionData};
use crate::domain::conversation::input::Context;
use crate::domain::conversation::reason::AttentionReason;
use crate::domain::conversation::state::{Alerting, Ownership};
use crate::domain::day_limits::Limit;
use crate::domain::emergency::LifeSafety;
use crate::domain::phone::PhoneNumber;

/// An emergency detected within this time after the last one is the same emergency. Later it is a new one: the first
/// was handled, or it is time for another alert.
const SAME_EMERGENCY: TimeDelta = TimeDelta::minutes(30);
/// How many emergencies of one customer people are alerted to within [`EMERGENCIES_WITHIN`]. Not even danger to life is
/// exempt: it may be a prankster.
const EMERGENCIES_OF_ONE: usize = 6;
const EMERGENCIES_WITHIN: TimeDelta = TimeDelta::hours(24);
/// How many characters of the customer's text an alert quotes.
const QUOTED_CHARS: usize = 300;
/// How many characters name the kind of an emergency where several are told in one text.
const KIND_CHARS: usize = 40;

/// What we send to the customer, as far as the recipient of an alert needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::domain::conversation) enum Customer {
    /// An answer and, in danger, the safety notice.
    Answered,
    /// Nothing: a person owns the conversation and decides.
    WithAPerson,
    /// Nothing: the customer has opted out.
    Out,
    /// Nothing: the business never texts this number.
    NeverTexted,
    /// Only the safety notice: the customer may have opted out.
    PerhapsOut,
    /// Only the safety notice: Twilio answers the customer's keyword.
    OfTwilio,
}

/// A detected emergency, in the customer's text or by DispatchBot.
pub(in crate::domain::conversation) struct Sighting<'a> {
    /// The data of the event: how it was detected.
    pub why: EmergencyDetectedData,
    /// The customer's text.
    pub said: Option<&'a str>,
    /// The danger to life, if there is one.
    pub danger: Option<LifeSafety>,
    /// What we send to the customer. Everything else is left to the recipient of the alert.
    pub customer: Customer,
}

/// Handles a detected emergency: starts the alerts once per emergency, and again for each new danger to life. Returns
/// `true` if it started them.
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
    draft.emit(EventData::EmergencyDetected(sighting.why.clone()));
    if !may_alert(draft) {
        return true;
    }
    alert_taken::begins(draft, is_same);
    let text = text(context, draft, &sighting);
    let is_danger = !draft.state().memory.dangers.is_empty();
    let bundle_line = (!is_danger).then(|| bundle_line(draft, &sighting));
    // The owner gets an alert immediately, even while they own the conversation. In that case nobody else gets one.
    draft.state().memory.alerting =
        Some(Alerting { next: 0, at: now, text, bundle_line, told: Vec::new(), unreached: Vec::new() });
    escalate(context, draft);
    ladder::begin(context, draft, sighting.said, !is_same);
    true
}

/// Whether people are alerted to another emergency of this customer. When they are not for the first time, they are told.
fn may_alert(draft: &mut Draft<'_>) -> bool {
    let now = draft.now;
    let emergencies = &mut draft.state().memory.emergencies;
    emergencies.retain(|at| now < *at + EMERGENCIES_WITHIN);
    let so_far = emergencies.len();
    if so_far <= EMERGENCIES_OF_ONE {
        emergencies.push(now);
    }
    if so_far >= EMERGENCIES_OF_ONE {
        draft.stopped_by(Limit::Alerts);
    }
    if so_far == EMERGENCIES_OF_ONE {
        draft.needs_attention(NeedsAttentionData::limit(Limit::Alerts));
    }
    so_far < EMERGENCIES_OF_ONE
}

/// Sends the next alert if it is due.
pub(in crate::domain::conversation) fn escalate(context: Context<'_>, draft: &mut Draft<'_>) {
    let now = draft.now;
    let Some(mut alerting) = draft.state().memory.alerting.clone().filter(|alerting| alerting.at <= now) else {
        return;
    };
    let numbers = &context.business.alert_numbers;
    if let Some(number) = numbers.get(alerting.next) {
        // Danger to life is never limited.
        if alerting.bundle_line.is_some()
            && let Err(limit) = limits::use_for_alert(context, draft)
        {
            draft.state().memory.alerting = None;
            limits::tell_once(context, draft, limit);
            return draft.rearm();
        }
        let text = format!("{}{}", alerting.text, unreached(&alerting));
        alerting.told.push(alert(draft, number, &text, alerting.bundle_line.clone()));
    }
    alerting.next += 1;
    alerting.at = now + context.policy.alert_every;
    let goes_on = alerting.next < numbers.len() && draft.state().ownership != Ownership::User;
    draft.state().memory.alerting = goes_on.then_some(alerting);
    draft.rearm();
}

/// A phone is called: its alert, which has the customer's number, goes at the same time, and those before it with it.
pub(super) fn with_the_call(context: Context<'_>, draft: &mut Draft<'_>, phone: &PhoneNumber) {
    let Some(place) = context.business.alert_numbers.iter().position(|number| number == phone) else { return };
    for next in 0..=place {
        let now = draft.now;
        let Some(alerting) = draft.state().memory.alerting.as_mut() else { return };
        if alerting.next == next {
            alerting.at = now;
            escalate(context, draft);
        }
    }
}

/// The earlier recipients who were not reached. The next recipient may be the first to learn of the emergency.
fn unreached(alerting: &Alerting) -> String {
    let others = alerting.unreached.iter().filter(|place| **place > 0).count();
    match (alerting.unreached.contains(&0), others) {
        (false, 0) => String::new(),
        (true, 0) => " We could not reach the owner by SMS.".to_owned(),
        (true, others) => format!(" We could not reach the owner, nor {others} of those told before you, by SMS."),
        (false, others) => format!(" We could not reach {others} of those told before you by SMS."),
    }
}

/// The customer opted out after the first alert. Later alerts must say that we no longer answer them.
pub(in crate::domain::conversation) fn customer_is_out(draft: &mut Draft<'_>) {
    if let Some(alerting) = draft.state().memory.alerting.as_mut()
        && !alerting.text.contains(texts::WANTS_NO_TEXTS)
    {
        alerting.text =
            format!("{} {} We do NOT answer them any more: call them.", alerting.text, texts::WANTS_NO_TEXTS);
    }
}

/// The safety notice did not reach the customer, or may not have. Those who got an alert believe that the customer was
/// warned. Therefore the owner gets one more alert, and all later alerts say so.
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
        let text = format!("{} {}: {customer} is in danger. {what}", texts::ALERT, context.business.name);
        alert(draft, owner, &text, None);
    }
}

/// Whether a danger to life was detected recently and not withdrawn, so that a safety notice is on its way to the
/// customer.
pub(in crate::domain::conversation) fn is_about_life(draft: &mut Draft<'_>) -> bool {
    let now = draft.now;
    let state = draft.state();
    let told = state.memory.emergency_at.filter(|_| state.emergency_detected && !state.memory.dangers.is_empty());
    told.is_some_and(|at| now < at + SAME_EMERGENCY)
}

/// A person has taken over: no more alerts, and no more calls.
pub(in crate::domain::conversation) fn stop(draft: &mut Draft<'_>) {
    draft.state().memory.alerting = None;
    draft.state().memory.ladder = None;
}

fn alert(draft: &mut Draft<'_>, number: &PhoneNumber, text: &str, bundle_line: Option<String>) -> Uuid {
    let now = draft.now;
    let id = draft.id("alert");
    draft.message(NewMessage {
        recipient: Some(number.clone()),
        bundle_line,
        ..NewMessage::ours(id, MessageKind::Alert, text.to_owned(), now)
    });
    draft.effect(Effect::SendSms { message_id: id, responds_to: now });
    alert_taken::alerted(draft, number, id);
    id
}

/// Writes to a person who was alerted. It is no alert that could be answered.
pub(super) fn inform(draft: &mut Draft<'_>, number: &PhoneNumber, text: &str) {
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
    let to_do = to_do(sighting.danger, sighting.customer);
    format!("{} {}: {customer} {about} {to_do} Reply 1 to take it.", texts::ALERT, context.business.name)
}

/// The customer's number, and the kind of the emergency in the words of the rule, or of DispatchBot.
fn bundle_line(draft: &mut Draft<'_>, sighting: &Sighting<'_>) -> String {
    let by_dispatchbot = sighting.why.job_type.clone().or_else(|| draft.state().job_type.clone());
    let kind = sighting.why.rule.clone().or(by_dispatchbot).map(|kind| kind.replace('_', " "));
    let kind: String = kind.as_deref().unwrap_or("emergency").chars().take(KIND_CHARS).collect();
    let silence = match sighting.customer {
        Customer::Answered | Customer::WithAPerson => "",
        Customer::Out | Customer::NeverTexted | Customer::PerhapsOut | Customer::OfTwilio => "; we do not answer them",
    };
    format!("{} ({kind}{silence})", draft.state().customer_phone)
}

fn to_do(danger: Option<LifeSafety>, customer: Customer) -> String {
    match (danger, customer) {
        (_, Customer::Answered) | (None, Customer::WithAPerson) => {
            "Call them, or take the conversation over.".to_owned()
        }
        (Some(danger), Customer::WithAPerson) => texts::tell_them(danger).to_owned(),
        (Some(danger), Customer::Out) => format!("{} {}", texts::WANTS_NO_TEXTS, texts::tell_them(danger)),
        (None, Customer::Out) => format!("{} {}", texts::WANTS_NO_TEXTS, texts::NOT_ANSWERED),
        (Some(danger), Customer::NeverTexted) => format!("{} {}", texts::NEVER_TEXTED, texts::tell_them(danger)),
        (None, Customer::NeverTexted) => format!("{} {}", texts::NEVER_TEXTED, texts::NOT_ANSWERED),
        (Some(_), Customer::PerhapsOut) => format!("{} {}", texts::MAY_WANT_NO_TEXTS, texts::NOTICE_ONLY),
        (None, Customer::PerhapsOut) => format!("{} {}", texts::MAY_WANT_NO_TEXTS, texts::NOT_ANSWERED),
        (Some(_), Customer::OfTwilio) => texts::NOTICE_ONLY.to_owned(),
        (None, Customer::OfTwilio) => texts::NOT_ANSWERED.to_owned(),
    }
}

/// An alert did not arrive, or may not have: publishes an event, and sends the next alert immediately.
pub(in crate::domain::conversation) fn failed(
    context: Context<'_>,
    draft: &mut Draft<'_>,
    alert: Uuid,
    code: Option<i32>,
) {
    draft.needs_attention(NeedsAttentionData {
        error_code: code,
        ..NeedsAttentionData::new(AttentionReason::AlertFailed)
    });
    let now = draft.now;
    let Some(alerting) = draft.state().memory.alerting.as_mut() else { return };
    let Some(place) = alerting.told.iter().position(|told| *told == alert) else { return };
    if !alerting.unreached.contains(&place) {
        alerting.unreached.push(place);
    }
    // Otherwise a later recipient already got an alert, and their time to take over is still running.
    if alerting.told.len() == place + 1 {
        alerting.at = now;
        escalate(context, draft);
    }
}
