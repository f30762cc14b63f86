//! The transaction of a batch of inputs: for each its id, the call, the conversation, its messages and windows, and the
//! effects.
//!
//! Guarantees: everything of an input is committed or nothing; an input that was committed before changes nothing; a
//! conversation or call that was changed concurrently is not overwritten; a conversation is opened only after the one
//! that was read as the newest; an input that is refused does not affect the others.
//!
//! Every transaction takes its locks in one order, so that two of them do not wait for each other: the ids of the
//! inputs, published effects (without waiting), existing conversations by id, new ones by their parties, and what
//! belongs to them: messages by id, calls by id, codes by business, opt-outs by customer, and last the use of the day by business.

mod records;

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::conversations::Change;
use super::error::refusal;
use super::{Store, StoreError, transaction};
use crate::domain::conversation::{Conversation, Decision};
use crate::store::{Commit, Committed, Locks, SeenInput};

/// A batch is to hold up its inputs for no longer than 200 ms: a worker that has stopped in the middle of a transaction
/// keeps its locks for [`SESSION_TIMEOUTS`](super::SESSION_TIMEOUTS).
const BEGIN_BATCH: &str = "BEGIN; SET LOCAL lock_timeout = '200ms'";

/// The outcome of an attempt to write a batch.
enum Written {
    /// All of it is written: for each input, its outcome.
    All(Vec<Committed>),
    /// These inputs, given by their place, cannot be committed; nothing else was found out.
    Refused(Vec<(usize, Committed)>),
}

