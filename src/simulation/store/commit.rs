//! The one transaction: twin of `src/adapters/postgres/commit.rs`.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Effect, MessageRow, SimStore, Tables};
use crate::adapters::postgres::{Commit, Committed, Locks, Message, OutboxRow, SeenInput, StoreError, WaitingRow};
use crate::domain::call::Call;
use crate::domain::conversation::{
    Conversation, Decision, LedgerChange, MessageKind, MessageStatus, MessageUpdate, NewMessage, Status,
};
use crate::simulation::planted::Planted;
use crate::simulation::scheduler::Group;
use crate::simulation::weather::Fault;
use crate::simulation::world::State;

/// The constraint in PostgreSQL for a Twilio id that another message already has.
const SID_TAKEN: &str = "messages_twilio_sid_key";

/// Writes a batch at once, after all of it was checked. Which rows others have locked is the weather's choice.
pub(super) async fn commit(
    store: &SimStore,
    batch: &[Commit<'_>],
    published: &[i64],
    locks: Locks,
) -> Result<Vec<Committed>, StoreError> {
    let outside = store.world.lock().planted == Planted::InboxOutside;
    // For webhooks, the engine checks the inbox too.
    let mut seen_before = vec![None; batch.len()];
    if outside {
        let unhashed = |commit: &Commit<'_>| commit.body_hash.is_none();
        seen_before = store
            .ask("inbox", |state, _| {
                batch.iter().map(|commit| unhashed(commit).then(|| refused(&state.db, commit)).flatten()).collect()
            })
            .await?;
    }
    let group = store.group;
    let outcome = store.ask("transaction", move |state, now| {
        let is_locked = |state: &mut State| locks == Locks::Skip && state.weather.strikes(Fault::Locked);
        if is_locked(state) {
            return Err(StoreError::Conflict("a lock was not released in time".into()));
        }
        let mut refusals = Vec::with_capacity(batch.len());
        for (commit, seen_before) in batch.iter().zip(seen_before) {
            let seen = if outside { seen_before } else { refused(&state.db, commit) };
            let refusal = match seen {
                Some(seen) => Some(seen),
                None => check(state, commit)?.err(),
            };
            let exists = commit.decision.is_some_and(|decision| decision.conversation.version != 0);
            refusals.push(match refusal {
                None if exists && is_locked(state) => Some(Committed::Locked),
                refusal => refusal,
            });
        }
        for id in published {
            let effect = &mut state.db.outbox[usize::try_from(*id).unwrap()];
            // A row that another task has locked is left to it.
            effect.is_published |= !state.db.draining.contains(&effect.key);
        }
        let is_rolled_back = state.planted == Planted::RefusalTakesNeighbours && refusals.iter().any(Option::is_some);
        let mut committed = Vec::with_capacity(batch.len());
        for (commit, refusal) in batch.iter().zip(refusals) {
            // A neighbour may have changed the same call, or have brought the same message.
            committed.push(match refusal.map_or_else(|| check(state, commit), |refusal| Ok(Err(refusal)))? {
                Ok(()) if is_rolled_back => Committed::Done { outbox_ids: Vec::new(), behind: Vec::new() },
                Ok(()) => write_one(state, group, commit, now),
                Err(refusal) => refusal,
            });
        }
        Ok(committed)
    });
    outcome.await?
}

fn check(state: &mut State, commit: &Commit<'_>) -> Result<Result<(), Committed>, StoreError> {
    match passes(&state.db, commit) {
        Ok(passes) => Ok(passes),
        // The last guard against recording a message with another's Twilio id: its outcome is found out again.
        Err(error) if error.to_string().ends_with(SID_TAKEN) => Err(error),
        Err(error) => {
            state.ledger.breach(|| format!("{} was written twice: {error}", commit.input_id));
            Err(error)
        }
    }
}

fn write_one(state: &mut State, group: Group, commit: &Commit<'_>, now: DateTime<Utc>) -> Committed {
    if let Some(decision) = commit.decision {
        state.ledger.closes(&state.db, &state.streams, &state.kept, decision, now);
        state.ledger.decided(&state.db, commit.input_id, decision, commit.at);
    } else {
        state.ledger.counted(commit.input_id);
    }
    let committed = write(state, commit, now);
    let number = commit.decision.map_or(0, |decision| decision.conversation.version as u64 + 1);
    let at_ms = (now - super::super::world::at(0)).num_milliseconds() as u64;
    state.trace.note(at_ms, group, "commit", number, || {
        let what = commit.decision.map(|d| {
            let windows: Vec<String> =
                d.windows.iter().map(|w| format!("{} {} ({})", &w.id.to_string()[..8], w.state, w.reason)).collect();
            let messages: Vec<String> =
                d.messages.iter().map(|m| format!("{} {}", m.kind, &m.id.to_string()[..8])).collect();
            format!("{} {windows:?} {messages:?}", d.conversation.ownership)
        });
        format!("{} v{number} {}", commit.input_id, what.unwrap_or_default())
    });
    committed
}

/// What the inbox contains about an input.
pub(super) fn seen(db: &Tables, input_id: &str) -> Option<SeenInput> {
    let (body_hash, outbox_keys) = db.inbox.get(input_id)?.clone();
    Some(SeenInput { body_hash, outbox_keys })
}

fn refused(db: &Tables, commit: &Commit<'_>) -> Option<Committed> {
    Some(seen(db, commit.input_id)?.again(commit.body_hash))
}

/// Whether the transaction can be committed; otherwise the result of its rollback. A violated key is an error.
fn passes(db: &Tables, commit: &Commit<'_>) -> Result<Result<(), Committed>, StoreError> {
    if let Some(decision) = commit.decision {
        let number = &decision.conversation.business_phone;
        if commit.number_of.is_some_and(|business_id| !db.has_number(business_id, number)) {
            return Ok(Err(Committed::NumberMoved));
        }
        if !conversation_passes(db, &decision.conversation) {
            return Ok(Err(Committed::Conflict));
        }
        for message in &decision.messages {
            let sid = message.twilio_sid.as_ref();
            if sid.is_some() && db.messages.iter().any(|row| row.message.twilio_sid.as_ref() == sid) {
                let outbox_keys = vec![decision.conversation.id];
                return Ok(Err(Committed::Seen { outbox_keys, same_body: false }));
            }
            if db.message(message.id).is_some() {
                return Err(StoreError::Conflict("messages_pkey".into()));
            }
        }
        if !updates_pass(db, &decision.message_updates)? {
            return Ok(Err(Committed::Conflict));
        }
    }
    if commit.call.is_some_and(|call| !call_passes(db, call)) {
        return Ok(Err(Committed::CallConflict));
    }
    Ok(Ok(()))
}

fn conversation_passes(db: &Tables, new: &Conversation) -> bool {
    let taken = new.status != Status::Completed
        && db.conversations.iter().any(|c| {
            c.id != new.id
                && c.status != Status::Completed
                && c.business_id == new.business_id
                && c.customer_phone == new.customer_phone
                && c.business_phone == new.business_phone
        });
    let fits = match db.conversation(new.id) {
        Some(row) => new.version != 0 && row.version == new.version,
        None => new.version == 0,
    };
    fits && !taken
}

fn updates_pass(db: &Tables, updates: &[MessageUpdate]) -> Result<bool, StoreError> {
    let mut moved: Vec<(Uuid, MessageStatus)> = Vec::new();
    for update in updates {
        let now = moved.iter().rfind(|moved| moved.0 == update.id).map(|moved| moved.1);
        let status = now.or_else(|| db.message(update.id).map(|row| row.message.status));
        if status != Some(update.expected.unwrap_or(MessageStatus::Queued)) {
            if update.expected.is_some() {
                return Ok(false);
            }
            continue;
        }
        let taken = update.twilio_sid.is_some()
            && db.messages.iter().any(|row| row.message.id != update.id && row.message.twilio_sid == update.twilio_sid);
        if taken {
            return Err(StoreError::Conflict(SID_TAKEN.into()));
        }
        moved.push((update.id, update.status));
    }
    Ok(true)
}

fn call_passes(db: &Tables, new: &Call) -> bool {
    match db.calls.iter().find(|call| call.call_sid == new.call_sid) {
        Some(row) => new.version != 0 && row.version == new.version,
        None => new.version == 0,
    }
}

fn write(state: &mut State, commit: &Commit<'_>, now: DateTime<Utc>) -> Committed {
    let db = &mut state.db;
    let conversation = commit.decision.map(|decision| decision.conversation.id);
    let outbox_keys: Vec<Uuid> = commit.call.map(|call| call.id).into_iter().chain(conversation).collect();
    let waits = |key: &Uuid| db.outbox.iter().any(|effect| effect.key == *key && !effect.is_published);
    let behind = commit.outbox.iter().map(|row| row.key).collect::<BTreeSet<_>>().into_iter().filter(waits).collect();
    db.inbox.entry(commit.input_id.to_owned()).or_insert((commit.body_hash.map(str::to_owned), outbox_keys));
    if let Some(decision) = commit.decision {
        write_decision(db, decision);
    }
    if let Some(call) = commit.call {
        db.calls.retain(|row| row.call_sid != call.call_sid);
        db.calls.push(Call { version: call.version + 1, ..call.clone() });
    }
    let mut outbox_ids = Vec::new();
    for row in commit.outbox {
        let OutboxRow { key, subject, message_id, headers, payload } = row.clone();
        let id = i64::try_from(db.outbox.len()).unwrap();
        outbox_ids.push(id);
        let row = WaitingRow { id, key, subject, message_id, headers, payload };
        db.outbox.push(Effect { key, row, created_at: now, is_published: false });
    }
    Committed::Done { outbox_ids, behind }
}

fn write_decision(db: &mut Tables, decision: &Decision) {
    let conversation = &decision.conversation;
    let row = Conversation { version: conversation.version + 1, ..conversation.clone() };
    match db.conversations.iter_mut().find(|row| row.id == conversation.id) {
        Some(old) => *old = row,
        None => db.conversations.push(row),
    }
    db.messages.extend(decision.messages.iter().map(|message| new_row(conversation, message)));
    for update in &decision.message_updates {
        let Some(row) = db.message_mut(update.id) else { continue };
        if row.message.status == update.expected.unwrap_or(MessageStatus::Queued) {
            row.message.status = update.status;
            row.message.twilio_sid = update.twilio_sid.clone().or_else(|| row.message.twilio_sid.take());
            row.message.error_code = update.error_code.or(row.message.error_code);
            (row.claim, row.lease_until) = (None, None);
        }
    }
    match decision.ledger {
        Some(LedgerChange::Out { at, .. }) => {
            let since = db.opt_outs.entry(conversation.customer_phone.clone()).or_insert(at);
            *since = (*since).max(at);
        }
        Some(LedgerChange::In) => drop(db.opt_outs.remove(&conversation.customer_phone)),
        None => {}
    }
    db.windows.extend(decision.windows.iter().map(|window| (window.id, window.state)));
}

fn new_row(conversation: &Conversation, new: &NewMessage) -> MessageRow {
    let message = Message {
        id: new.id,
        conversation_id: conversation.id,
        direction: if new.kind == MessageKind::Customer { "inbound" } else { "outbound" }.to_owned(),
        sender_type: new.kind.sender_type().to_owned(),
        user_id: new.user_id.clone(),
        kind: new.kind,
        body: new.body.clone(),
        media: new.media.clone(),
        twilio_sid: new.twilio_sid.clone(),
        status: new.status,
        error_code: None,
        in_reply_to_window: new.in_reply_to_window,
        created_at: new.created_at,
    };
    MessageRow {
        message,
        recipient: new.recipient.clone(),
        window_id: new.window_id,
        stream_sequence: new.stream_sequence,
        fence: new.fence,
        not_before: new.not_before,
        send_at: None,
        claim: None,
        lease_until: None,
        attempts: 0,
        attempted_at: None,
        account_sid: None,
        absent_reads: 0,
        is_resent: false,
    }
}
