//! An emergency in a customer's text does not wait for its window. DispatchBot is asked immediately, and if it does not
//! answer in time, the business's emergency text is sent. In danger to life, the customer also gets a safety notice.

use super::alerts::{self, Customer, Sighting};
use super::limits;
use super::reminders;
use super::texts;
use super::window::{claim, limit_reached, other_business, overtake};
use crate::domain::conversation::decision::{
    Detector, Draft, Effect, Fence, KeptVerdict, MessageKind, NewMessage, Priority,
};
use crate::domain::conversation::event::EmergencyDetectedData;
use crate::domain::conversation::input::Context;
use crate::domain::conversation::reason::WindowReason;
use crate::domain::conversation::state::{OpenWindow, Ownership};
use crate::domain::emergency::{Reading, Verdict};

/// Adds a text to the emergency reading of its window. Returns the verdict on the window if this text reports an
/// emergency or completes the report of one.
pub(in crate::domain::conversation) fn add_up(
    context: Context<'_>,
    window: &mut OpenWindow,
    reading: &Reading,
) -> Option<KeptVerdict> {
    let together = reading.after(&window.reading);
    let told_before = window.reading.verdict().is_some();
    let verdict = if told_before { reading.verdict() } else { together.verdict() };
    window.reading = together;
    verdict.map(|verdict| kept(context, verdict))
}

/// The same for a text that joins no window: the reading is combined with that of the open window, which does not
/// change.
pub(in crate::domain::conversation) fn beside(
    context: Context<'_>,
    window: Option<&OpenWindow>,
    reading: &Reading,
) -> Option<KeptVerdict> {
    match window {
        Some(window) => add_up(context, &mut window.clone(), reading),
        None => reading.verdict().map(|verdict| kept(context, verdict)),
    }
}

/// The verdict as it is stored. A business may not accept emergencies, but it cannot decline a danger to life.
pub(in crate::domain::conversation) fn kept(context: Context<'_>, verdict: Verdict) -> KeptVerdict {
    let accepted = context.business.accepts_emergencies || verdict.life_safety.is_some();
    KeptVerdict { verdict, accepted }
}

/// The first text that reports an emergency closes its window immediately, unless a person owns the conversation.
/// Returns the window if it stays open.
pub(in crate::domain::conversation) fn told(
    context: Context<'_>,
    draft: &mut Draft<'_>,
    window: OpenWindow,
    verdict: &Verdict,
    said: &str,
) -> Option<OpenWindow> {
    let owned = draft.state().ownership == Ownership::User;
    let customer = if owned { Customer::WithAPerson } else { Customer::Answered };
    if !alerts::emergency_seen(context, draft, sighting(verdict, said, customer)) {
        return Some(window); // known already: the answer in progress covers it
    }
    if owned {
        return Some(window);
    }
    notify(context, draft, verdict);
    // An answer computed before does not fit any more. It is held back through its window, not through `hard_epoch`,
    // because that would also hold back a notice of another danger.
    if let Some(answering) = draft.state().answering.clone() {
        overtake(draft, &answering, WindowReason::NewerWindow);
    }
    if context.may_answer(draft.now) {
        let allowed = match alerts::is_about_life(draft) {
            true => {
                limits::use_for_danger(draft);
                Ok(())
            }
            false => limits::use_for_answer(context, draft),
        };
        match allowed {
            Ok(()) => claim(context.policy, draft, &window, Priority::Urgent),
            Err(limit) => limit_reached(context, draft, &window, limit),
        }
    } else {
        // Alerts are sent and, in danger to life, the customer gets a safety notice. The notice is not an answer, so
        // the limit does not apply to it.
        other_business(draft, window.id, window.opened_at);
    }
    None
}

/// A text that gets no answer reports an emergency: the alerts say what the customer was not told. Unless the opt-out
/// is certain, the customer gets the safety notice: their life outweighs the doubt.
pub(in crate::domain::conversation) fn told_without_an_answer(
    context: Context<'_>,
    draft: &mut Draft<'_>,
    kept: Option<&KeptVerdict>,
    said: &str,
    customer: Customer,
) {
    let Some(KeptVerdict { verdict, accepted: true }) = kept else { return };
    let owned = draft.state().ownership == Ownership::User;
    let is_theirs = owned && !matches!(customer, Customer::Out | Customer::NeverTexted);
    let customer = if is_theirs { Customer::WithAPerson } else { customer };
    let is_told = alerts::emergency_seen(context, draft, sighting(verdict, said, customer));
    if is_told && matches!(customer, Customer::PerhapsOut | Customer::OfTwilio) {
        notify(context, draft, verdict);
    }
}

fn sighting<'a>(verdict: &Verdict, said: &'a str, customer: Customer) -> Sighting<'a> {
    Sighting { why: why(verdict), said: Some(said), danger: verdict.life_safety, customer }
}

/// Sends the safety notice to the customer. It is not an answer: only what silences the AI holds it back.
fn notify(context: Context<'_>, draft: &mut Draft<'_>, verdict: &Verdict) {
    let Some(danger) = verdict.life_safety else { return };
    let now = draft.now;
    let id = draft.id("notice");
    let fence = Fence { epoch: draft.state().epoch, exempt_at: now, hard_epoch: draft.state().hard_epoch };
    let text = texts::get_safe(context.business, danger, verdict.language);
    draft.message(NewMessage { fence: Some(fence), ..NewMessage::ours(id, MessageKind::Notice, text, now) });
    draft.effect(Effect::SendSms { message_id: id, responds_to: now });
}

/// A person reports a false alarm: the alerts stop, and the false alarm is recorded for the rules that detected it.
pub(in crate::domain::conversation) fn false_alarm(draft: &mut Draft<'_>, user_id: &str) {
    if !draft.state().emergency_detected {
        return;
    }
    alerts::stop(draft);
    draft.state().emergency_detected = false;
    draft.state().urgency_level = Some("normal".to_owned());
    let now = draft.now;
    draft.state().memory.false_alarm_at = Some(now);
    reminders::person_acted(draft);
    draft.false_alarm(user_id);
}

/// The event data: why the text was classified as an emergency.
fn why(verdict: &Verdict) -> EmergencyDetectedData {
    let strongest = verdict.reasons.first().map(|reason| reason.words.clone()).unwrap_or_default();
    EmergencyDetectedData {
        rule: Some(verdict.rule.clone()),
        words: Some(strongest),
        reasons: Some(verdict.reasons.clone()),
        life_safety: verdict.life_safety,
        language: Some(verdict.language),
        ..EmergencyDetectedData::by(Detector::Words)
    }
}
