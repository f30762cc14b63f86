//! Recoveries after a restore, and what was under way when the database was saved (migration 42).

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Store, StoreError, transaction};
use crate::domain::conversation::{MessageKind, MessageStatus};
use crate::domain::phone::PhoneNumber;
use crate::domain::text_enum::UnknownWord;

/// How far the sequences of events are moved on. What was published after the database was saved has sequences that it
/// does not know of, and an event's id is derived from its sequence: without a step, new events would count as duplicates.
const SEQUENCE_STEP: i64 = 1_000;

/// A recovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    pub id: i64,
    /// The last commit that the restored database has.
    pub since: DateTime<Utc>,
    /// What is older was under way when the database was saved.
    pub restored_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
}

/// A message of ours that was not sent yet, or whose outcome was not known, when the database was saved.
#[derive(Debug, Clone)]
pub struct PendingMessage {
    pub id: Uuid,
    pub conversation_id: Uuid,
    pub business_id: String,
    /// The account of the last attempt, if there was one.
    pub account_sid: Option<String>,
    pub from: String,
    pub to: String,
    /// The customer whom it is about.
    pub customer: String,
    pub body: String,
    pub kind: MessageKind,
    pub status: MessageStatus,
    pub attempts: i32,
    pub created_at: DateTime<Utc>,
    pub in_emergency: bool,
}

/// A conversation in which something was under way when the database was saved.
#[derive(Debug, Clone)]
pub struct Doubtful {
    pub conversation_id: Uuid,
    pub business_id: String,
    pub business_phone: String,
    pub customer_phone: String,
}

impl Store {
    /// The newest recovery, if there ever was one. One without an end holds up all work.
    pub async fn newest_recovery(&self) -> Result<Option<Recovery>, StoreError> {
        Ok(sqlx::query_as!(
            Recovery,
            "SELECT id, since, restored_at, ended_at FROM recovery ORDER BY ended_at IS NULL DESC, id DESC LIMIT 1"
        )
        .fetch_optional(&self.pool)
        .await?)
    }

