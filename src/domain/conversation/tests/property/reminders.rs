//! Nobody is forgotten: what is said and done while a customer waits, checked by the time and by what people did.

use super::guarantees::Broken;
use super::world::World;
use super::*;

/// What was done about a customer, since they wait.
#[derive(Default)]
pub struct Reminded {
    since: Option<DateTime<Utc>>,
    /// The newest time that was announced.
    minutes: u32,
    is_noticed: bool,
    is_reminded: bool,
    /// When a person last did something.
    acted_at: Option<DateTime<Utc>>,
}

/// Whether the AI gets the conversation back from a silent person.
pub fn returns(decision: &Decision) -> bool {
    emitted(decision).any(|data| matches!(data, EventData::Released(data) if data.by == RELEASED_BY_TIMER))
}

fn emitted(decision: &Decision) -> impl Iterator<Item = &EventData> {
    decision.effects.iter().filter_map(|effect| match effect {
        Effect::Emit(event) => Some(&event.data),
        _ => None,
    })
}

fn holds(condition: bool, otherwise: &str) -> Result<(), Broken> {
    if condition { Ok(()) } else { Err(otherwise.to_owned()) }
}

impl World<'_> {
    /// Checks it after a decision.
    pub fn nobody_is_forgotten(&mut self, at: usize, input: &Input, decision: &Decision) -> Result<(), Broken> {
        let (now, stepped, business) = (self.now(), self.stepped, &self.settings.business);
        let state = &decision.conversation;
        let record = &mut self.records[at].reminded;
        // A command that changes nothing is no act.
        let is_act = match input {
            Input::UserTookOver { .. } | Input::AlertTaken { .. } | Input::RingReported { .. } => {
                emitted(decision).any(|data| matches!(data, EventData::UserTaken(_)))
            }
            Input::UserReplied { .. } => decision.messages.iter().any(|message| message.kind == MessageKind::User),
            Input::FalseAlarm { .. } => decision.false_alarm.is_some(),
            _ => false,
        };
        let silent_for = record.acted_at.map(|at| now - at);
        if is_act {
            record.acted_at = Some(now);
        }
        if record.since.is_none() || state.waiting_since > record.since {
            *record = Reminded { acted_at: record.acted_at, ..Reminded::default() };
        }
        record.since = state.waiting_since;
        let waited = state.waiting_since.map(|since| now - since).unwrap_or_default();
        for data in emitted(decision) {
            match data {
                EventData::Waiting(data) => {
                    let minutes = TimeDelta::minutes(i64::from(data.minutes));
                    holds(waited >= minutes, "a time is announced before it has passed")?;
                    holds(data.minutes > record.minutes, "a time is announced twice, or too late")?;
                    record.minutes = data.minutes;
                }
                EventData::NeedsAttention(data) if data.reason == AttentionReason::PersonSilent => {
                    holds(!record.is_noticed, "two notices of a silent person")?;
                    record.is_noticed = true;
                }
                _ => {}
            }
        }
        for reminder in decision.messages.iter().filter(|message| message.kind == MessageKind::Reminder) {
            holds(!record.is_reminded, "two reminders")?;
            holds(business.owner_may_be_texted(now), "a reminder in the owner's quiet hours")?;
            holds(reminder.recipient.as_ref() == business.alert_numbers.first(), "a reminder to somebody else")?;
            record.is_reminded = true;
        }
        if returns(decision) {
            let after = business.policy.return_to_ai_after.map(Duration::from).unwrap_or(Duration::MAX);
            let is_armed = state.window.as_ref().is_some_and(|window| window.deadline.is_some());
            holds(is_armed, "the AI gets a conversation back in which no window is armed")?;
            let is_silent = silent_for.and_then(|time| time.to_std().ok()).is_some_and(|time| time >= after);
            holds(stepped || is_silent, "a conversation is taken from a person who is not silent")?;
        }
        // Whatever is noted for later is still to come.
        let spell = state.memory.spell;
        let overdue = spell.and_then(|spell| spell.step_at).is_some_and(|at| at <= now);
        let unreminded = spell.and_then(|spell| spell.remind_at).is_some_and(|at| at <= now);
        let fires = matches!(input, Input::WindowDue { .. });
        holds(!fires || (!overdue && !unreminded), "something was due and was not done")
    }

    /// At the end nobody has waited for long without a word.
    pub fn all_were_told_of(&self) -> Result<(), Broken> {
        for (state, record) in self.conversations.iter().zip(&self.records) {
            let is_open = state.status != Status::Completed;
            let waits = is_open && state.waiting_since.is_some();
            let is_done = record.reminded.minutes == 30 && state.next_look().is_none();
            holds(!waits || is_done, "a customer waits, and nobody was told for how long")?;
            let is_with_a_person = waits && state.ownership == Ownership::User;
            holds(!is_with_a_person || record.reminded.is_noticed, "a customer waits for a silent person")?;
        }
        Ok(())
    }
}
