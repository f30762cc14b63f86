//! Sending: twins of the statements in `src/adapters/postgres/` (`claims.rs`, `slots.rs`, `sending.rs`), condition by
//! condition.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{MessageRow, ParticipantRow, SimStore, Tables};
use crate::domain::alert_pace::{AlertTurn, Paced, bundle};
use crate::domain::conversation::{Fenced, MessageStatus, Priority, Standing};
use crate::domain::phone::PhoneNumber;
use crate::simulation::planted::Planted;
use crate::store::{Claim, Claimed, DueMessage, Participant, SendingAccount, StoreError};
use crate::worker::send::OutboundStore;

/// Messages whose last attempt is older than this are no twins of others.
const TWINS_WITHIN: TimeDelta = TimeDelta::hours(1);

/// The condition of `Store::claim`; `None` if there is no conversation.
fn passes(db: &Tables, row: &MessageRow, with_main: bool, now: DateTime<Utc>) -> Option<bool> {
    let conversation = db.conversation(row.message.conversation_id)?;
    let standing = Standing {
        opted_out: conversation.opted_out || db.is_opted_out(conversation),
        never_text: db.is_never_texted(conversation),
        has_number: db.has_number(&conversation.business_id, &conversation.business_phone),
        is_under_wrong_account: with_main && conversation.own_account.is_some(),
        ..Standing::of(conversation)
    };
    let message = Fenced {
        is_to_customer: row.recipient.is_none(),
        fence: row.fence,
        in_reply_to_window: row.message.in_reply_to_window,
    };
    Some(standing.lets_pass(&message, now))
}

fn priority(db: &Tables, row: &MessageRow) -> Priority {
    let emergency = db.conversation(row.message.conversation_id).is_some_and(|c| c.emergency_detected);
    row.message.kind.priority(emergency)
}

fn cost_of(cost: Duration) -> TimeDelta {
    TimeDelta::from_std(cost).unwrap()
}

/// The sender's next free time, which is then moved on.
fn next_free(db: &mut Tables, sender: &PhoneNumber, cost: Duration, now: DateTime<Utc>) -> DateTime<Utc> {
    let at = db.slots.get(sender).copied().map_or(now, |free| free.max(now));
    db.slots.insert(sender.clone(), at + cost_of(cost));
    at
}

fn due(db: &Tables, id: Uuid, now: DateTime<Utc>) -> Option<DueMessage> {
    let row = db.message(id)?;
    let conversation = db.conversation(row.message.conversation_id)?;
    let lease_left = row.lease_until.and_then(|until| (until - now).to_std().ok()).unwrap_or_default();
    Some(DueMessage {
        message: row.message.clone(),
        to: row.recipient.clone().unwrap_or_else(|| conversation.customer_phone.clone()),
        business_phone: conversation.business_phone.clone(),
        business_id: conversation.business_id.clone(),
        not_before: row.not_before,
        may_be_bundled: row.bundle_line.is_some() || row.pace.is_some(),
        send_at: row.send_at,
        attempts: row.attempts,
        attempted_at: row.attempted_at,
        attempt_age: row.attempted_at.map(|at| (now - at).to_std().unwrap_or_default()),
        priority: priority(db, row),
        lease_left,
        account_sid: row.account_sid.clone(),
        twilio_conversation: row.twilio_conversation.clone(),
        absent_reads: row.absent_reads,
    })
}

fn alert_turn(db: &mut Tables, id: Uuid, collects: Duration, now: DateTime<Utc>) -> AlertTurn {
    let Some(row) = db.message(id).filter(|row| row.message.status == MessageStatus::Queued) else {
        return AlertTurn::Alone;
    };
    let (Some(recipient), Some(conversation)) = (&row.recipient, db.conversation(row.message.conversation_id)) else {
        return AlertTurn::Alone;
    };
    let phone = (conversation.business_id.clone(), recipient.clone());
    match (row.pace, row.not_before) {
        (Some(Paced::Held), Some(at)) if now < at => AlertTurn::Held(at),
        (Some(Paced::Held), _) => gather(db, id, &phone, now),
        (Some(Paced::Alone), _) => AlertTurn::Alone,
        (None, _) => {
            let held_until = db.alert_pace.entry(phone).or_default().next(now, collects);
            let row = db.message_mut(id).unwrap();
            row.pace = Some(if held_until.is_some() { Paced::Held } else { Paced::Alone });
            row.not_before = held_until.or(row.not_before);
            held_until.map_or(AlertTurn::Alone, AlertTurn::Held)
        }
    }
}

