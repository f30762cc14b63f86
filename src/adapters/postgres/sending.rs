//! Attempts to send a message, and their outcome. [`super::claims`] begins them.

use uuid::Uuid;

use super::{Store, StoreError};
use crate::store::Claimed;

impl Store {
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

    /// Records that a queued message cannot go to Twilio yet, at which [`sends_are_stuck`](Self::sends_are_stuck) looks. It is
    /// not claimed.
    pub async fn note_attempt(&self, message_id: Uuid) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE messages SET first_attempted_at = coalesce(first_attempted_at, clock_timestamp())
             WHERE id = $1 AND status = 'queued'",
            message_id
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
