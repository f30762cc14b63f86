//! Participants of Twilio's conversations: a copy of what Twilio has (migration 45).

use std::time::Duration;

use sqlx::PgConnection;

use super::erasure::ErasureOf;
use super::{Store, StoreError};
use crate::store::{Participant, ParticipantOf};

impl Store {
    /// The participant of a conversation, if it is known.
    pub async fn participant(&self, of: ParticipantOf<'_>) -> Result<Option<Participant>, StoreError> {
        Ok(sqlx::query_as!(
            Participant,
            "SELECT participant_sid AS sid, conversation_sid, account_sid, business_phone, customer_phone
             FROM twilio_participants
             WHERE participant_sid = $1 AND conversation_sid = $2 AND account_sid = $3",
            of.participant_sid,
            of.conversation_sid,
            of.account_sid
        )
        .fetch_optional(&self.pool)
        .await?)
    }

    /// Stores what Twilio says of a participant. Its conversation is open.
    pub async fn keep_participant(&self, participant: &Participant) -> Result<(), StoreError> {
        let Participant { sid, conversation_sid, account_sid, business_phone, customer_phone } = participant;
        sqlx::query!(
            "INSERT INTO twilio_participants AS p
               (conversation_sid, business_phone, customer_phone, account_sid, participant_sid)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (conversation_sid, business_phone, customer_phone) DO UPDATE
               SET participant_sid = coalesce(excluded.participant_sid, p.participant_sid),
                 account_sid = excluded.account_sid, kept_at = now(), closed_at = NULL",
            conversation_sid,
            business_phone,
            customer_phone,
            account_sid,
            sid.as_deref()
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The open conversation of these two numbers in this account, if one is known. Twilio allows one.
    pub async fn twilio_conversation(
        &self,
        account_sid: &str,
        business_phone: &str,
        customer_phone: &str,
    ) -> Result<Option<String>, StoreError> {
        Ok(sqlx::query_scalar!(
            "SELECT conversation_sid FROM twilio_participants
             WHERE customer_phone = $1 AND business_phone = $2 AND account_sid = $3 AND closed_at IS NULL
             ORDER BY kept_at DESC LIMIT 1",
            customer_phone,
            business_phone,
            account_sid
        )
        .fetch_optional(&self.pool)
        .await?)
    }

    /// Records that nothing can be posted to a conversation of this account any more.
    pub async fn close_twilio_conversation(&self, account_sid: &str, conversation_sid: &str) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE twilio_participants SET closed_at = now()
             WHERE conversation_sid = $1 AND account_sid = $2 AND closed_at IS NULL",
            conversation_sid,
            account_sid
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Deletes at most `limit` rows that are older than `keep`; returns how many. Those of customers who wrote or were written
    /// to lately stay: by them a text that comes by both of Twilio's APIs is recognized.
    pub async fn prune_participants(&self, keep: Duration, limit: i64) -> Result<u64, StoreError> {
        let pruned = sqlx::query!(
            "DELETE FROM twilio_participants WHERE (conversation_sid, business_phone, customer_phone) IN (
               SELECT conversation_sid, business_phone, customer_phone FROM twilio_participants p
               WHERE kept_at < now() - make_interval(secs => $1)
                 AND NOT EXISTS (SELECT 1 FROM conversations c WHERE c.customer_phone = p.customer_phone
                                   AND c.last_activity > now() - interval '7 days')
               ORDER BY kept_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
            keep.as_secs_f64(),
            limit
        )
        .execute(&self.pool)
        .await?;
        Ok(pruned.rows_affected())
    }
}

/// Deletes what is known of a customer, of all businesses: it is read from Twilio again where it is needed.
pub(super) async fn forget(tx: &mut PgConnection, of: &ErasureOf<'_>) -> Result<(), StoreError> {
    // A version before kept Mexican mobiles as Twilio writes them.
    sqlx::query!(
        "DELETE FROM twilio_participants WHERE customer_phone = $1 OR customer_phone = regexp_replace($1, '^\\+52(\\d{10})$', '+521\\1')",
        of.customer.as_str()
    )
    .execute(tx)
    .await?;
    Ok(())
}
