//! The one transaction of an input: its id, the call, the conversation, its messages and windows, and the effects.
//!
//! Guarantees: either everything is committed or nothing; an input that was committed before changes nothing; a
//! conversation or call that was changed concurrently is not overwritten.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use super::audit::AuditEntry;
use super::{Store, StoreError};
use crate::domain::call::Call;
use crate::domain::conversation::{Conversation, Decision, MessageKind, MessageUpdate, NewMessage, WindowRecord};

/// Everything that one transaction commits.
#[derive(Debug)]
pub struct Commit<'a> {
    /// The id of the input.
    pub input_id: &'a str,
    /// A hash of the input's body, if another body may arrive with the same id.
    pub body_hash: Option<&'a str>,
    /// The call, if it has changed.
    pub call: Option<&'a Call>,
    /// The business that must still have the conversation's number; `None` if that does not matter for the input.
    pub number_of: Option<&'a str>,
    /// The decision on the conversation, if there is one.
    pub decision: Option<&'a Decision>,
    /// The audit entry, if there is a decision.
    pub audit: Option<&'a AuditEntry>,
    /// When the decision was made.
    pub at: DateTime<Utc>,
    /// The effects to publish, in order.
    pub outbox: &'a [OutboxRow],
}

impl Commit<'_> {
    /// The ids of the call and the conversation, if the commit writes them.
    fn outbox_keys(&self) -> Vec<Uuid> {
        let conversation = self.decision.map(|decision| decision.conversation.id);
        self.call.map(|call| call.id).into_iter().chain(conversation).collect()
    }
}

/// An effect as it will be published.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxRow {
    /// The conversation or call that it belongs to; rows with the same key are published in order.
    pub key: Uuid,
    /// The JetStream subject.
    pub subject: String,
    /// The `Nats-Msg-Id`; `None` for a timer, because arming it again must not count as a duplicate.
    pub message_id: Option<String>,
    /// The other headers.
    pub headers: BTreeMap<String, String>,
    /// The payload of the message.
    pub payload: Value,
}

/// The outcome of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    /// Everything was committed.
    Done,
    /// The input had been committed before.
    Seen {
        /// The outbox keys of its effects.
        outbox_keys: Vec<Uuid>,
        /// Whether it had the same body then.
        same_body: bool,
    },
    /// The conversation was changed concurrently: load it and decide again.
    Conflict,
    /// The call was changed concurrently.
    CallConflict,
    /// The number now belongs to another business or to none: look it up and decide again.
    NumberMoved,
}

impl Store {
    /// Commits an input with everything that it changes.
    ///
    /// # Errors
    /// If PostgreSQL is unavailable; then nothing is written.
    pub async fn commit(&self, commit: &Commit<'_>) -> Result<Committed, StoreError> {
        let mut tx = self.pool.begin().await?;
        let outcome = write(&mut tx, commit).await?;
        match outcome {
            Committed::Done => {
                crate::failpoint::hit("before_commit");
                tx.commit().await?;
                crate::failpoint::hit("after_commit");
            }
            _ => tx.rollback().await?,
        }
        Ok(outcome)
    }

    /// Looks up an input in the inbox: `Committed::Seen`, or `None` if it was not committed.
    pub async fn seen(&self, input_id: &str, body_hash: Option<&str>) -> Result<Option<Committed>, StoreError> {
        let row = sqlx::query!("SELECT body_hash, outbox_keys FROM inbox WHERE id = $1", input_id)
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map(|row| Committed::Seen {
            outbox_keys: row.outbox_keys,
            same_body: row.body_hash.as_deref() == body_hash,
        }))
    }
}

async fn write(tx: &mut Transaction<'_, Postgres>, commit: &Commit<'_>) -> Result<Committed, StoreError> {
    let inserted = sqlx::query!(
        "INSERT INTO inbox (id, body_hash, outbox_keys) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING",
        commit.input_id,
        commit.body_hash,
        &commit.outbox_keys()
    )
    .execute(&mut **tx)
    .await?;
    if inserted.rows_affected() == 0 {
        let row = sqlx::query!("SELECT body_hash, outbox_keys FROM inbox WHERE id = $1", commit.input_id)
            .fetch_one(&mut **tx)
            .await?;
        let same_body = row.body_hash.as_deref() == commit.body_hash;
        return Ok(Committed::Seen { outbox_keys: row.outbox_keys, same_body });
    }
    if let Some(decision) = commit.decision {
        if !super::conversations::write(tx, &decision.conversation, commit.number_of).await? {
            return not_written(tx, &decision.conversation, commit.number_of).await;
        }
        for message in &decision.messages {
            if !insert_message(tx, &decision.conversation, message).await? {
                // The input was pruned from the inbox, but its message exists: a dead letter replayed very late.
                return Ok(Committed::Seen { outbox_keys: vec![decision.conversation.id], same_body: false });
            }
            if let Some(verdict) = &message.verdict {
                let at = message.created_at;
                super::emergency_verdicts::write(tx, &decision.conversation, message.id, verdict, at).await?;
            }
        }
        for update in &decision.message_updates {
            if !update_message(tx, update).await? {
                return Ok(Committed::Conflict);
            }
        }
        if let Some(change) = &decision.ledger {
            super::opt_outs::write(tx, &decision.conversation, change).await?;
        }
        if let Some(by) = &decision.false_alarm {
            super::emergency_verdicts::mark_false_alarm(tx, &decision.conversation, by).await?;
        }
        for window in &decision.windows {
            record_window(tx, decision.conversation.id, window, commit.at).await?;
        }
        if let Some(analysis) = &decision.analysis {
            super::audit::write_analysis(tx, decision.conversation.id, analysis, commit.at).await?;
        }
        if let Some(entry) = commit.audit {
            super::audit::write_audit(tx, &decision.conversation, entry, commit.at).await?;
        }
    }
    if let Some(call) = commit.call
        && !write_call(tx, call).await?
    {
        return Ok(Committed::CallConflict);
    }
    for row in commit.outbox {
        super::outbox::write(tx, row).await?;
    }
    Ok(Committed::Done)
}

