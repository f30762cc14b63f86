//! The refusals of a batch whose conversations can be written: twin of `src/adapters/postgres/commit/records.rs`.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Refused;
use crate::domain::call::Call;
use crate::domain::conversation::{CodeChange, MessageStatus, MessageUpdate, NewMessage, Pairing};
use crate::domain::day_limits::too_much;
use crate::simulation::planted::Planted;
use crate::simulation::store::{MessageRow, Tables};
use crate::simulation::world::State;
use crate::store::{Commit, Committed, StoreError};

/// The refusals because of messages and calls, and what a batch would have changed in them by then.
pub(super) fn refused(
    state: &mut State,
    batch: &[Commit<'_>],
    left: &[usize],
    now: DateTime<Utc>,
) -> Result<Refused, StoreError> {
    let decisions = || left.iter().filter_map(|place| Some((*place, batch[*place].decision?)));
    let mut changed = Changed { db: &state.db, statuses: BTreeMap::new(), sids: BTreeMap::new() };
    let mut missed = BTreeSet::new();
    for update in decisions().flat_map(|(_, decision)| &decision.message_updates) {
        if !changed.update(update)? && update.expected.is_some() {
            missed.insert(update.id);
        }
    }
    let mut refused = Vec::new();
    for (place, decision) in decisions() {
        let mut is_new = true;
        for message in &decision.messages {
            is_new &= changed.insert(message);
            if is_new && state.db.message(message.id).is_some() {
                let twice = format!("{} was written twice: messages_pkey", batch[place].input_id);
                state.ledger.breach(|| twice);
                return Err(StoreError::Conflict("messages_pkey".into()));
            }
        }
        if !is_new {
            let outbox_keys = vec![decision.conversation.id];
            refused.push((place, Committed::Seen { outbox_keys, same_body: false }));
        } else if decision.message_updates.iter().any(|update| missed.contains(&update.id))
            || decision.paired.as_ref().is_some_and(|pairing| !may_be_paired(&state.db, pairing))
        {
            refused.push((place, Committed::Conflict));
        }
    }
    let mut written = BTreeSet::new();
    for (place, call) in left.iter().filter_map(|place| Some((*place, batch[*place].call?))) {
        if !call_passes(&state.db, call) || !written.insert(call.id) {
            refused.push((place, Committed::CallConflict));
        }
    }
    let mut given = BTreeSet::new();
    for (place, decision) in decisions() {
        let Some(CodeChange::Taken(code)) = decision.code else { continue };
        let business_id = &decision.conversation.business_id;
        if !state.db.is_free(business_id, code, now) || !given.insert((business_id, code)) {
            refused.push((place, Committed::Conflict));
        }
    }
    if refused.is_empty() && state.planted != Planted::DayNotChecked {
        let spending =
            decisions().map(|(place, d)| (place, (d.conversation.business_id.clone(), batch[place].day), &d.spending));
        let used = state.db.day_use.iter().map(|(day, used)| (day.clone(), *used)).collect();
        refused.extend(too_much(spending, used).into_iter().map(|place| (place, Committed::Conflict)));
    }
    Ok(refused)
}

/// The messages as a transaction sees them, with its own changes.
struct Changed<'a> {
    db: &'a Tables,
    statuses: BTreeMap<Uuid, MessageStatus>,
    sids: BTreeMap<&'a str, Uuid>,
}

impl<'a> Changed<'a> {
    fn is_taken(&self, sid: &str, by_other_than: Uuid) -> bool {
        let of_other =
            |row: &MessageRow| row.message.id != by_other_than && row.message.twilio_sid.as_deref() == Some(sid);
        self.sids.get(sid).is_some_and(|id| *id != by_other_than) || self.db.messages.iter().any(of_other)
    }

    /// Updates a message; `false` if it has another status. A Twilio id that another message has is an error: its outcome is
    /// found out again.
    fn update(&mut self, update: &'a MessageUpdate) -> Result<bool, StoreError> {
        let changed = self.statuses.get(&update.id).copied();
        let status = changed.or_else(|| self.db.message(update.id).map(|row| row.message.status));
        if status != Some(update.expected.unwrap_or(MessageStatus::Queued)) {
            return Ok(false);
        }
        if let Some(sid) = update.twilio_sid.as_deref() {
            if self.is_taken(sid, update.id) {
                return Err(StoreError::Conflict("messages_twilio_sid_key".into()));
            }
            self.sids.insert(sid, update.id);
        }
        self.statuses.insert(update.id, update.status);
        Ok(true)
    }

    /// Inserts a message; `false` if its Twilio id is recorded.
    fn insert(&mut self, message: &'a NewMessage) -> bool {
        let Some(sid) = message.twilio_sid.as_deref() else { return true };
        let is_known = self.sids.contains_key(sid)
            || self.db.messages.iter().any(|row| row.message.twilio_sid.as_deref() == Some(sid));
        self.sids.entry(sid).or_insert(message.id);
        !is_known
    }
}

/// Whether neither the text nor the message is paired.
fn may_be_paired(db: &Tables, Pairing { message_id, twilio_sid, .. }: &Pairing) -> bool {
    db.message(*message_id).is_some_and(|row| row.message.kind.is_inbound())
        && !db.messages.iter().any(|row| row.message.twilio_sid.as_ref() == Some(twilio_sid))
        && !db.paired_texts.iter().any(|(sid, id)| sid == twilio_sid || id == message_id)
}

fn call_passes(db: &Tables, new: &Call) -> bool {
    match db.calls.iter().find(|call| call.call_sid == new.call_sid) {
        Some(row) => new.version != 0 && row.version == new.version,
        None => new.version == 0,
    }
}
