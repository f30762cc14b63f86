//! Sending: the slot under the send rate, the fence and the claim, and the state of an attempt.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use uuid::Uuid;

use super::messages::{Message, MessageRow};
use super::{Store, StoreError};
use crate::domain::conversation::{Media, Priority};
use crate::domain::phone::PhoneNumber;

/// A message that may be due to be sent.
#[derive(Debug, Clone)]
pub struct DueMessage {
    /// The message itself.
    pub message: Message,
    /// The recipient.
    pub to: PhoneNumber,
    /// The number that it is sent from.
    pub business_phone: PhoneNumber,
    /// The business that sends it.
    pub business_id: String,
    /// The earliest time at which it may be sent, if there is one.
    pub not_before: Option<DateTime<Utc>>,
    /// Its slot under the send rate, once reserved.
    pub send_at: Option<DateTime<Utc>>,
    /// The number of attempts to send it.
    pub attempts: i32,
    /// When the last attempt was made.
    pub attempted_at: Option<DateTime<Utc>>,
    /// How long ago the last attempt was, by the database's clock.
    pub attempt_age: Option<Duration>,
    /// Whether it goes ahead of other messages of its sender that wait for a slot.
    pub priority: Priority,
    /// The time left on the lease of the current claim; zero once it has expired.
    pub lease_left: Duration,
    /// The Twilio account of the last attempt; `None` if that was before accounts were recorded.
    pub account_sid: Option<String>,
    /// How often Twilio's list was read without finding it, since the last attempt.
    pub absent_reads: i32,
}

/// The Twilio account that a message is to be sent with.
#[derive(Debug, Clone, Copy)]
pub struct SendingAccount<'a> {
    /// The account SID (`AC…`).
    pub sid: &'a str,
    /// Whether it is the main account, not the business's own.
    pub is_main: bool,
}

/// The outcome of an attempt to claim a message.
#[derive(Debug, Clone, Copy)]
pub enum Claim {
    /// The message is claimed: the caller sends it.
    Ours(Claimed),
    /// The fence holds the message back for good, because what made it stale is never undone.
    Stale,
    /// The message is not queued: another worker has claimed it, or its outcome is known.
    Taken,
}

/// A claim on a message, valid until its lease expires.
#[derive(Debug, Clone, Copy)]
pub struct Claimed {
    /// The id of the claim, which proves who holds it.
    pub claim: Uuid,
}