    /// Makes a recovery, which holds up all work from its commit on, or returns the one that has no end yet.
    pub async fn make_recovery(&self, since: DateTime<Utc>) -> Result<Recovery, StoreError> {
        Ok(sqlx::query_as!(
            Recovery,
            "INSERT INTO recovery (since) VALUES ($1)
             ON CONFLICT ((true)) WHERE ended_at IS NULL DO UPDATE SET since = recovery.since
             RETURNING id, since, restored_at, ended_at",
            since
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Moves the sequences of events and what ETags are made of on, once for each recovery; codes that wait to be sent are not sent any more.
    pub async fn begin_recovery(&self, recovery: &Recovery) -> Result<(), StoreError> {
        let mut tx = transaction::begin(&self.pool).await?;
        let begun =
            sqlx::query!("UPDATE recovery SET begun_at = now() WHERE id = $1 AND begun_at IS NULL", recovery.id)
                .execute(&mut *tx)
                .await?;
        if begun.rows_affected() > 0 {
            sqlx::query!(
                "UPDATE conversations SET event_sequence = event_sequence + $2, version = version + 1,
                     ownership_revision = ownership_revision + $2, text_revision = text_revision + $2
                 WHERE status <> 'completed' OR last_activity > $1::timestamptz - interval '1 day'",
                recovery.since,
                SEQUENCE_STEP
            )
            .execute(&mut *tx)
            .await?;
            sqlx::query!(
                "UPDATE calls SET event_sequence = event_sequence + $2, version = version + 1
                 WHERE created_at > $1::timestamptz - interval '1 day'",
                recovery.since,
                SEQUENCE_STEP
            )
            .execute(&mut *tx)
            .await?;
            sqlx::query!(
                "UPDATE phone_codes SET state = CASE state WHEN 'waiting' THEN 'not_sent' ELSE 'unknown' END,
                   settled_at = now()
                 WHERE state IN ('waiting', 'sending') AND asked_at < $1",
                recovery.restored_at
            )
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Ends a recovery: all work may go on.
    pub async fn end_recovery(&self, recovery: &Recovery) -> Result<(), StoreError> {
        sqlx::query!("UPDATE recovery SET ended_at = now() WHERE id = $1 AND ended_at IS NULL", recovery.id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Which of these messages, by Twilio's ids, are stored or were decided on.
    pub async fn known_messages(&self, sids: &[String]) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT sid AS "sid!" FROM unnest($1::text[]) AS sid
               WHERE EXISTS (SELECT 1 FROM messages m WHERE m.twilio_sid = sid)
                  OR EXISTS (SELECT 1 FROM paired_texts p WHERE p.twilio_sid = sid)
                  OR EXISTS (SELECT 1 FROM inbox i WHERE i.id = 'sms:' || sid)"#,
            sids
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Messages with this text that came or went by a conversation of Twilio within a minute of `at`, oldest first. Twilio's
    /// list of SMS has each of them under another id.
    pub async fn messages_of_conversations(
        &self,
        (business_phone, customer): (&PhoneNumber, &PhoneNumber),
        is_inbound: bool,
        body: &str,
        at: DateTime<Utc>,
    ) -> Result<Vec<Uuid>, StoreError> {
        Ok(sqlx::query_scalar!(
            "SELECT m.id FROM messages m JOIN conversations c ON c.id = m.conversation_id
             WHERE c.business_phone = $1 AND c.customer_phone = $2 AND m.body = $3 AND starts_with(m.twilio_sid, 'IM')
               AND (m.direction = 'inbound') = $5
               AND coalesce(m.attempted_at, m.created_at)
                 BETWEEN $4::timestamptz - interval '1 minute' AND $4 + interval '1 minute'
               AND NOT EXISTS (SELECT 1 FROM paired_texts p WHERE p.message_id = m.id)
             ORDER BY coalesce(m.attempted_at, m.created_at), m.id",
            business_phone.as_str(),
            customer.as_str(),
            body,
            at,
            is_inbound
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Which of these calls, by Twilio's ids, have ended as far as the database knows.
    pub async fn settled_calls(&self, sids: &[String]) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar!("SELECT call_sid FROM calls WHERE call_sid = ANY($1) AND status <> 'ringing'", sids)
            .fetch_all(&self.pool)
            .await?)
    }

    /// Calls that began before the restore and have not ended, by Twilio's ids.
    pub async fn ringing_calls(&self, before: DateTime<Utc>) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar!("SELECT call_sid FROM calls WHERE status = 'ringing' AND created_at < $1", before)
            .fetch_all(&self.pool)
            .await?)
    }

    /// Messages that were to be sent before the restore, oldest first.
    pub async fn pending_messages(&self, before: DateTime<Utc>) -> Result<Vec<PendingMessage>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT m.id, m.subject_conversation_id AS conversation_id, c.business_id, m.account_sid,
                 c.business_phone AS "from", coalesce(m.recipient, c.customer_phone) AS "to!", c.customer_phone AS customer, m.body, m.kind, m.status,
                 m.attempts, m.created_at, c.emergency_detected AS in_emergency
               FROM messages m JOIN conversations c ON c.id = m.subject_conversation_id
               WHERE m.status IN ('queued', 'sending') AND m.created_at < $1 ORDER BY m.created_at, m.id"#,
            before
        )
        .fetch_all(&self.pool)
        .await?;
        let mut pending = Vec::with_capacity(rows.len());
        for row in rows {
            let corrupt = |what: UnknownWord| StoreError::corrupt("messages", row.id, what);
            pending.push(PendingMessage {
                kind: row.kind.parse().map_err(corrupt)?,
                status: row.status.parse().map_err(corrupt)?,
                id: row.id,
                conversation_id: row.conversation_id,
                business_id: row.business_id,
                account_sid: row.account_sid,
                from: row.from,
                to: row.to,
                customer: row.customer,
                body: row.body,
                attempts: row.attempts,
                created_at: row.created_at,
                in_emergency: row.in_emergency,
            });
        }
        Ok(pending)
    }

    /// Conversations in which something was under way: an unanswered window that no person has, an answer, or alerts.
    pub async fn doubtful_conversations(&self) -> Result<Vec<Doubtful>, StoreError> {
        Ok(sqlx::query_as!(
            Doubtful,
            // Each part has an index of its own: most conversations are none of these.
            "SELECT c.id AS conversation_id, c.business_id, c.business_phone, c.customer_phone FROM conversations c
             WHERE c.status <> 'completed' AND c.id IN (
               SELECT id FROM conversations WHERE next_timer_at IS NOT NULL
               UNION SELECT w.conversation_id FROM windows w JOIN conversations o ON o.id = w.conversation_id
                     WHERE w.state IN ('open', 'claimed') AND (w.state = 'claimed' OR o.ownership <> 'user')
               UNION SELECT subject_conversation_id FROM messages
                     WHERE status IN ('queued', 'sending') AND sender_type = 'ai' AND recipient IS NULL)
             ORDER BY c.id"
        )
        .fetch_all(&self.pool)
        .await?)
    }
}
