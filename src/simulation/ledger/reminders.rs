//! Nobody is forgotten, and nobody is told twice: what is done while a customer waits.

use chrono::{DateTime, TimeDelta, Utc};

use super::Ledger;
use crate::domain::conversation::{Decision, Effect, EventData, MessageKind, Ownership};
use crate::simulation::CLOCKS_MS;
use crate::simulation::store::Tables;

/// What was done since the customer waits.
#[derive(Default)]
pub(super) struct Reminded {
    minutes: u32,
    reminders: u32,
}

/// Two processes may have clocks that are wrong in opposite directions.
const CLOCKS: TimeDelta = TimeDelta::milliseconds(2 * CLOCKS_MS as i64);

impl Ledger {
    /// Each time without an answer is announced once, in order, and the owner is reminded once.
    pub(super) fn nobody_is_forgotten(&mut self, db: &Tables, decision: &Decision, now: DateTime<Utc>) {
        let after = &decision.conversation;
        let before = db.conversation(after.id);
        let is_new =
            before.and_then(|before| before.waiting_since).is_none_or(|since| Some(since) < after.waiting_since);
        let reminded = self.reminded.entry(after.id).or_default();
        if is_new {
            *reminded = Reminded::default();
        }
        let mut broken = None;
        for data in decision.effects.iter().filter_map(|effect| match effect {
            Effect::Emit(event) => Some(&event.data),
            _ => None,
        }) {
            match data {
                EventData::Waiting(data) => {
                    let is_true = Some(data.since) == after.waiting_since
                        && now >= data.since + TimeDelta::minutes(i64::from(data.minutes));
                    if data.minutes <= reminded.minutes || !is_true {
                        broken = Some(format!("{} waits for {} minutes, and did before", after.id, data.minutes));
                    }
                    reminded.minutes = data.minutes;
                }
                EventData::Released(data) if data.by == "timer" => {
                    self.returns += 1;
                    self.silenced.remove(&after.id);
                    let is_armed = after.window.as_ref().is_some_and(|window| window.deadline.is_some());
                    let acted = before.and_then(|before| before.memory.person_at);
                    let is_silent = acted.is_some_and(|at| now + CLOCKS >= at + TimeDelta::minutes(5));
                    if !is_armed || !is_silent || after.ownership != Ownership::Ai {
                        broken = Some(format!("{} went back to the AI, armed: {is_armed}, at {now}", after.id));
                    }
                }
                _ => {}
            }
        }
        let reminders = decision.messages.iter().filter(|message| message.kind == MessageKind::Reminder).count();
        self.reminders += reminders;
        reminded.reminders += u32::try_from(reminders).unwrap();
        let is_owned = before.is_some_and(|before| before.ownership == Ownership::User);
        let once = reminders == 0 || (reminded.reminders == 1 && is_owned);
        self.holds(once && broken.is_none(), || {
            broken.unwrap_or(format!("the owner of {} is reminded twice", after.id))
        });
    }
}
