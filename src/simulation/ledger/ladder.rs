//! Calls in an emergency: while nobody has taken it, each step happens; once somebody has, no further call is claimed.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::Ledger;
use crate::domain::conversation::{Decision, Effect, EventType, Status};
use crate::store::RingTurn;

/// What is known of the calls.
#[derive(Default)]
pub(super) struct Calls {
    /// The steps that were decided on, by their conversations.
    steps: BTreeMap<Uuid, Uuid>,
    /// Steps of which Twilio was asked for a call, or that cannot be carried out.
    tried: BTreeSet<Uuid>,
    /// Steps of emergencies that somebody took.
    excused: BTreeSet<Uuid>,
    /// Conversations whose emergency somebody has in hand, and those of which that was true at any time.
    in_hand: BTreeSet<Uuid>,
    ever_in_hand: BTreeSet<Uuid>,
    /// Conversations whose emergency nobody took in two rounds.
    unanswered: BTreeSet<Uuid>,
}

impl Ledger {
    /// Whose emergency begins, or is in somebody's hands from now on.
    pub(super) fn hears_of_calls(&mut self, decision: &Decision) {
        let id = decision.conversation.id;
        let emits = |event_type: EventType| {
            decision.effects.iter().any(|e| matches!(e, Effect::Emit(event) if event.data.event_type() == event_type))
        };
        let calls = &mut self.calls;
        // Who owned it before and acts now has it, without an event.
        if emits(EventType::UserTaken)
            || decision.conversation.memory.emergency_taken.is_some()
            || decision.false_alarm.is_some()
            || decision.conversation.status == Status::Completed
        {
            calls.in_hand.insert(id);
            calls.ever_in_hand.insert(id);
            let theirs = calls.steps.iter().filter(|(_, conversation)| **conversation == id);
            calls.excused.extend(theirs.map(|(call_id, _)| *call_id));
        }
        if emits(EventType::EmergencyDetected) {
            calls.in_hand.remove(&id);
            calls.unanswered.remove(&id);
        }
        if emits(EventType::EmergencyUnanswered) {
            calls.unanswered.insert(id);
        }
        for effect in &decision.effects {
            if let Effect::Ring { call_id, .. } = effect {
                self.calls.steps.insert(*call_id, id);
                let is_in_hand = self.calls.in_hand.contains(&id);
                self.holds(!is_in_hand, || {
                    format!("the call {call_id} is decided on after somebody took the emergency")
                });
            }
        }
    }

    /// A call is about to be placed, or something else became of it.
    pub fn ring_turn(&mut self, call_id: Uuid, conversation_id: Uuid, turn: &RingTurn) {
        match turn {
            RingTurn::Ours { .. } => {
                let is_in_hand = self.calls.in_hand.contains(&conversation_id);
                self.holds(!is_in_hand, || format!("the call {call_id} is placed after somebody took the emergency"));
            }
            RingTurn::Refused(_) => drop(self.calls.tried.insert(call_id)),
            RingTurn::Placed { .. } | RingTurn::Taken | RingTurn::Wait(_) | RingTurn::Stale => {}
        }
    }

    /// Twilio has accepted a call, or refused it.
    pub fn was_asked_to_call(&mut self, call_id: Uuid) {
        self.calls.tried.insert(call_id);
    }

    /// Whether somebody has had an emergency of the conversation in hand.
    pub(super) fn was_taken(&self, conversation_id: Uuid) -> bool {
        self.calls.ever_in_hand.contains(&conversation_id)
    }

    pub(super) fn every_step_was_taken(&self) -> Result<(), String> {
        let calls = &self.calls;
        // What somebody took is over; another emergency of the same customer need not bring calls.
        for (call_id, conversation) in calls.steps.iter().filter(|(call_id, _)| !calls.excused.contains(call_id)) {
            if !calls.tried.contains(call_id) {
                return Err(format!("the step {call_id} of the ladder was lost"));
            }
            if !calls.in_hand.contains(conversation) && !calls.unanswered.contains(conversation) {
                return Err(format!("nobody took the emergency of {conversation}, and nobody was told"));
            }
        }
        Ok(())
    }
}
