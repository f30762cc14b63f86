//! Relays: the owner's phone gets the texts of customers, with what the AI will do about them. The first goes at once,
//! further ones go together. A relay changes nothing for the customer, whatever becomes of it.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::domain::conversation::decision::{CodeChange, Draft, Effect, MessageKind, NewMessage};
use crate::domain::conversation::input::{Context, InboundSms, Input};
use crate::domain::conversation::state::{Ownership, Status};
use crate::domain::conversation::words::{OptWord, opt_word};
use crate::domain::owner::texts::{self, AiWill};
use crate::domain::owner::{Code, RelayedText, Relaying};
use crate::domain::phone::PhoneNumber;

/// Further texts of a customer are relayed together, at most once in this time.
const EVERY: TimeDelta = TimeDelta::seconds(10);
/// How many texts wait to be relayed. What comes beyond is in the app.
const MOST_PENDING: usize = 20;
/// How many relays the owner gets of a conversation: who writes without end does not fill the owner's phone.
const MOST_RELAYS: u32 = 100;

/// The customer wrote: the text is relayed now, or with others.
pub(super) fn heard(context: Context<'_>, draft: &mut Draft<'_>, sms: &InboundSms, message_id: Uuid) {
    if wanted_by(context).is_none() || context.is_never_texted(&sms.customer) || is_keyword(context, sms) {
        return;
    }
    if draft.state().memory.relay.relays >= MOST_RELAYS {
        return;
    }
    let text = relayed(context, draft, sms, message_id);
    let relay = &mut draft.state().memory.relay;
    if relay.pending.len() < MOST_PENDING {
        relay.pending.push(text);
    }
    // Before it waits: the owner may ask what is open, and needs the code to name it.
    code(context, draft);
    match waits_until(context, draft) {
        Some(at) => {
            draft.state().memory.relay.due_at = Some(at);
            draft.rearm();
        }
        None => send(context, draft),
    }
}

/// Until when texts collect, if they do not go at once: ten seconds after the last relay, and in the owner's quiet hours
/// until their end, unless it is an emergency.
fn waits_until(context: Context<'_>, draft: &mut Draft<'_>) -> Option<DateTime<Utc>> {
    let now = draft.now;
    let next = draft.state().memory.relay.last_at.map(|at| at + EVERY);
    next.max(quiet_until(context, draft)).filter(|at| *at > now)
}

fn quiet_until(context: Context<'_>, draft: &mut Draft<'_>) -> Option<DateTime<Utc>> {
    context.business.owner_quiet_until(draft.now).filter(|_| !draft.state().emergency_detected)
}

/// Relays what has collected, if it is due.
pub(super) fn due(context: Context<'_>, draft: &mut Draft<'_>) {
    if draft.state().memory.relay.due_at.is_none_or(|at| at > draft.now) {
        return;
    }
    match waits_until(context, draft) {
        Some(at) => draft.state().memory.relay.due_at = Some(at),
        None => send(context, draft),
    }
}

/// At the end of a conversation its code is given back. What has not been relayed goes now, or after the owner's quiet hours,
/// unless a person ended it.
pub(in crate::domain::conversation) fn note(context: Context<'_>, draft: &mut Draft<'_>, input: &Input) {
    if draft.state().status != Status::Completed || draft.state().memory.relay.is_nothing() {
        return;
    }
    if !matches!(input, Input::Completed { .. } | Input::NumberReleased) {
        send(context, draft);
    }
    if draft.state().memory.relay.code.is_some() {
        draft.code(CodeChange::GivenBack);
    }
    draft.state().memory.relay = Relaying::default();
}

/// The phone that gets relays.
fn wanted_by<'a>(context: Context<'a>) -> Option<&'a PhoneNumber> {
    context.business.relay_to.as_ref().filter(|_| context.may_write)
}

/// An opt-out, an opt-in or a keyword that Twilio answers: nothing in it is for the owner.
fn is_keyword(context: Context<'_>, sms: &InboundSms) -> bool {
    let was_out = context.opted_out_at.is_some_and(|at| at <= sms.received_at);
    match opt_word(&sms.body, sms.opt_out_type.as_deref(), was_out) {
        Some(OptWord::Out { by }) => by != "sentence",
        Some(OptWord::In | OptWord::Help) => true,
        Some(OptWord::Doubtful) | None => false,
    }
}

fn relayed(context: Context<'_>, draft: &mut Draft<'_>, sms: &InboundSms, message_id: Uuid) -> RelayedText {
    let (base, conversation) = (&context.policy.public_url, draft.state().id);
    let link = |n: usize| format!("{base}/conversations/{conversation}/messages/{message_id}/media/{n}");
    RelayedText { words: sms.body.trim().to_owned(), pictures: (0..sms.media.len()).map(link).collect() }
}

fn send(context: Context<'_>, draft: &mut Draft<'_>) {
    let now = draft.now;
    let relay = &mut draft.state().memory.relay;
    relay.due_at = None;
    let texts = std::mem::take(&mut relay.pending);
    let Some(owner) = wanted_by(context).filter(|_| !texts.is_empty()) else { return };
    let code = code(context, draft);
    let relay = &mut draft.state().memory.relay;
    relay.first_at.get_or_insert(now);
    relay.last_at = Some(now);
    relay.relays += 1;
    let is_last = relay.relays == MOST_RELAYS;
    let ai_will = ai_will(draft);
    let text = texts::relay(code, &draft.state().customer_phone.clone(), &texts, ai_will, is_last, now);
    let id = draft.id("relay");
    let not_before = quiet_until(context, draft);
    let relay = NewMessage::ours(id, MessageKind::Relay, text, now);
    draft.message(NewMessage { recipient: Some(owner.clone()), not_before, ..relay });
    draft.effect(Effect::SendSms { message_id: id, responds_to: now });
}

/// The conversation's code; it gets one with the first text that is to be relayed, and has none any more once it is over.
fn code(context: Context<'_>, draft: &mut Draft<'_>) -> Option<Code> {
    let (id, known) = (draft.state().id, draft.state().memory.relay.code);
    if draft.state().status == Status::Completed {
        return None;
    }
    if known.is_some() {
        return known;
    }
    let code = Code::free(id, context.codes_in_use?)?;
    draft.state().memory.relay.code = Some(code);
    draft.code(CodeChange::Taken(code));
    Some(code)
}

fn ai_will(draft: &mut Draft<'_>) -> AiWill {
    let state = draft.state();
    let deadline = state.window.as_ref().and_then(|window| window.deadline);
    match deadline {
        _ if state.status == Status::Completed => AiWill::Nothing,
        _ if state.opted_out => AiWill::StaySilent,
        _ if state.ownership == Ownership::User => AiWill::LeaveIt,
        Some(at) => AiWill::Answer { at },
        None if state.answering.is_some() => AiWill::AnswerNow,
        None if state.waiting_since.is_none() => AiWill::HasAnswered,
        None => AiWill::StaySilent,
    }
}