impl Store {
    /// Commits a batch of inputs in one transaction, each with everything that it changes, and deletes these published
    /// rows of the outbox. Returns the outcome of each input, in order; those that are refused change nothing.
    ///
    /// The batch must not have two inputs with the same id, or of the same customer of a business.
    ///
    /// # Errors
    /// If PostgreSQL is unavailable, a lock is not released in time, or a value is rejected; then nothing is written.
    pub async fn commit(
        &self,
        batch: &[Commit<'_>],
        published: &[i64],
        locks: Locks,
    ) -> Result<Vec<Committed>, StoreError> {
        let mut outcomes: Vec<Option<Committed>> = batch.iter().map(|_| None).collect();
        loop {
            let left: Vec<usize> = (0..batch.len()).filter(|place| outcomes[*place].is_none()).collect();
            let commits: Vec<&Commit<'_>> = left.iter().map(|place| &batch[*place]).collect();
            let mut tx = match locks {
                Locks::Wait => transaction::begin(&self.pool).await?,
                Locks::Skip => transaction::begin_with(&self.by_key, BEGIN_BATCH).await?,
            };
            match write(&mut tx, &commits, published, locks).await {
                Ok(Written::All(written)) => {
                    crate::failpoint::hit("before_commit");
                    tx.commit().await?;
                    crate::failpoint::hit("after_commit");
                    left.into_iter().zip(written).for_each(|(place, outcome)| outcomes[place] = Some(outcome));
                    return Ok(outcomes.into_iter().flatten().collect());
                }
                Ok(Written::Refused(refused)) => {
                    tx.rollback().await?;
                    refused.into_iter().for_each(|(place, outcome)| outcomes[left[place]] = Some(outcome));
                }
                // PostgreSQL has ended this transaction so that another one can proceed: all of it may be committed anew.
                Err(error) if is_deadlock(&error) => {
                    tx.rollback().await?;
                    left.into_iter().for_each(|place| outcomes[place] = Some(Committed::Conflict));
                    return Ok(outcomes.into_iter().flatten().collect());
                }
                // The conversation was to be reopened, but a new one was opened concurrently: a conflict, not an error.
                Err(error) if left.len() == 1 && is_open_twice(&error) => {
                    tx.rollback().await?;
                    outcomes[left[0]] = Some(Committed::Conflict);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// What the inbox contains about these inputs.
    pub async fn seen(&self, input_ids: &[&str]) -> Result<HashMap<String, SeenInput>, StoreError> {
        seen(&mut *self.by_key.acquire().await?, input_ids).await
    }
}

/// Whether a transaction was ended because it and another one could not both succeed: a deadlock, or a failure to serialize.
fn is_deadlock(error: &StoreError) -> bool {
    refusal(error).and_then(|error| error.code()).is_some_and(|code| matches!(&*code, "40P01" | "40001"))
}

fn is_open_twice(error: &StoreError) -> bool {
    refusal(error).is_some_and(|error| error.is_unique_violation() && error.table() == Some("conversations"))
}

async fn seen(connection: &mut PgConnection, ids: &[&str]) -> Result<HashMap<String, SeenInput>, StoreError> {
    let rows = sqlx::query!("SELECT id, body_hash, outbox_keys FROM inbox WHERE id = ANY($1)", ids as _)
        .fetch_all(connection)
        .await?;
    let seen = |outbox_keys, body_hash| SeenInput { body_hash, outbox_keys };
    Ok(rows.into_iter().map(|row| (row.id, seen(row.outbox_keys, row.body_hash))).collect())
}

async fn write(
    tx: &mut PgConnection,
    batch: &[&Commit<'_>],
    published: &[i64],
    locks: Locks,
) -> Result<Written, StoreError> {
    super::outbox::delete(tx, published).await?;
    if batch.is_empty() {
        return Ok(Written::All(Vec::new()));
    }
    let refused = write_inbox(tx, batch).await?;
    if !refused.is_empty() {
        return Ok(Written::Refused(refused));
    }
    let conversations: Vec<Change<'_>> = batch
        .iter()
        .filter_map(|commit| {
            let Decision { conversation, predecessor, .. } = commit.decision?;
            Some(Change { conversation, predecessor: *predecessor, number_of: commit.number_of })
        })
        .collect();
    let written = super::conversations::write(tx, &conversations, locks).await?;
    let mut refused = Vec::new();
    for (place, commit) in batch.iter().enumerate() {
        let Some(decision) = commit.decision else { continue };
        if !written.contains(&decision.conversation.id) {
            refused.push((place, not_written(tx, &decision.conversation, commit.number_of, locks).await?));
        }
    }
    if !refused.is_empty() {
        return Ok(Written::Refused(refused));
    }
    records::write(tx, batch).await
}

/// Writes the ids of the inputs; returns those that were committed before.
async fn write_inbox(tx: &mut PgConnection, batch: &[&Commit<'_>]) -> Result<Vec<(usize, Committed)>, StoreError> {
    #[derive(Serialize)]
    struct InboxRow<'a> {
        id: &'a str,
        body_hash: Option<&'a str>,
        outbox_keys: Vec<Uuid>,
    }
    let row = |commit: &&Commit<'_>| -> Value {
        let Commit { input_id: id, body_hash, .. } = **commit;
        serde_json::to_value(InboxRow { id, body_hash, outbox_keys: commit.outbox_keys() }).unwrap_or_default()
    };
    let rows: Value = batch.iter().map(row).collect();
    let inserted: HashSet<String> = sqlx::query_scalar!(
        "INSERT INTO inbox (id, body_hash, outbox_keys)
         SELECT r.id, r.body_hash, r.outbox_keys FROM jsonb_populate_recordset(NULL::inbox, $1) r ORDER BY r.id
         ON CONFLICT (id) DO NOTHING RETURNING id",
        rows
    )
    .fetch_all(&mut *tx)
    .await?
    .into_iter()
    .collect();
    if inserted.len() == batch.len() {
        return Ok(Vec::new());
    }
    let known: Vec<&str> = batch.iter().map(|commit| commit.input_id).filter(|id| !inserted.contains(*id)).collect();
    let mut seen = seen(tx, &known).await?;
    let known = batch.iter().enumerate().filter(|(_, commit)| !inserted.contains(commit.input_id));
    let refused = known.map(|(place, commit)| match seen.remove(commit.input_id) {
        Some(seen) => (place, seen.again(commit.body_hash)),
        // It was pruned in between.
        None => (place, Committed::Conflict),
    });
    Ok(refused.collect())
}

/// Finds out why a conversation was not written. Called only in that case, so that the usual path needs no extra query.
async fn not_written(
    tx: &mut PgConnection,
    c: &Conversation,
    number_of: Option<&str>,
    locks: Locks,
) -> Result<Committed, StoreError> {
    if let Some(business_id) = number_of
        && !super::business_numbers::has(&mut *tx, business_id, &c.business_phone).await?
    {
        return Ok(Committed::NumberMoved);
    }
    let is_locked = locks == Locks::Skip && super::conversations::is_current(tx, c).await?;
    Ok(if is_locked { Committed::Locked } else { Committed::Conflict })
}
