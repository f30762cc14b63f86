//! Sending codes to phones: their slot, their claim and their outcome.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use uuid::Uuid;

use super::{Store, StoreError};

/// A code that the holder of this value sends now, once.
#[derive(Debug, Clone)]
pub struct CodeToSend {
    /// The id of the code.
    pub id: Uuid,
    /// The business that the code is for.
    pub business_id: String,
    /// The name by which customers know the business.
    pub business_name: String,
    /// The phone to send the code to.
    pub phone: String,
    /// The number of the business to send the code from.
    pub sender: String,
    /// Whether the phone has opted out of this business's texts.
    pub opted_out: bool,
}

/// The outcome of sending a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeOutcome {
    /// Twilio accepted the code.
    Sent,
    /// It is not known whether Twilio accepted the code.
    Unknown,
    /// The code will not be sent.
    NotSent,
    /// Twilio did not process the code: sending is retried.
    Again {
        /// The delay before the retry.
        after: Duration,
    },
}

impl Store {
    /// Reserves the next slot of a number of its business for a waiting code; `false` if no code needs a slot.
    pub async fn reserve_code_slot(&self, cost: Duration) -> Result<bool, StoreError> {
        let reserved = sqlx::query!(
            "WITH next AS (
               SELECT p.id, n.phone AS sender FROM phone_codes p
                 JOIN LATERAL (SELECT phone FROM business_numbers WHERE business_id = p.business_id
                   ORDER BY verified = 'yes' DESC, verified = 'unknown' DESC, phone LIMIT 1) n ON true
               WHERE p.state = 'waiting' AND p.send_at IS NULL AND p.expires_at > now()
               ORDER BY p.asked_at LIMIT 1 FOR UPDATE OF p SKIP LOCKED
             ), slot AS (
               INSERT INTO sender_slots AS s (phone, next_free_at)
               SELECT sender, clock_timestamp() + make_interval(secs => $1) FROM next
               ON CONFLICT (phone) DO UPDATE
                 SET next_free_at = greatest(s.next_free_at, clock_timestamp()) + make_interval(secs => $1)
               RETURNING phone, next_free_at - make_interval(secs => $1) AS at
             )
             UPDATE phone_codes p SET sender = slot.phone, send_at = slot.at FROM next, slot WHERE p.id = next.id",
            cost.as_secs_f64()
        )
        .execute(&self.pool)
        .await?;
        Ok(reserved.rows_affected() > 0)
    }

    /// Claims a code whose slot has come, if there is one, and sets its value to `code`.
    pub async fn code_to_send(&self, code: &str) -> Result<Option<CodeToSend>, StoreError> {
        Ok(sqlx::query_as!(
            CodeToSend,
            r#"UPDATE phone_codes p SET state = 'sending', expires_at = now() + interval '30 minutes',
                 code_hash = sha256(customer_hash(p.business_id, p.phone) || uuid_send(p.id) || convert_to($1, 'UTF8'))
               FROM businesses b
               WHERE b.id = p.business_id AND p.id = (
                 SELECT c.id FROM phone_codes c
                   JOIN business_numbers n ON n.phone = c.sender AND n.business_id = c.business_id
                 WHERE c.state = 'waiting' AND c.send_at <= now() AND c.expires_at > now()
                 ORDER BY c.send_at LIMIT 1 FOR UPDATE OF c SKIP LOCKED)
               RETURNING p.id, p.business_id, b.name AS business_name, p.phone, p.sender AS "sender!",
                 (EXISTS (SELECT 1 FROM opt_outs o WHERE o.business_id = p.business_id AND o.customer_phone = p.phone)
                  OR EXISTS (SELECT 1 FROM erased_opt_outs e
                     WHERE e.business_id = p.business_id AND e.customer = customer_hash(p.business_id, p.phone))) AS "opted_out!""#,
            code
        )
        .fetch_optional(&self.pool)
        .await?)
    }

    /// Stores the outcome of sending a code, unless it was cancelled or answered in the meantime.
    ///
    /// # Errors
    /// If PostgreSQL is unavailable: the code then counts as possibly sent.
    pub async fn code_sent(&self, id: Uuid, outcome: CodeOutcome) -> Result<(), StoreError> {
        let (state, again) = match outcome {
            CodeOutcome::Sent => ("sent", None),
            CodeOutcome::Unknown => ("unknown", None),
            CodeOutcome::NotSent => ("not_sent", None),
            CodeOutcome::Again { after } => ("waiting", TimeDelta::from_std(after).ok()),
        };
        let send_at = again.map(|after| Utc::now() + after);
        sqlx::query!(
            "UPDATE phone_codes SET state = $2, send_at = coalesce($3, send_at), settled_at = now(),
               expires_at = CASE WHEN $2 = 'waiting' THEN asked_at + interval '30 minutes' ELSE expires_at END,
               code_hash = CASE WHEN $2 IN ('waiting', 'not_sent') THEN NULL ELSE code_hash END
             WHERE id = $1 AND state = 'sending'",
            id,
            state,
            send_at
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
