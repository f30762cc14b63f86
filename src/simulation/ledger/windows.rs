//! The history of each window, from decision to decision: no customer may be left without an answer.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use uuid::Uuid;

use super::{CLOCK_SKEW, Ledger, SKEW_OF_EDGES};
use crate::adapters::jetstream::{Outgoing, subjects};
use crate::domain::conversation::{
    Decision, Effect, EventType, Ownership, Status, WindowReason, WindowRecord, WindowState,
};
use crate::domain::day_limits::{DayUse, Spending};
use crate::domain::phone::conversation_key;
use crate::simulation::jetstream::Streams;
use crate::simulation::policy;
use crate::simulation::scheduler::Group;
use crate::simulation::store::Tables;
use crate::simulation::world::at;
use crate::webhook::{Inbound, WebhookKind};

/// A window and its history.
pub(super) struct WindowHistory {
    pub(super) state: WindowState,
    pub(super) conversation_id: Uuid,
    /// The decision that claimed it.
    pub(super) claimed: u64,
    pub(super) emergency: bool,
    pub(super) exempt_at: DateTime<Utc>,
    /// The window that is answered in its place.
    pub(super) successor: Option<Uuid>,
    /// A person has it or was notified, or the customer wants no answer.
    pub(super) excused: bool,
    /// How many answers to it Twilio has accepted.
    pub(super) taken: u32,
}

/// The payload of a timer.
#[derive(Deserialize)]
struct TimerArmed {
    conversation_id: Uuid,
    due_at: DateTime<Utc>,
}

impl Ledger {
    /// A window that closes at its deadline must hold every text that had arrived before it.
    pub fn closes(
        &mut self,
        db: &Tables,
        streams: &Streams,
        kept: &[(String, Bytes, u64)],
        decision: &Decision,
        now: DateTime<Utc>,
    ) {
        let Some(before) = db.conversation(decision.conversation.id) else { return };
        let window = before.window.as_ref().and_then(|window| Some((window, window.deadline?)));
        let Some((window, deadline)) = window else { return };
        let closes = decision.windows.iter().any(|record| {
            record.id == window.id && record.state == WindowState::Claimed && record.reason == WindowReason::Deadline
        });
        if !closes || now + CLOCK_SKEW >= window.opened_at + policy().max {
            return;
        }
        let key = conversation_key(before.business_phone.as_str(), before.customer_phone.as_str());
        let subject = subjects::inbound(WebhookKind::Sms, &key);
        let skew = if self.clocks_are_set { CLOCK_SKEW } else { SKEW_OF_EDGES };
        let stored = streams.messages("NMC_INBOUND").iter();
        let stored = stored.map(|message| (&message.subject, &message.payload, message.at_ms));
        let arrived = stored.chain(kept.iter().map(|(subject, payload, at_ms)| (subject, payload, *at_ms)));
        for (of, payload, at_ms) in arrived {
            if *of == subject && at(at_ms) + skew < deadline {
                let text: Inbound = serde_json::from_slice(payload).unwrap();
                let missed = text.received_at <= deadline && !self.decided.contains_key(&text.input_id);
                self.holds(!missed, || format!("a window closed without {}, which had arrived", text.input_id));
            }
        }
    }

    /// A process begins to look for the texts on a subject that a window waits for.
    pub fn looks(&mut self, group: Group, subject: &str, now: DateTime<Utc>) {
        self.looks.insert((group, subject.to_owned()), now);
    }

    /// A timer is armed. A time that no decision asked for is a window's that waits for a text of its customer.
    pub fn arms(
        &mut self,
        db: &Tables,
        streams: &Streams,
        kept: &[(String, Bytes, u64)],
        group: Group,
        arm: &Outgoing,
    ) {
        let TimerArmed { conversation_id, due_at } = serde_json::from_slice(&arm.payload).unwrap();
        let Some(conversation) = db.conversation(conversation_id) else { return };
        if self.asked_for.contains(&(conversation_id, due_at)) {
            return;
        }
        let key = conversation_key(conversation.business_phone.as_str(), conversation.customer_phone.as_str());
        let subject = subjects::inbound(WebhookKind::Sms, &key);
        let since = self.looks.get(&(group, subject.clone())).copied();
        let was_missing = |payload: &Bytes| {
            let text: Inbound = serde_json::from_slice(payload).unwrap();
            db.decided_at(&text.input_id).is_none_or(|at| since.is_none_or(|since| since <= at))
        };
        let stored = streams.messages("NMC_INBOUND").iter().map(|message| (&message.subject, &message.payload));
        let mut arrived = stored.chain(kept.iter().map(|(subject, payload, _)| (subject, payload)));
        let waits_for_its_own = arrived.any(|(of, payload)| *of == subject && was_missing(payload));
        self.holds(waits_for_its_own, || {
            format!("a window of {conversation_id} waits, but no text of its customer is missing")
        });
    }