/// Finds out why a conversation was not written. Called only in that case, so that the usual path needs no extra query.
async fn not_written(
    tx: &mut PgConnection,
    c: &Conversation,
    number_of: Option<&str>,
) -> Result<Committed, StoreError> {
    let Some(business_id) = number_of else { return Ok(Committed::Conflict) };
    let still_its_own = super::business_numbers::has(tx, business_id, &c.business_phone).await?;
    Ok(if still_its_own { Committed::Conflict } else { Committed::NumberMoved })
}

/// Inserts a message; `false` if one with the same Twilio id exists already.
async fn insert_message(
    tx: &mut PgConnection,
    conversation: &Conversation,
    message: &NewMessage,
) -> Result<bool, StoreError> {
    let direction = if message.kind == MessageKind::Customer { "inbound" } else { "outbound" };
    let result = sqlx::query!(
        r#"INSERT INTO messages (id, conversation_id, subject_conversation_id, recipient, direction, sender_type, user_id, kind, body, media, twilio_sid, status,
             window_id, in_reply_to_window, created_at, stream_sequence, not_before, fence_epoch, fence_hard_epoch, fence_exempt_at,
             segments)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
           ON CONFLICT (twilio_sid) DO NOTHING"#,
        message.id,
        // A message to anyone other than the customer is about the conversation, not in it.
        message.recipient.is_none().then_some(conversation.id),
        conversation.id,
        message.recipient.as_ref().map(|phone| phone.as_str()),
        direction,
        message.kind.sender_type(),
        message.user_id,
        message.kind.as_str(),
        message.body,
        Json(&message.media) as _,
        message.twilio_sid,
        message.status.as_str(),
        message.window_id,
        message.in_reply_to_window,
        message.created_at,
        message.stream_sequence,
        message.not_before,
        message.fence.map(|f| f.epoch),
        message.fence.map(|f| f.hard_epoch),
        message.fence.map(|f| f.exempt_at),
        i32::try_from(crate::domain::sms_segments::count(&message.body)).ok()
    )
    .execute(tx)
    .await?;
    Ok(result.rows_affected() == 1)
}

/// Updates a message; `false` is a conflict. A message that is only to be held back (`expected` is `None`) may have
/// been sent already, which is no conflict.
async fn update_message(tx: &mut PgConnection, update: &MessageUpdate) -> Result<bool, StoreError> {
    let result = sqlx::query!(
        r#"UPDATE messages SET status = $2, twilio_sid = coalesce($3, twilio_sid), error_code = coalesce($4, error_code),
             segments = coalesce($5, segments), claim = NULL, lease_until = NULL
           WHERE id = $1 AND status = $6"#,
        update.id,
        update.status.as_str(),
        update.twilio_sid,
        update.error_code,
        update.segments,
        update.expected.map_or("queued", |s| s.as_str())
    )
    .execute(tx)
    .await?;
    Ok(result.rows_affected() == 1 || update.expected.is_none())
}

async fn record_window(
    tx: &mut PgConnection,
    conversation_id: Uuid,
    window: &WindowRecord,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"INSERT INTO windows (id, conversation_id, state, opened_at, reason) VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT (id) DO UPDATE SET state = excluded.state, reason = excluded.reason, updated_at = now()"#,
        window.id,
        conversation_id,
        window.state.as_str(),
        window.opened_at,
        window.reason.as_str()
    )
    .execute(&mut *tx)
    .await?;
    super::audit::write_step(tx, conversation_id, window, at).await
}

async fn write_call(tx: &mut PgConnection, call: &Call) -> Result<bool, StoreError> {
    let result = if call.version == 0 {
        sqlx::query!(
            r#"INSERT INTO calls (id, call_sid, business_id, conversation_id, customer_phone, business_phone, status,
                 dial_status, duration_seconds, created_at, ended_at, version, event_sequence)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1, $12)
               ON CONFLICT DO NOTHING"#,
            call.id,
            call.call_sid,
            call.business_id,
            call.conversation_id,
            call.customer_phone.as_ref().map(|p| p.as_str()),
            call.business_phone.as_str(),
            call.status.as_str(),
            call.dial_status,
            call.duration_seconds,
            call.created_at,
            call.ended_at,
            call.event_sequence
        )
        .execute(tx)
        .await?
    } else {
        sqlx::query!(
            r#"UPDATE calls SET conversation_id = $3, status = $4, dial_status = $5, duration_seconds = $6, ended_at = $7,
                 event_sequence = $8, version = version + 1
               WHERE id = $1 AND version = $2"#,
            call.id,
            call.version,
            call.conversation_id,
            call.status.as_str(),
            call.dial_status,
            call.duration_seconds,
            call.ended_at,
            call.event_sequence
        )
        .execute(tx)
        .await?
    };
    Ok(result.rows_affected() == 1)
}
