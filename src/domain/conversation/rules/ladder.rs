//! The ladder of calls: in an emergency the phones of the business are called one after the other, the owner's first, until
//! a person takes it. Every phone is called in each of two rounds.
//!
//! A step is an [`Effect::Ring`]. It is over when it is reported on; if no report comes, the timer ends it. The phone's
//! answer comes as a report, too: `1` takes the emergency, `2` passes it on.

use chrono::TimeDelta;
use uuid::Uuid;

use super::{alert_taken, alerts, texts};
use crate::domain::conversation::decision::{Draft, Effect};
use crate::domain::conversation::event::{EmergencyCallData, EmergencyUnansweredData, EventData};
use crate::domain::conversation::input::{Context, RingReport, TakenVia};
use crate::domain::conversation::state::{Ladder, Ownership, Rung};
use crate::domain::phone::PhoneNumber;

/// How often each phone is called.
const ROUNDS: usize = 2;
/// A step that is not placed by then is over, whatever became of its task. The task gives up before.
const NEVER_PLACED: TimeDelta = TimeDelta::minutes(35);
/// A call that Twilio has accepted is over by then: it rings for 25 s, and what is said takes less than a minute.
const NEVER_REPORTED: TimeDelta = TimeDelta::minutes(2);
/// How many characters of the customer's text are said.
const SAID_CHARS: usize = 200;
/// How many calls of an emergency a digit may come from.
const MOST_RUNGS: usize = 32;

/// Starts the calls of an emergency, if the business wants them and people are alerted. If calls are under way for it, a new
/// danger makes them go on for two further rounds.
pub(super) fn begin(context: Context<'_>, draft: &mut Draft<'_>, said: Option<&str>, is_new: bool) {
    let now = draft.now;
    if is_new {
        // Who is being called answers for the new one.
        let memory = &mut draft.state().memory;
        let current = memory.ladder.as_ref().and_then(|ladder| ladder.call);
        memory.rungs.retain(|rung| Some(rung.call_id) == current);
    }
    let is_alerted = draft.state().memory.alerted.iter().any(|alerted| alerted.at == now);
    if !context.business.policy.voice_ladder() || !is_alerted {
        return;
    }
    let numbers = &context.business.alert_numbers;
    // While a person owns the conversation, only the owner is alerted.
    let phones = if draft.state().ownership == Ownership::User { &numbers[..1.min(numbers.len())] } else { numbers };
    let about_life = !draft.state().memory.dangers.is_empty();
    let quoted = said.map(|said| said.chars().take(SAID_CHARS).collect::<String>());
    let words = texts::said_in_call(context.business, &draft.state().customer_phone, quoted.as_deref());
    let left = ROUNDS * phones.len();
    if let Some(ladder) = draft.state().memory.ladder.as_mut() {
        (ladder.left, ladder.words, ladder.about_life) = (left, words, about_life);
        ladder.phones = phones.to_vec();
        return;
    }
    let ladder = Ladder { phones: phones.to_vec(), next: 0, left, call: None, at: now, words, about_life };
    draft.state().memory.ladder = Some(ladder);
    ring_next(context, draft);
}

/// Calls the next phone, or says that nobody has taken the emergency.
fn ring_next(context: Context<'_>, draft: &mut Draft<'_>) {
    let now = draft.now;
    let Some(mut ladder) = draft.state().memory.ladder.take() else { return };
    ladder.call = None;
    while ladder.left > 0 {
        let place = ladder.next % ladder.phones.len();
        let phone = ladder.phones[place].clone();
        ladder.next += 1;
        ladder.left -= 1;
        // It may have been removed from the business meanwhile.
        if !context.business.alert_numbers.contains(&phone) {
            continue;
        }
        let call_id = draft.id("ring");
        ladder.call = Some(call_id);
        ladder.at = now + NEVER_PLACED;
        let about_life = ladder.about_life;
        let is_owner = context.business.alert_numbers.first() == Some(&phone);
        draft.state().memory.ladder = Some(ladder);
        remember(draft, Rung { call_id, phone: phone.clone(), is_placed: false });
        // Who is called may answer by SMS, too.
        alert_taken::alerted(draft, &phone, call_id);
        draft.effect(Effect::Ring { call_id, phone, is_owner, about_life, since: now });
        return draft.rearm();
    }
    let calls = draft.state().memory.rungs.iter().filter(|rung| rung.is_placed).count();
    draft.emit(EventData::EmergencyUnanswered(EmergencyUnansweredData {
        calls: u32::try_from(calls).unwrap_or_default(),
    }));
    draft.rearm();
}

