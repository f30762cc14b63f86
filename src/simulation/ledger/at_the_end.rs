//! What must hold when everything in progress has ended.

use std::collections::BTreeMap;

use super::Ledger;
use crate::domain::call::{CallStatus, SettledBy};
use crate::domain::conversation::{MessageKind, MessageStatus, Ownership, Status, WindowState};
use crate::simulation::jetstream::Streams;
use crate::simulation::store::{MessageRow, Tables};
use crate::simulation::twilio::Leg;
use crate::webhook::Webhook;

impl Ledger {
    /// Checks everything at the end of a run.
    pub fn close(&mut self, db: &Tables, streams: &Streams, legs: &BTreeMap<String, Leg>) {
        let found = [
            self.every_webhook_was_decided(db),
            every_call_was_settled(db, legs),
            self.nothing_was_put_aside(streams),
            self.every_message_has_come_to_its_end(db),
            self.nobody_was_left_in_silence(db),
            self.texts_are_in_order(db),
            self.the_newest_word_counts(db),
            self.every_event_was_told(db),
            self.every_step_was_taken(),
        ];
        for broken in found.into_iter().filter_map(Result::err) {
            self.breach(|| broken);
        }
    }

    fn every_webhook_was_decided(&self, db: &Tables) -> Result<(), String> {
        for (input_id, webhook) in &self.webhooks {
            let is_in = match webhook {
                // A text of the owner that was carried out under another body is a dead letter.
                Webhook::Sms { message_sid, .. } if message_sid.starts_with("SMowner") => {
                    // STOP and START are for no conversation, and change nothing after a newer one.
                    let opts = |webhook: &Webhook| matches!(webhook, Webhook::Sms { body, .. } if body == "STOP" || body == "START");
                    let of_owner = |id: &str| id.starts_with("sms:SMowner");
                    let is_overtaken =
                        || self.webhooks.iter().any(|(id, other)| of_owner(id) && opts(other) && db.is_decided(id));
                    db.owner_texts.contains_key(input_id)
                        || db.is_decided(input_id)
                        || (opts(webhook) && is_overtaken())
                }
                Webhook::Sms { message_sid, .. } => {
                    let kept = |row: &&MessageRow| row.message.twilio_sid.as_ref() == Some(message_sid);
                    db.messages.iter().filter(kept).count() + usize::from(db.is_paired(message_sid)) == 1
                }
                Webhook::Call { call_sid, .. } => db.calls.iter().any(|call| call.call_sid == *call_sid),
                Webhook::Screen { call_sid, .. } => {
                    db.calls.iter().any(|call| call.call_sid == *call_sid && call.accepted_at.is_some())
                }
                Webhook::CallStatus { call_sid, .. } => {
                    db.calls.iter().any(|call| call.call_sid == *call_sid && call.ended_at.is_some())
                }
                Webhook::MessageStatus { message_id, status, .. } => {
                    let row = message_id.and_then(|id| db.message(id));
                    row.is_some_and(|row| {
                        row.message.status.is_terminal()
                            || (status == "sent" && row.message.status == MessageStatus::Sent)
                    })
                }
                // What changes nothing any more is not in the inbox.
                Webhook::LadderDigit { conversation_id, digit, .. } if digit == "1" => {
                    db.is_decided(input_id) || self.was_taken(*conversation_id)
                }
                Webhook::LadderDigit { .. } | Webhook::LadderStatus { .. } => true,
                // Nobody sends one here.
                Webhook::Conversation { .. } => true,
            };
            if !is_in {
                return Err(format!("{input_id} was acknowledged but is lost"));
            }
        }
        Ok(())
    }

    /// Only webhooks with another body under a known id may become dead letters.
    fn nothing_was_put_aside(&self, streams: &Streams) -> Result<(), String> {
        let letters = streams.messages("NMC_DEAD");
        match letters.iter().find(|letter| letter.subject != "nmc.dead.other_body") {
            Some(letter) => Err(format!("a message became a dead letter: {}", letter.subject)),
            None if letters.len() > self.other_bodies => Err("a webhook was mistaken for a different one".to_owned()),
            None => Ok(()),
        }
    }

