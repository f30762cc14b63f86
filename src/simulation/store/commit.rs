//! The one transaction: twin of `src/adapters/postgres/commit.rs`.

mod records;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::locks;
use super::{Effect, InboxRow, MessageRow, SimStore, Tables};
use crate::adapters::jetstream::Outgoing;
use crate::domain::call::Call;
use crate::domain::conversation::{
    Conversation, Decision, LedgerChange, MessageStatus, NewMessage, Predecessor, Status,
};
use crate::domain::phone::PhoneNumber;
use crate::engine::Publish;
use crate::simulation::jetstream::SimPublisher;
use crate::simulation::planted::Planted;
use crate::simulation::scheduler::Group;
use crate::simulation::weather::Fault;
use crate::simulation::world::State;
use crate::store::{
    Commit, Committed, LedgerEntry, Locks, Message, OutboxRow, Parties, SeenInput, StoreError, WaitingRow,
};

/// Inputs that cannot be committed, by their place in the batch.
type Refused = Vec<(usize, Committed)>;

/// Takes the locks of a batch, and writes it at once, after all of it was checked. Others may have locked rows, too: that is
/// the weather's choice.
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
    if store.world.lock().planted == Planted::PublishedBeforeCommit {
        publish(store, batch).await;
    }
    let locked = locks::of_batch(store, batch, locks).await?;
    let attempt = store.ask("transaction", |state, now| {
        let is_locked = |state: &mut State| locks == Locks::Skip && state.weather.strikes(Fault::Locked);
        if is_locked(state) {
            locked.end(state);
            return Err(StoreError::Conflict("a lock was not released in time".into()));
        }
        let by_others = |state: &mut State, commit: &Commit<'_>| {
            let exists = commit.decision.filter(|decision| decision.conversation.version != 0);
            exists.is_some_and(|d| locked.skipped.contains(&d.conversation.id) || is_locked(state))
        };
        let locked_by_others: Vec<bool> = batch.iter().map(|commit| by_others(state, commit)).collect();
        let seen = |db: &Tables, place: usize| match outside {
            true => seen_before[place].clone(),
            false => refused(db, &batch[place]),
        };
        let outcome = outcomes(state, batch, seen, &locked_by_others, now).map(|refusals| {
            for id in published {
                // A row that another task has locked is left to it.
                let is_left = state.db.draining.contains(id);
                state.db.effect(*id).is_published |= !is_left;
            }
            write_all(state, group, batch, refusals, now)
        });
        locked.end(state);
        outcome
    });
    attempt.await?
}