fn remember(draft: &mut Draft<'_>, rung: Rung) {
    let rungs = &mut draft.state().memory.rungs;
    rungs.push(rung);
    let surplus = rungs.len().saturating_sub(MOST_RUNGS);
    rungs.drain(..surplus);
}

/// The timer fired: a step that is due without a report is over.
pub(super) fn look(context: Context<'_>, draft: &mut Draft<'_>) {
    let now = draft.now;
    let due = draft.state().memory.ladder.as_ref().filter(|ladder| ladder.at <= now).and_then(|ladder| ladder.call);
    if let Some(call_id) = due {
        over(context, draft, call_id, "not_reported");
    }
}

/// Something became known about a call: whether it was placed, what the phone answered, how it ended.
pub(in crate::domain::conversation) fn reported(
    context: Context<'_>,
    draft: &mut Draft<'_>,
    call_id: Uuid,
    report: &RingReport,
) {
    let Some(rung) = draft.state().memory.rungs.iter().find(|rung| rung.call_id == call_id).cloned() else { return };
    let is_current = draft.state().memory.ladder.as_ref().is_some_and(|ladder| ladder.call == Some(call_id));
    match report {
        RingReport::Placed { .. } if rung.is_placed => {}
        RingReport::Placed { call_sid } => {
            let now = draft.now;
            let rungs = &mut draft.state().memory.rungs;
            rungs.iter_mut().filter(|rung| rung.call_id == call_id).for_each(|rung| rung.is_placed = true);
            alert_taken::alert_accepted(draft, call_id);
            alerts::with_the_call(context, draft, &rung.phone);
            if is_current && let Some(ladder) = draft.state().memory.ladder.as_mut() {
                ladder.at = now + NEVER_REPORTED;
                draft.rearm();
            }
            let call_sid = Some(call_sid.clone());
            emit(context, draft, EmergencyCallData { call_sid, ..data(call_id, None) }, &rung.phone);
        }
        // Of any call of this emergency.
        RingReport::Took { at } => alert_taken::taken(context, draft, &rung.phone, TakenVia::Call, *at),
        RingReport::Passed if is_current => over(context, draft, call_id, "passed"),
        RingReport::Ended { status } if is_current => over(context, draft, call_id, status),
        RingReport::NotPlaced { reason } if is_current => over(context, draft, call_id, reason),
        RingReport::Passed | RingReport::Ended { .. } | RingReport::NotPlaced { .. } => {}
    }
}

/// A step is over, and nobody has taken the emergency.
fn over(context: Context<'_>, draft: &mut Draft<'_>, call_id: Uuid, outcome: &str) {
    let rung = draft.state().memory.rungs.iter().find(|rung| rung.call_id == call_id).cloned();
    if let Some(rung) = rung {
        emit(context, draft, data(call_id, Some(outcome.to_owned())), &rung.phone);
    }
    ring_next(context, draft);
}

fn data(call_id: Uuid, outcome: Option<String>) -> EmergencyCallData {
    EmergencyCallData { call_id, call_sid: None, to: String::new(), outcome }
}

fn emit(context: Context<'_>, draft: &mut Draft<'_>, data: EmergencyCallData, phone: &PhoneNumber) {
    let to = alert_taken::user_of(context, phone);
    draft.emit(EventData::EmergencyCall(EmergencyCallData { to, ..data }));
}