    /// A limit of the day is not exceeded, and told once.
    pub fn uses(&mut self, spending: &Spending, used: &DayUse) {
        self.holds(spending.fits(used), || format!("more than a limit of the day: {spending:?} after {used:?}"));
    }

    pub(super) fn windows_move(&mut self, decision: &Decision) {
        let conversation = &decision.conversation;
        let asked_for = [conversation.arm_at(), conversation.next_look(), conversation.memory.idle_at];
        self.asked_for.extend(asked_for.into_iter().flatten().map(|at| (conversation.id, at)));
        for record in &decision.windows {
            self.window_moves(decision, record);
        }
    }

    fn window_moves(&mut self, decision: &Decision, record: &WindowRecord) {
        let conversation = &decision.conversation;
        let decisions = self.decisions;
        let window = self.windows.entry(record.id).or_insert(WindowHistory {
            state: WindowState::Open,
            conversation_id: conversation.id,
            claimed: 0,
            emergency: false,
            exempt_at: record.opened_at + policy().max,
            successor: None,
            excused: false,
            taken: 0,
        });
        let person = conversation.ownership == Ownership::User || conversation.status == Status::Completed;
        let told = decision.effects.iter().any(|effect| {
            matches!(effect, Effect::Emit(event)
                if matches!(event.data.event_type(), EventType::NeedsAttention | EventType::OptedOut))
        });
        let talked = record.reason == WindowReason::AnsweredByCall;
        let excused = person || told || talked || conversation.opted_out;
        let was = std::mem::replace(&mut window.state, record.state);
        let mut fault = None;
        match record.state {
            WindowState::Open => {}
            WindowState::Claimed => {
                window.claimed = decisions;
                window.emergency = record.reason == WindowReason::Emergency;
                // A released window counts from its release.
                window.exempt_at = record.opened_at + policy().max;
                fault = (was != WindowState::Open).then(|| format!("a window was claimed that was {was}"));
            }
            WindowState::Answered => {}
            WindowState::Superseded => {
                let had_its_answer = record.reason == WindowReason::SentAfterAll
                    && decision.windows.iter().any(|other| other.state == WindowState::Answered);
                let open = conversation.window.as_ref().map(|open| open.id);
                let answering = conversation.answering.as_ref().map(|answering| answering.window_id);
                window.successor = open.or(answering.filter(|answering| *answering != record.id));
                window.excused = excused || had_its_answer;
                fault = (window.successor.is_none() && !window.excused)
                    .then(|| format!("a window was superseded ({}), but nothing answers its texts", record.reason));
            }
            WindowState::HandedOver | WindowState::Unknown => {
                window.excused = true;
                fault = (!excused).then(|| format!("handed over ({}), but no person was notified", record.reason));
            }
        }
        if let Some(fault) = fault {
            self.breach(|| fault);
        }
    }

    /// Whether a window's texts were answered, by it or by the window in its place, or a person has them.
    pub(super) fn was_not_left_in_silence(&self, id: Uuid, owned: impl Fn(Uuid) -> bool) -> Result<(), String> {
        let mut last = (id, &self.windows[&id]);
        while let (WindowState::Superseded, Some(successor)) = (last.1.state, last.1.successor) {
            let next = self.windows.get(&successor).ok_or("a window was superseded by one that has no record")?;
            last = (successor, next);
        }
        let settled = match last.1.state {
            WindowState::Answered | WindowState::HandedOver | WindowState::Unknown => true,
            WindowState::Superseded => last.1.excused,
            WindowState::Open => owned(last.1.conversation_id),
            WindowState::Claimed => false,
        };
        if settled { Ok(()) } else { Err(format!("window {id} has no answer: it ends {} as {}", last.1.state, last.0)) }
    }
}
