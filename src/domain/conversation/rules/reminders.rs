//! Nobody is forgotten: while a customer waits for an answer, events say so at 1, 5 and 30 minutes. If a person owns the
//! conversation and does nothing, the owner is reminded, and the AI may get it back.
//!
//! Each fire of the conversation's timer looks what is due, and every change notes when the next thing is. If the timer does
//! not fire for another reason by then, the sweeper fires it.

use chrono::{DateTime, TimeDelta, Utc};

use super::{ownership, texts};
use crate::domain::conversation::decision::{Draft, Effect, MessageKind, MessageUpdate, NewMessage};
use crate::domain::conversation::event::{EventData, NeedsAttentionData, RELEASED_BY_TIMER, WaitingData};
use crate::domain::conversation::input::Context;
use crate::domain::conversation::reason::AttentionReason;
use crate::domain::conversation::spell::Spell;
use crate::domain::conversation::state::{Conversation, Ownership, Status};

/// A step waits for so long for an answer of the AI that is about to come: the customer is not forgotten.
const ANSWER_TIME: TimeDelta = TimeDelta::seconds(30);

/// Does what is due if the timer `fires`, and notes what is next. An input that changes nothing, such as a command that is
/// refused, still changes nothing.
pub(in crate::domain::conversation) fn look(context: Context<'_>, draft: &mut Draft<'_>, fires: bool) {
    if !fires && !draft.is_changed() {
        return;
    }
    let is_over = draft.state().status == Status::Completed;
    let since = draft.state().waiting_since.filter(|_| !is_over);
    let before = draft.state().memory.spell.take();
    let continued = before.filter(|spell| since.is_some_and(|since| since <= spell.since));
    if let (Some(reminder), None) = (before.and_then(|spell| spell.reminder), continued) {
        // They have an answer, so a reminder that was not sent yet is pointless.
        draft.update_message(MessageUpdate::hold_back(reminder));
    }
    let Some(since) = since else { return };
    let mut spell = Spell { since, ..continued.unwrap_or_else(|| Spell::begin(since)) };
    if fires {
        announce(draft, &mut spell);
        remind(context, draft, &mut spell);
    }
    let (now, state) = (draft.now, draft.state());
    spell.step_at = step_at(state, &spell);
    spell.remind_at = remind_at(context, state, &spell, now, fires);
    spell.return_at = return_at(context, state, &spell);
    state.memory.spell = Some(spell);
}

/// Gives the conversation back to the AI if that is due. A person's command that was committed before counts: it is what
/// they did last.
pub(in crate::domain::conversation) fn return_to_ai(context: Context<'_>, draft: &mut Draft<'_>) -> bool {
    let now = draft.now;
    let spell = draft.state().memory.spell;
    let at = spell.and_then(|spell| return_at(context, draft.state(), &spell));
    let is_due = at.is_some_and(|at| at <= now);
    if is_due {
        ownership::released(context, draft, RELEASED_BY_TIMER);
    }
    is_due
}

/// Of several steps that are over, the newest is announced.
fn announce(draft: &mut Draft<'_>, spell: &mut Spell) {
    let now = draft.now;
    if step_at(draft.state(), spell).is_none_or(|at| at > now) {
        return;
    }
    let Some(minutes) = spell.pass_steps(now) else { return };
    let state = draft.state();
    let (ownership, owned_by) = (state.ownership, state.owned_by.clone());
    draft.emit(EventData::Waiting(WaitingData { since: spell.since, minutes, ownership, owned_by }));
}

/// When the next step is due. If the AI is about to answer, it has a little longer.
fn step_at(state: &Conversation, spell: &Spell) -> Option<DateTime<Utc>> {
    let at = spell.next_step()?;
    let deadline = state.window.as_ref().and_then(|window| window.deadline);
    let closed_at = state.answering.as_ref().map(|answering| answering.closed_at);
    Some(match (closed_at, deadline) {
        (Some(closed_at), _) => at.max(closed_at + ANSWER_TIME),
        (None, Some(deadline)) if deadline <= at + ANSWER_TIME => at.max(deadline + ANSWER_TIME),
        (None, _) => at,
    })
}

/// The event says that the person is silent; the SMS waits for the end of the owner's quiet hours.
fn remind(context: Context<'_>, draft: &mut Draft<'_>, spell: &mut Spell) {
    let now = draft.now;
    if silent_at(context, draft.state(), spell).is_none_or(|at| at > now) {
        return;
    }
    if !std::mem::replace(&mut spell.is_noticed, true) {
        draft.needs_attention(NeedsAttentionData::new(AttentionReason::PersonSilent));
    }
    let business = context.business;
    let owner = business.remind_to.as_ref().filter(|_| business.policy.reminds_by_sms() && context.may_write);
    let Some(owner) = owner.filter(|_| spell.reminder.is_none() && business.owner_may_be_texted(now)) else { return };
    let customer = draft.state().customer_phone.to_string();
    let body = texts::reminder(business, &customer, (now - spell.since).num_minutes());
    let id = draft.id("reminder");
    draft.message(NewMessage {
        recipient: Some(owner.clone()),
        ..NewMessage::ours(id, MessageKind::Reminder, body, now)
    });
    draft.effect(Effect::SendSms { message_id: id, responds_to: now });
    spell.reminder = Some(id);
}

/// From when the person who owns the conversation counts as silent.
fn silent_at(context: Context<'_>, state: &Conversation, spell: &Spell) -> Option<DateTime<Utc>> {
    let after = context.business.policy.remind_after()?;
    (state.ownership == Ownership::User).then(|| spell.since.max(person_at(state)) + after)
}

fn remind_at(
    context: Context<'_>,
    state: &Conversation,
    spell: &Spell,
    now: DateTime<Utc>,
    fires: bool,
) -> Option<DateTime<Utc>> {
    let silent_at = silent_at(context, state, spell)?;
    if !spell.is_noticed || silent_at > now {
        return (spell.reminder.is_none()).then_some(silent_at);
    }
    // Only the owner's quiet hours hold the SMS back; whatever else does, does so for good. If they have ended since, the
    // time for which it was noted stays.
    context.business.owner_quiet_until(now).or(spell.remind_at.filter(|_| !fires)).filter(|_| spell.reminder.is_none())
}

/// When the AI gets the conversation back from a silent person: only with something to answer, and not before the person
/// has had the time to answer that everybody has.
fn return_at(context: Context<'_>, state: &Conversation, spell: &Spell) -> Option<DateTime<Utc>> {
    let after = context.business.policy.return_to_ai_after?;
    let may_return = state.ownership == Ownership::User && state.window.is_some() && context.may_write;
    let person = person_at(state) + std::time::Duration::from(after);
    may_return.then(|| person.max(spell.since + context.policy.hold))
}

/// When the person who owns the conversation last did something in it.
fn person_at(state: &Conversation) -> DateTime<Utc> {
    state.memory.person_at.or(state.user_takeover_at).unwrap_or(state.last_activity)
}

/// A person has done something in the conversation.
pub(super) fn person_acted(draft: &mut Draft<'_>) {
    let now = draft.now;
    draft.state().memory.person_at = Some(now);
}