fn gather(db: &mut Tables, carrier: Uuid, phone: &(String, PhoneNumber), now: DateTime<Utc>) -> AlertTurn {
    let is_carrier = |id: Uuid| db.messages.iter().any(|row| row.bundled_into == Some(id));
    let is_theirs = |row: &MessageRow| {
        let business = db.conversation(row.message.conversation_id).map(|c| &c.business_id);
        business == Some(&phone.0) && row.recipient.as_ref() == Some(&phone.1)
    };
    let is_free = |row: &MessageRow| {
        let is_held = row.message.status == MessageStatus::Queued && row.pace == Some(Paced::Held);
        let is_due = row.not_before <= Some(now) && !is_carrier(row.message.id);
        is_held && is_theirs(row) && (row.message.id == carrier || is_due)
    };
    let mut held: Vec<&MessageRow> =
        db.messages.iter().filter(|row| row.bundled_into == Some(carrier) || is_free(row)).collect();
    held.sort_by_key(|row| {
        let message = &row.message;
        (message.id != carrier, row.bundled_into.is_none(), message.created_at, message.id)
    });
    let (text, members) = match &held[..] {
        [only] => (only.message.body.clone(), Vec::new()),
        _ => {
            let (text, taken) = bundle(held.iter().map(|row| row.bundle_line.as_deref()));
            let members = held[..taken].iter().map(|row| row.message.id);
            (text, members.filter(|id| *id != carrier).collect())
        }
    };
    for id in members {
        let row = db.message_mut(id).unwrap();
        if row.bundled_into.is_none() {
            row.message.status = MessageStatus::Superseded;
            row.bundled_into = Some(carrier);
        }
    }
    db.message_mut(carrier).unwrap().message.body.clone_from(&text);
    db.alert_pace.entry(phone.clone()).or_default().bundled(now);
    AlertTurn::Bundle(text)
}

impl OutboundStore for SimStore {
    async fn due_message(&self, id: Uuid) -> Result<Option<DueMessage>, StoreError> {
        self.ask("read due message", |state, now| {
            let due = due(&state.db, id, now)?;
            let not_before = due.not_before.filter(|_| state.planted != Planted::NightForgotten);
            Some(DueMessage { not_before, ..due })
        })
        .await
    }

    async fn alert_turn(
        &self,
        message_id: Uuid,
        collects: Duration,
        now: DateTime<Utc>,
    ) -> Result<AlertTurn, StoreError> {
        self.ask("alert turn", |state, _| alert_turn(&mut state.db, message_id, collects, now)).await
    }

    async fn reserve_slot(
        &self,
        message_id: Uuid,
        sender: &PhoneNumber,
        cost: Duration,
    ) -> Result<DateTime<Utc>, StoreError> {
        self.ask("reserve slot", |state, now| {
            let at = next_free(&mut state.db, sender, cost, now);
            if let Some(row) = state.db.message_mut(message_id) {
                row.send_at = Some(at);
            }
            at
        })
        .await
    }

    async fn reserve_slot_ahead(
        &self,
        message_id: Uuid,
        sender: &PhoneNumber,
        cost: Duration,
    ) -> Result<DateTime<Utc>, StoreError> {
        self.ask("reserve slot ahead", |state, now| {
            let db = &mut state.db;
            let last = next_free(db, sender, cost, now);
            let waits = |row: &MessageRow| {
                let from_here =
                    db.conversation(row.message.conversation_id).is_some_and(|c| c.business_phone == *sender);
                from_here
                    && row.message.status == MessageStatus::Queued
                    && row.send_at > Some(now)
                    && priority(db, row) == Priority::Normal
            };
            let waiting: Vec<usize> = (0..db.messages.len()).filter(|at| waits(&db.messages[*at])).collect();
            let first = waiting.iter().filter_map(|at| db.messages[*at].send_at).min();
            for at in waiting {
                db.messages[at].send_at = db.messages[at].send_at.map(|send_at| send_at + cost_of(cost));
            }
            let at = first.map_or(last, |first| first.min(last));
            if let Some(row) = db.message_mut(message_id) {
                row.send_at = Some(at);
            }
            at
        })
        .await
    }

    async fn reserve_slot_behind(
        &self,
        message_id: Uuid,
        sender: &PhoneNumber,
        cost: Duration,
    ) -> Result<DateTime<Utc>, StoreError> {
        self.ask("reserve slot behind", |state, now| {
            if let Some(busy) = state.db.slots.get(sender).filter(|free| **free > now) {
                return *busy;
            }
            let at = next_free(&mut state.db, sender, cost, now);
            if let Some(row) = state.db.message_mut(message_id) {
                row.send_at = Some(at);
            }
            at
        })
        .await
    }

    async fn claim(
        &self,
        message_id: Uuid,
        account: SendingAccount<'_>,
        lease: Duration,
        now: DateTime<Utc>,
    ) -> Result<Claim, StoreError> {
        let (account_sid, is_main) = (account.sid.to_owned(), account.is_main);
        let conversation_sid = account.conversation_sid.map(str::to_owned);
        self.ask("claim", |state, db_now| {
            let Some(row) = state.db.message(message_id) else { return Claim::Taken };
            let Some(passes) = passes(&state.db, row, is_main, now) else { return Claim::Taken };
            let unfenced = state.planted == Planted::NoFenceOnResend && row.is_resent;
            if !unfenced && !passes {
                return Claim::Stale;
            }
            if row.message.status != MessageStatus::Queued {
                return Claim::Taken;
            }
            state.ledger.claimed(&state.db, row, db_now);
            let claim = state.weather.id();
            if let Some(row) = state.db.message_mut(message_id) {
                row.message.status = MessageStatus::Sending;
                row.claim = Some(claim);
                row.lease_until = Some(db_now + cost_of(lease));
                row.attempts += 1;
                row.attempted_at = Some(db_now);
                row.account_sid = Some(account_sid);
                row.twilio_conversation = conversation_sid;
                row.absent_reads = 0;
            }
            Claim::Ours(Claimed { claim })
        })
        .await
    }