impl Store {
    /// Reads a message with everything that is needed to send it.
    pub async fn due_message(&self, id: Uuid) -> Result<Option<DueMessage>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT m.id, m.subject_conversation_id AS conversation_id, m.direction, m.sender_type, m.user_id, m.kind, m.body,
                 m.media AS "media: Json<Vec<Media>>", m.twilio_sid, m.status, m.error_code, m.in_reply_to_window, m.created_at,
                 coalesce(m.recipient, c.customer_phone) AS "to!", c.business_phone, c.business_id, m.not_before, m.send_at,
                 m.attempts, m.attempted_at, m.account_sid, m.absent_reads, c.emergency_detected,
                 greatest(extract(epoch FROM m.lease_until - clock_timestamp()), 0)::float8 AS lease_left_seconds,
                 extract(epoch FROM clock_timestamp() - m.attempted_at)::float8 AS attempt_age_seconds
               FROM messages m JOIN conversations c ON c.id = m.subject_conversation_id WHERE m.id = $1"#,
            id
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let corrupt = |what: String| StoreError::corrupt("conversations", row.conversation_id, what);
        let to = super::conversations::phone(&row.to).map_err(corrupt)?;
        let business_phone = super::conversations::phone(&row.business_phone).map_err(corrupt)?;
        let message = MessageRow {
            id: row.id,
            conversation_id: row.conversation_id,
            direction: row.direction,
            sender_type: row.sender_type,
            user_id: row.user_id,
            kind: row.kind,
            body: row.body,
            media: row.media,
            twilio_sid: row.twilio_sid,
            status: row.status,
            error_code: row.error_code,
            in_reply_to_window: row.in_reply_to_window,
            created_at: row.created_at,
        }
        .parse()?;
        Ok(Some(DueMessage {
            to,
            business_phone,
            business_id: row.business_id,
            not_before: row.not_before,
            send_at: row.send_at,
            attempts: row.attempts,
            attempted_at: row.attempted_at,
            attempt_age: row.attempt_age_seconds.map(|seconds| Duration::from_secs_f64(seconds.max(0.0))),
            priority: message.kind.priority(row.emergency_detected),
            lease_left: row.lease_left_seconds.map_or(Duration::ZERO, Duration::from_secs_f64),
            account_sid: row.account_sid,
            absent_reads: row.absent_reads,
            message,
        }))
    }

    /// Reserves a slot for a message: the sender's next free time, which then advances by `cost`. All workers share it.
    pub async fn reserve_slot(
        &self,
        message_id: Uuid,
        sender: &PhoneNumber,
        cost: Duration,
    ) -> Result<DateTime<Utc>, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"WITH slot AS (
                 INSERT INTO sender_slots AS s (phone, next_free_at)
                 VALUES ($2, clock_timestamp() + make_interval(secs => $3))
                 ON CONFLICT (phone) DO UPDATE
                   SET next_free_at = greatest(s.next_free_at, clock_timestamp()) + make_interval(secs => $3)
                 RETURNING next_free_at - make_interval(secs => $3) AS at
               )
               UPDATE messages m SET send_at = slot.at FROM slot WHERE m.id = $1 RETURNING m.send_at AS "send_at!""#,
            message_id,
            sender.as_str(),
            cost.as_secs_f64()
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Reserves a slot for an urgent message: it takes the slot of the first waiting message that is not urgent, and
    /// all such messages move back by `cost`.
    pub async fn reserve_slot_ahead(
        &self,
        message_id: Uuid,
        sender: &PhoneNumber,
        cost: Duration,
    ) -> Result<DateTime<Utc>, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"WITH sender AS (
                 INSERT INTO sender_slots AS s (phone, next_free_at)
                 VALUES ($2, clock_timestamp() + make_interval(secs => $3))
                 ON CONFLICT (phone) DO UPDATE
                   SET next_free_at = greatest(s.next_free_at, clock_timestamp()) + make_interval(secs => $3)
                 RETURNING next_free_at - make_interval(secs => $3) AS last
               ), waiting AS (
                 SELECT m.id, m.send_at FROM messages m JOIN conversations c ON c.id = m.subject_conversation_id
                 WHERE c.business_phone = $2 AND m.status = 'queued' AND m.send_at > clock_timestamp()
                   AND NOT c.emergency_detected AND m.kind NOT IN ('user', 'alert', 'emergency')
               ), moved AS (
                 UPDATE messages m SET send_at = m.send_at + make_interval(secs => $3) FROM waiting WHERE m.id = waiting.id
               )
               UPDATE messages m
               SET send_at = least(sender.last, coalesce((SELECT min(send_at) FROM waiting), sender.last))
               FROM sender WHERE m.id = $1 RETURNING m.send_at AS "send_at!""#,
            message_id,
            sender.as_str(),
            cost.as_secs_f64()
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Checks the fence and claims the message in one statement. A queued message that nothing has made stale is
    /// claimed for `lease`, to be sent with this account. The business must still have the number, and the main account
    /// sends nothing to a customer who reached the business under another account. The same statement reports whether
    /// the message is stale or taken, because a message that another worker held for a moment may be queued again in
    /// the next. The conversation's row is share-locked: a takeover that has committed is seen, and one that commits
    /// later sees the claim.
    pub async fn claim(
        &self,
        message_id: Uuid,
        account: SendingAccount<'_>,
        lease: Duration,
        now: DateTime<Utc>,
    ) -> Result<Claim, StoreError> {
        let claim = Uuid::new_v4();
        let judged = sqlx::query!(
            r#"WITH fence AS (
                 SELECT c.epoch, c.hard_epoch, c.answering_window, c.business_id, c.business_phone, c.customer_phone,
                   c.opted_out, c.own_account
                 FROM conversations c
                 WHERE c.id = (SELECT subject_conversation_id FROM messages WHERE id = $1)
                 FOR SHARE
               ),
               -- What a message is judged by never changes in it.
               judged AS (
                 SELECT m.id, coalesce(
                   (m.recipient IS NOT NULL
                    OR NOT fence.opted_out AND NOT EXISTS (SELECT 1 FROM opt_outs o WHERE o.business_id = fence.business_id
                                                              AND o.customer_phone = fence.customer_phone)
                        AND NOT EXISTS (SELECT 1 FROM erased_opt_outs o WHERE o.business_id = fence.business_id
                                          AND o.customer = customer_hash(fence.business_id, fence.customer_phone)))
                   AND EXISTS (SELECT 1 FROM business_numbers n WHERE n.phone = fence.business_phone
                                                                  AND n.business_id = fence.business_id)
                   AND NOT ($6 AND fence.own_account IS NOT NULL)
                   AND (m.fence_hard_epoch IS NULL -- what a person wrote has no fence
                        OR (m.fence_hard_epoch = fence.hard_epoch
                            AND (m.fence_epoch = fence.epoch
                                 OR (m.fence_exempt_at <= $4
                                     AND (m.in_reply_to_window IS NULL
                                          OR m.in_reply_to_window = fence.answering_window))))), false) AS passes
                 FROM messages m, fence WHERE m.id = $1
               ),
               claimed AS (
                 UPDATE messages m
                 SET status = 'sending', claim = $2, lease_until = clock_timestamp() + make_interval(secs => $3),
                     attempts = m.attempts + 1, attempted_at = clock_timestamp(), absent_reads = 0,
                     account_sid = $5,
                     first_attempted_at = coalesce(m.first_attempted_at, clock_timestamp())
                 FROM judged
                 WHERE m.id = judged.id AND m.status = 'queued' AND judged.passes
                 RETURNING m.id
               )
               SELECT judged.passes AS "passes!", EXISTS (SELECT 1 FROM claimed) AS "claimed!" FROM judged"#,
            message_id,
            claim,
            lease.as_secs_f64(),
            now,
            account.sid,
            account.is_main
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(match judged {
            Some(judged) if judged.claimed => Claim::Ours(Claimed { claim }),
            Some(judged) if !judged.passes => Claim::Stale,
            _ => Claim::Taken,
        })
    }

    /// Returns a claimed message to the queue, because Twilio certainly does not have it.
    ///
    /// # Errors
    /// If PostgreSQL is unavailable: the outcome of the message is then unknown, and is reconciled.
    pub async fn release_claim(&self, message_id: Uuid, claimed: Claimed) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE messages SET status = 'queued', claim = NULL, lease_until = NULL, attempts = attempts - 1
             WHERE id = $1 AND status = 'sending' AND claim = $2",
            message_id,
            claimed.claim
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Counts the AI's messages in a conversation that are claimed: at Twilio, or about to be.
    pub async fn ai_messages_under_way(&self, conversation_id: Uuid) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM messages
               WHERE conversation_id = $1 AND sender_type = 'ai' AND status = 'sending'"#,
            conversation_id
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Counts a read of Twilio's list that did not show the message; returns the number of such reads.
    pub async fn count_absent_read(&self, message_id: Uuid, attempts: i32) -> Result<i32, StoreError> {
        Ok(sqlx::query_scalar!(
            "UPDATE messages SET absent_reads = absent_reads + 1 WHERE id = $1 AND attempts = $2 AND status = 'sending'
             RETURNING absent_reads",
            message_id,
            attempts
        )
        .fetch_optional(&self.pool)
        .await?
        .unwrap_or(0))
    }

    /// Queues a message again, because Twilio certainly does not have it. The fence is checked again before it is sent.
    pub async fn queue_again(&self, message_id: Uuid, attempts: i32) -> Result<bool, StoreError> {
        let result = sqlx::query!(
            "UPDATE messages SET status = 'queued', claim = NULL, lease_until = NULL
             WHERE id = $1 AND attempts = $2 AND status = 'sending'",
            message_id,
            attempts
        )
        .execute(&self.pool)
        .await?;
        Ok(result.rows_affected() == 1)
    }

    /// Whether the outcome of another message with the same text, from and to the same numbers, is not known either.
    /// Only messages attempted in the last hour count.
    pub async fn has_unknown_twin(&self, message_id: Uuid) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT EXISTS (
                 SELECT 1 FROM messages m JOIN conversations c ON c.id = m.subject_conversation_id
                   JOIN messages twin ON twin.status IN ('sending', 'unknown') AND twin.id <> m.id AND twin.body = m.body
                     AND twin.attempted_at > clock_timestamp() - interval '1 hour'
                   JOIN conversations t ON t.id = twin.subject_conversation_id AND t.business_phone = c.business_phone
                 WHERE m.id = $1 AND coalesce(twin.recipient, t.customer_phone) = coalesce(m.recipient, c.customer_phone)
               ) AS "exists!""#,
            message_id
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Which of these Twilio ids already belong to messages of ours.
    pub async fn adopted(&self, sids: &[String]) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar!(r#"SELECT twilio_sid AS "sid!" FROM messages WHERE twilio_sid = ANY($1)"#, sids)
            .fetch_all(&self.pool)
            .await?)
    }
}