    fn every_message_has_come_to_its_end(&self, db: &Tables) -> Result<(), String> {
        for row in db.messages.iter().filter(|row| !row.message.kind.is_inbound()) {
            let (id, status) = (row.message.id, row.message.status);
            let taken = self.taken.get(&id).copied().unwrap_or_default();
            let fits = match status {
                MessageStatus::Queued | MessageStatus::Sending | MessageStatus::Received => false,
                MessageStatus::Sent | MessageStatus::Delivered | MessageStatus::Undelivered => taken == 1,
                MessageStatus::Failed | MessageStatus::Superseded => taken == 0,
                // Only after a second attempt, or if another message with the same text is indistinguishable from it.
                MessageStatus::Unknown => {
                    let alike = |other: &&MessageRow| {
                        other.message.body == row.message.body && other.message.id != id && other.attempts > 0
                    };
                    row.attempts >= 2 || db.messages.iter().any(|other| alike(&other))
                }
            };
            if !fits {
                return Err(format!("the {} {id} is {status}, but Twilio accepted it {taken} times", row.message.kind));
            }
        }
        Ok(())
    }

    fn nobody_was_left_in_silence(&self, db: &Tables) -> Result<(), String> {
        let owned = |id| {
            let conversation = db.conversation(id);
            conversation.is_some_and(|c| c.ownership == Ownership::User && c.status != Status::Completed)
        };
        for (id, window) in &self.windows {
            self.was_not_left_in_silence(*id, owned)?;
            if db.windows.get(id) != Some(&window.state) {
                return Err(format!("window {id} is {} in its last record, but not in the table", window.state));
            }
            if window.state == WindowState::Answered && window.taken != 1 {
                return Err(format!("window {id} is answered, but Twilio accepted {} answers to it", window.taken));
            }
        }
        for row in db.messages.iter().filter_map(|row| row.window_id) {
            if !self.windows.contains_key(&row) {
                return Err("a text is in a window that has no record".to_owned());
            }
        }
        Ok(())
    }

    fn texts_are_in_order(&self, db: &Tables) -> Result<(), String> {
        for row in db.messages.iter().filter(|row| row.message.kind == MessageKind::Customer) {
            let sid = row.message.twilio_sid.clone().unwrap_or_default();
            let text = (format!("sms:{sid}"), row.message.body.clone());
            let (at, earliest) = (row.message.created_at, self.stamps.get(&text).copied());
            let by_express = self.express.get(&text).is_some_and(|stamps| stamps.contains(&at));
            if earliest != Some(at) && !(by_express && Some(at) < earliest) {
                return Err(format!("{sid} has the timestamp {at}, but arrived at {earliest:?}"));
            }
        }
        Ok(())
    }

    fn every_event_was_told(&self, db: &Tables) -> Result<(), String> {
        let of_conversations = db.conversations.iter().map(|c| (c.id, c.event_sequence));
        let of_calls = db.calls.iter().map(|call| (call.id, call.event_sequence));
        for (scope, events) in of_conversations.chain(of_calls).filter(|(_, events)| *events > 0) {
            let streamed = self.streamed.get(&scope).copied().unwrap_or_default();
            let forwarded = self.forwarded.get(&scope.to_string()).copied().unwrap_or_default();
            if streamed != events || forwarded != events {
                return Err(format!("{scope} has {events} events, {streamed} in the stream, {forwarded} in Redis"));
            }
        }
        Ok(())
    }
}

/// Each call is what happened at the owner's phone, whichever reports came.
fn every_call_was_settled(db: &Tables, legs: &BTreeMap<String, Leg>) -> Result<(), String> {
    for call in &db.calls {
        let is_answered = legs.get(&call.call_sid).is_some_and(|leg| leg.is_answered);
        let expected = if is_answered { CallStatus::Answered } else { CallStatus::Missed };
        // The key was stored, the answer that connects the two was lost, and so was the result of the dialling: Twilio tells
        // only of a phone that answered (docs/adr/0036-a-screened-call-is-answered-by-a-key.md, Consequences).
        let may_differ = call.accepted_at.is_some() && call.settled_by == Some(SettledBy::Leg);
        if (call.status != expected && !may_differ) || call.settle_at.is_some() {
            return Err(format!("the call {} is {}, but was {expected}", call.call_sid, call.status));
        }
    }
    Ok(())
}