/// A planted bug: the effects of a batch are published, whatever becomes of it. Timers, which have no id, are not.
async fn publish(store: &SimStore, batch: &[Commit<'_>]) {
    let publisher = SimPublisher { world: store.world.clone(), group: store.group };
    let effects = batch.iter().flat_map(|commit| commit.outbox).filter(|row| row.message_id.is_some());
    for row in effects {
        let OutboxRow { subject, message_id, headers, payload, .. } = row.clone();
        let payload = payload.to_string().into();
        // What is not acknowledged is published again, after the commit.
        drop(publisher.publish(Outgoing { subject, message_id, headers, payload }).await);
    }
}

/// The refusals of a batch: each is found without those that were found before. An error is about the batch as a whole.
fn outcomes(
    state: &mut State,
    batch: &[Commit<'_>],
    seen: impl Fn(&Tables, usize) -> Option<Committed>,
    locked_by_others: &[bool],
    now: DateTime<Utc>,
) -> Result<Vec<Option<Committed>>, StoreError> {
    let mut outcomes: Vec<Option<Committed>> = vec![None; batch.len()];
    loop {
        let left: Vec<usize> = (0..batch.len()).filter(|place| outcomes[*place].is_none()).collect();
        let mut refused: Refused = left.iter().filter_map(|place| Some((*place, seen(&state.db, *place)?))).collect();
        if refused.is_empty() {
            refused = conversations(&state.db, batch, &left, locked_by_others)?;
        }
        if refused.is_empty() {
            refused = records::refused(state, batch, &left, now)?;
        }
        if refused.is_empty() {
            return Ok(outcomes);
        }
        refused.into_iter().for_each(|(place, refusal)| outcomes[place] = Some(refusal));
    }
}

/// The refusals because of the conversations. One that is to be opened again while another is open fails the batch, unless
/// it is alone.
fn conversations(
    db: &Tables,
    batch: &[Commit<'_>],
    left: &[usize],
    locked_by_others: &[bool],
) -> Result<Refused, StoreError> {
    let mut refused = Vec::new();
    for place in left {
        let Some(decision) = batch[*place].decision else { continue };
        let new = &decision.conversation;
        let is_unchanged = match db.conversation(new.id) {
            Some(row) => new.version != 0 && row.version == new.version,
            None => new.version == 0 && newest_ended(db, new) == decision.predecessor,
        };
        if batch[*place].number_of.is_some_and(|business_id| !db.has_number(business_id, &new.business_phone)) {
            refused.push((*place, Committed::NumberMoved));
        } else if !is_unchanged {
            refused.push((*place, Committed::Conflict));
        } else if locked_by_others[*place] {
            refused.push((*place, Committed::Locked));
        } else if is_open_twice(db, new) {
            if new.version != 0 && left.len() > 1 {
                return Err(StoreError::Conflict("conversations_one_open_of_business".into()));
            }
            refused.push((*place, Committed::Conflict));
        }
    }
    Ok(refused)
}

fn newest_ended(db: &Tables, new: &Conversation) -> Option<Predecessor> {
    let ended = of_same_parties(db, new).filter(|c| c.status == Status::Completed);
    ended.max_by_key(|c| (c.created_at, c.id)).map(|c| Predecessor { id: c.id, version: c.version })
}

fn is_open_twice(db: &Tables, new: &Conversation) -> bool {
    let is_open = |c: &Conversation| c.status != Status::Completed;
    // A new one is a conflict even if it has ended at once.
    (is_open(new) || new.version == 0) && of_same_parties(db, new).any(|c| c.id != new.id && is_open(c))
}

fn of_same_parties<'a>(db: &'a Tables, of: &'a Conversation) -> impl Iterator<Item = &'a Conversation> {
    let parties = Parties::of_conversation(of);
    db.conversations.iter().filter(move |c| Parties::of_conversation(c) == parties)
}

fn write_all(
    state: &mut State,
    group: Group,
    batch: &[Commit<'_>],
    refusals: Vec<Option<Committed>>,
    now: DateTime<Utc>,
) -> Vec<Committed> {
    let is_rolled_back = state.planted == Planted::RefusalTakesNeighbours && refusals.iter().any(Option::is_some);
    // A statement does not see its own rows.
    let waits = |effect: &&Effect| !effect.is_published;
    let waiting: BTreeSet<Uuid> = state.db.outbox.iter().filter(waits).map(|effect| effect.key).collect();
    let written: BTreeSet<Uuid> = batch.iter().flat_map(|commit| commit.outbox.iter().map(|row| row.key)).collect();
    let is_behind = |key: &Uuid| waiting.contains(key) && written.contains(key);
    let write = |(commit, refusal): (&Commit<'_>, Option<Committed>)| match refusal {
        Some(refusal) => refusal,
        None if is_rolled_back => Committed::Done { outbox_ids: Vec::new(), behind: Vec::new() },
        None => {
            let outbox_ids = write_one(state, group, commit, now);
            Committed::Done { outbox_ids, behind: commit.outbox_keys().into_iter().filter(is_behind).collect() }
        }
    };
    batch.iter().zip(refusals).map(write).collect()
}

/// Writes an input; returns the ids of its rows in the outbox.
fn write_one(state: &mut State, group: Group, commit: &Commit<'_>, now: DateTime<Utc>) -> Vec<i64> {
    if let Some(decision) = commit.decision {
        state.ledger.closes(&state.db, &state.streams, &state.kept, decision, now);
        let used = state.db.day_use_of(&decision.conversation.business_id, commit.day);
        state.ledger.uses(&decision.spending, &used);
        state.ledger.decided(&state.db, commit.input_id, decision, commit.at);
    } else {
        state.ledger.counted(commit.input_id);
    }
    let outbox_ids = write(&mut state.db, commit, now);
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
    outbox_ids
}

/// What the inbox contains about an input.
pub(super) fn seen(db: &Tables, input_id: &str) -> Option<SeenInput> {
    let InboxRow { body_hash, outbox_keys, .. } = db.inbox.get(input_id)?;
    Some(SeenInput { body_hash: body_hash.clone(), outbox_keys: outbox_keys.clone() })
}

fn refused(db: &Tables, commit: &Commit<'_>) -> Option<Committed> {
    Some(seen(db, commit.input_id)?.again(commit.body_hash))
}

fn write(db: &mut Tables, commit: &Commit<'_>, now: DateTime<Utc>) -> Vec<i64> {
    let (body_hash, outbox_keys) = (commit.body_hash.map(str::to_owned), commit.outbox_keys());
    db.inbox.entry(commit.input_id.to_owned()).or_insert(InboxRow { body_hash, outbox_keys, created_at: now });
    if let Some(decision) = commit.decision {
        write_decision(db, decision, now);
        let day = (decision.conversation.business_id.clone(), commit.day);
        if !decision.spending.is_nothing() {
            db.day_use.entry(day).or_default().add(&decision.spending);
        }
    }
    if let Some(LedgerEntry { business_id, customer, change, .. }) = commit.ledger {
        change_ledger(db, business_id, customer, change);
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
    outbox_ids
}

fn write_decision(db: &mut Tables, decision: &Decision, now: DateTime<Utc>) {
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
    if let Some(pairing) = &decision.paired {
        db.paired_texts.insert(pairing.twilio_sid.clone(), pairing.message_id);
        if let Some(row) = db.message_mut(pairing.message_id) {
            row.message.created_at = row.message.created_at.min(pairing.received_at);
        }
    }
    if let Some(change) = &decision.ledger {
        change_ledger(db, &conversation.business_id, &conversation.customer_phone, change);
    }
    if let Some(change) = decision.code {
        db.write_code(conversation, change, now);
    }
    db.windows.extend(decision.windows.iter().map(|window| (window.id, window.state)));
}

fn change_ledger(db: &mut Tables, business_id: &str, customer: &PhoneNumber, change: &LedgerChange) {
    let customer = (business_id.to_owned(), customer.clone());
    match change {
        LedgerChange::Out { at, .. } => {
            let since = db.opt_outs.entry(customer).or_insert(*at);
            *since = (*since).max(*at);
        }
        LedgerChange::In => {
            db.opt_outs.remove(&customer);
            db.erased_opt_outs.remove(&customer);
        }
    }
}

fn new_row(conversation: &Conversation, new: &NewMessage) -> MessageRow {
    let message = Message {
        id: new.id,
        conversation_id: conversation.id,
        direction: if new.kind.is_inbound() { "inbound" } else { "outbound" }.to_owned(),
        sender_type: new.kind.sender_type().to_owned(),
        user_id: new.user_id.clone(),
        kind: new.kind,
        body: new.body.clone(),
        media: new.media.clone(),
        twilio_sid: new.twilio_sid.clone(),
        status: new.status,
        error_code: None,
        window_id: new.window_id,
        in_reply_to_window: new.in_reply_to_window,
        created_at: new.created_at,
    };
    MessageRow {
        message,
        recipient: new.recipient.clone(),
        window_id: new.window_id,
        stream_sequence: new.stream_sequence,
        fence: new.fence,
        bundle_line: new.bundle_line.clone(),
        pace: None,
        bundled_into: None,
        not_before: new.not_before,
        send_at: None,
        claim: None,
        lease_until: None,
        attempts: 0,
        attempted_at: None,
        account_sid: None,
        twilio_conversation: None,
        absent_reads: 0,
        is_resent: false,
    }
}