    async fn release_claim(&self, message_id: Uuid, claimed: Claimed) -> Result<(), StoreError> {
        self.ask("release claim", |state, _| {
            let Some(row) = state.db.message_mut(message_id) else { return };
            if row.message.status == MessageStatus::Sending && row.claim == Some(claimed.claim) {
                row.message.status = MessageStatus::Queued;
                (row.claim, row.lease_until) = (None, None);
                row.attempts -= 1;
            }
        })
        .await
    }

    /// Only `/health` reads it, which is not simulated.
    async fn note_attempt(&self, _: Uuid) -> Result<(), StoreError> {
        Ok(())
    }

    async fn count_absent_read(&self, message_id: Uuid, attempts: i32) -> Result<i32, StoreError> {
        self.ask("count absent read", |state, _| {
            let Some(row) = state.db.message_mut(message_id) else { return 0 };
            if row.attempts != attempts || row.message.status != MessageStatus::Sending {
                return 0;
            }
            row.absent_reads += 1;
            row.absent_reads
        })
        .await
    }

    async fn queue_again(&self, message_id: Uuid, attempts: i32) -> Result<bool, StoreError> {
        self.ask("queue again", |state, _| {
            let Some(row) = state.db.message_mut(message_id) else { return false };
            if row.attempts != attempts || row.message.status != MessageStatus::Sending {
                return false;
            }
            row.message.status = MessageStatus::Queued;
            (row.claim, row.lease_until) = (None, None);
            row.is_resent = true;
            true
        })
        .await
    }

    async fn has_unknown_twin(&self, message_id: Uuid) -> Result<bool, StoreError> {
        self.ask("read twin", |state, now| {
            let to = |row: &MessageRow| {
                let conversation = state.db.conversation(row.message.conversation_id)?;
                let to = row.recipient.clone().unwrap_or_else(|| conversation.customer_phone.clone());
                Some((to, conversation.business_phone.clone()))
            };
            let Some(row) = state.db.message(message_id) else { return false };
            state.db.messages.iter().any(|twin| {
                twin.message.id != message_id
                    && matches!(twin.message.status, MessageStatus::Sending | MessageStatus::Unknown)
                    && twin.attempted_at > Some(now - TWINS_WITHIN)
                    && twin.message.body == row.message.body
                    && to(twin) == to(row)
            })
        })
        .await
    }

    async fn adopted(&self, sids: &[String]) -> Result<Vec<String>, StoreError> {
        self.ask("read adopted", |state, _| {
            let known =
                |sid: &&String| state.db.messages.iter().any(|row| row.message.twilio_sid.as_ref() == Some(*sid));
            sids.iter().filter(known).cloned().collect()
        })
        .await
    }

    async fn keep_participant(&self, participant: &Participant) -> Result<(), StoreError> {
        let participant = participant.clone();
        self.ask("keep participant", |state, _| {
            let key =
                |of: &Participant| (of.conversation_sid.clone(), of.business_phone.clone(), of.customer_phone.clone());
            let rows = &mut state.db.participants;
            let old = rows.iter().position(|row| key(&row.participant) == key(&participant));
            let known = old.and_then(|at| rows.swap_remove(at).participant.sid);
            let participant = Participant { sid: participant.sid.clone().or(known), ..participant };
            rows.push(ParticipantRow { participant, is_open: true });
        })
        .await
    }

    async fn twilio_conversation(
        &self,
        account_sid: &str,
        business_phone: &str,
        customer_phone: &str,
    ) -> Result<Option<String>, StoreError> {
        let of = (account_sid, business_phone, customer_phone);
        self.ask("read Twilio's conversation", |state, _| {
            let is_theirs = |row: &&ParticipantRow| {
                let Participant { account_sid, business_phone, customer_phone, .. } = &row.participant;
                row.is_open && (&**account_sid, &**business_phone, &**customer_phone) == of
            };
            // The newest is the last.
            let found = state.db.participants.iter().rev().find(is_theirs);
            found.map(|row| row.participant.conversation_sid.clone())
        })
        .await
    }

    async fn close_twilio_conversation(&self, account_sid: &str, conversation_sid: &str) -> Result<(), StoreError> {
        self.ask("close Twilio's conversation", |state, _| {
            for row in &mut state.db.participants {
                let of = &row.participant;
                row.is_open &= (&*of.account_sid, &*of.conversation_sid) != (account_sid, conversation_sid);
            }
        })
        .await
    }
}
