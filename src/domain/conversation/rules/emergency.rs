//! An emergency told in words: nobody waits for a window. DispatchBot is asked at once, and where it does not answer in
//! time, the business's emergency text goes out. Who is in danger of life is told how to get safe, beside that.

use serde_json::{Value, json};

use super::alerts::{self, Customer, Sighting};
use super::texts;
use super::window::{claim, hand_over, overtake};
use crate::domain::conversation::decision::{Draft, Effect, Fence, KeptVerdict, MessageKind, NewMessage, Priority};
use crate::domain::conversation::input::Context;
use crate::domain::conversation::state::{OpenWindow, Ownership};
use crate::domain::emergency::{Reading, Verdict};

/// What the texts of a window tell together, the newest one last; the verdict on it, where it is this text that tells of
/// an emergency, or completes one.
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

/// The same for a text that joins no window: what it tells together with the window that is open, which is left as it is.
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

/// A verdict as it is kept. A business may take no emergencies, but danger to life cannot be turned down.
pub(in crate::domain::conversation) fn kept(context: Context<'_>, verdict: Verdict) -> KeptVerdict {
    let accepted = context.business.accepts_emergencies || verdict.life_safety.is_some();
    KeptVerdict { verdict, accepted }
}

/// The first text that tells of an emergency closes its window at once, unless a person owns the conversation. What is
/// returned is the window where it stays open.
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
        return Some(window); // it was told before: what is under way is its answer
    }
    if owned {
        return Some(window);
    }
    notify(context, draft, verdict);
    // What was computed before is an answer to something else. It is held back by its window; not by `hard_epoch`, for that
    // would hold back a notice of another danger, too.
    if let Some(answering) = draft.state().answering.clone() {
        overtake(draft, &answering, "newer window");
    }
    if context.may_answer(draft.now) {
        claim(context.policy, draft, &window, Priority::Urgent);
    } else {
        // People are told and, in danger, the customer is: that is no answer, and nothing holds it back.
        hand_over(draft, window.id, window.opened_at);
    }
    None
}

/// A text that is not answered tells of an emergency: people are told, and what the customer was not told. Who has not opted
/// out for certain is told how to get safe: their life outweighs the doubt.
pub(in crate::domain::conversation) fn told_without_an_answer(
    context: Context<'_>,
    draft: &mut Draft<'_>,
    kept: Option<&KeptVerdict>,
    said: &str,
    customer: Customer,
) {
    let Some(KeptVerdict { verdict, accepted: true }) = kept else { return };
    let owned = draft.state().ownership == Ownership::User;
    let customer = if owned && customer != Customer::Out { Customer::WithAPerson } else { customer };
    let is_told = alerts::emergency_seen(context, draft, sighting(verdict, said, customer));
    if is_told && matches!(customer, Customer::PerhapsOut | Customer::OfTwilio) {
        notify(context, draft, verdict);
    }
}

fn sighting<'a>(verdict: &Verdict, said: &'a str, customer: Customer) -> Sighting<'a> {
    Sighting { why: why(verdict), said: Some(said), danger: verdict.life_safety, customer }
}

/// Tells the customer how to get safe. It is no answer: only what silences the AI holds it back.
fn notify(context: Context<'_>, draft: &mut Draft<'_>, verdict: &Verdict) {
    let Some(danger) = verdict.life_safety else { return };
    let now = draft.now;
    let id = draft.id("notice");
    let fence = Fence { epoch: draft.state().epoch, exempt_at: now, hard_epoch: draft.state().hard_epoch };
    let text = texts::get_safe(context.business, danger, verdict.language);
    draft.message(NewMessage { fence: Some(fence), ..NewMessage::ours(id, MessageKind::Notice, text, now) });
    draft.effect(Effect::SendSms { message_id: id, responds_to: now });
}

/// A person says that it was none: nobody else is told, and the rules that took it for one hear of it.
pub(in crate::domain::conversation) fn false_alarm(draft: &mut Draft<'_>, user_id: &str) {
    if !draft.state().emergency_detected {
        return;
    }
    alerts::stop(draft);
    draft.state().emergency_detected = false;
    draft.state().urgency_level = Some("normal".to_owned());
    let now = draft.now;
    draft.state().memory.false_alarm_at = Some(now);
    draft.false_alarm(user_id);
}

/// Why the words were taken for an emergency, for the event.
fn why(verdict: &Verdict) -> Value {
    let strongest = verdict.reasons.first().map(|reason| reason.words.clone()).unwrap_or_default();
    json!({
        "by": "words",
        "rule": verdict.rule,
        "words": strongest,
        "reasons": verdict.reasons,
        "life_safety": verdict.life_safety,
        "language": verdict.language,
    })
}
