//! The numbers of businesses: whether Twilio confirms them, and whether a customer's number is another business's.

use std::time::Duration;

use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::{Store, StoreError, transaction};
use crate::domain::conversation::OtherBusiness;
use crate::domain::phone::PhoneNumber;
use crate::domain::phones::Verified;
use crate::store::OutboxRow;

/// A number of a business.
#[derive(Debug, Clone)]
pub struct NumberRow {
    /// The business that has the number.
    pub business_id: String,
    /// The number in E.164 format.
    pub phone: String,
    /// Whether the Twilio account of the business has the number.
    pub verified: Verified,
}

/// A number to be looked up at Twilio.
#[derive(Debug, Clone)]
pub struct NumberLook {
    /// The number in E.164 format.
    pub phone: String,
    /// The business that has the number.
    pub business_id: String,
    /// The owner of the business, as the App Server names them.
    pub user_id: String,
    /// The result of earlier lookups.
    pub verified: Verified,
    /// How many lookups in a row Twilio has not answered.
    pub unanswered_looks: i32,
    /// How often the result has changed.
    pub changes: i64,
}

/// Whether a business has this number now.
pub(super) async fn has(
    executor: impl PgExecutor<'_>,
    business_id: &str,
    phone: &PhoneNumber,
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM business_numbers WHERE phone = $1 AND business_id = $2) AS "has!""#,
        phone.as_str(),
        business_id
    )
    .fetch_one(executor)
    .await?)
}

/// Resets the lookup results of a business's numbers after its Twilio account has changed, and schedules new lookups.
pub(super) async fn of_another_account(tx: &mut PgConnection, business_id: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE business_numbers SET verified = 'unknown', verified_at = now(), changes = changes + 1,
           look_at = now(), unanswered_looks = 0
         WHERE business_id = $1",
        business_id
    )
    .execute(tx)
    .await?;
    Ok(())
}

impl Store {
    /// If the customer's number belongs to another business: when the AI of this business last answered it. A number
    /// that, according to Twilio, its business does not have counts as an ordinary customer's. Queued messages of this
    /// conversation are left out, because the current decision may still hold them back.
    pub async fn other_business(
        &self,
        business_id: &str,
        customer: &PhoneNumber,
        conversation_id: Option<Uuid>,
    ) -> Result<Option<OtherBusiness>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT (SELECT max(m.created_at) FROM conversations c JOIN messages m ON m.conversation_id = c.id
                 WHERE c.customer_phone = $2 AND c.business_id = $1 AND m.kind IN ('reply', 'fallback', 'emergency')
                   AND (m.status IN ('sending', 'sent', 'delivered', 'undelivered', 'unknown')
                        OR (m.status = 'failed' AND m.twilio_sid IS NOT NULL)
                        OR (m.status = 'queued' AND c.id IS DISTINCT FROM $3::uuid))) AS answered_at
               FROM business_numbers n WHERE n.phone = $2 AND n.business_id <> $1 AND n.verified <> 'no'"#,
            business_id,
            customer.as_str(),
            conversation_id
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| OtherBusiness { answered_at: row.answered_at }))
    }

    /// The numbers of these businesses, ordered by number.
    pub async fn numbers_of(&self, business_ids: &[String]) -> Result<Vec<NumberRow>, StoreError> {
        let rows = sqlx::query!(
            "SELECT business_id, phone, verified FROM business_numbers WHERE business_id = ANY($1) ORDER BY phone",
            business_ids
        )
        .fetch_all(&self.pool)
        .await?;
        let row = |row: (String, String, String)| {
            Ok(NumberRow { verified: verified(&row.1, &row.2)?, business_id: row.0, phone: row.1 })
        };
        rows.into_iter().map(|r| row((r.business_id, r.phone, r.verified))).collect()
    }

    /// Counts the numbers by lookup result.
    pub async fn count_numbers(&self) -> Result<Vec<(Verified, i64)>, StoreError> {
        let rows = sqlx::query!(r#"SELECT verified, count(*) AS "count!" FROM business_numbers GROUP BY verified"#)
            .fetch_all(&self.pool)
            .await?;
        rows.into_iter().map(|row| Ok((verified("*", &row.verified)?, row.count))).collect()
    }

    /// Takes the number whose lookup has been due longest, if one is due. No other worker takes it for `lease`.
    pub async fn number_to_look_up(&self, lease: Duration) -> Result<Option<NumberLook>, StoreError> {
        let row = sqlx::query!(
            r#"UPDATE business_numbers n SET look_at = now() + make_interval(secs => $1)
               FROM businesses b
               WHERE b.id = n.business_id AND n.phone = (
                 SELECT phone FROM business_numbers WHERE look_at <= now() ORDER BY look_at LIMIT 1 FOR UPDATE SKIP LOCKED)
               RETURNING n.phone, n.business_id, b.user_id, n.verified, n.unanswered_looks, n.changes"#,
            lease.as_secs_f64()
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(NumberLook {
            verified: verified(&row.phone, &row.verified)?,
            phone: row.phone,
            business_id: row.business_id,
            user_id: row.user_id,
            unanswered_looks: row.unanswered_looks,
            changes: row.changes,
        }))
    }

    /// Stores the result of a lookup, and the event to publish about it. `false` if the number now belongs to another
    /// business, or another lookup has changed its result.
    ///
    /// # Errors
    /// If PostgreSQL is unavailable; then nothing is stored.
    pub async fn number_looked_up(
        &self,
        look: &NumberLook,
        found: Verified,
        next_in: Duration,
        told: Option<&OutboxRow>,
    ) -> Result<bool, StoreError> {
        let mut tx = transaction::begin(&self.pool).await?;
        let kept = sqlx::query!(
            "UPDATE business_numbers SET verified = $4, checked_at = now(), unanswered_looks = 0,
               verified_at = CASE WHEN verified = $4 THEN verified_at ELSE now() END,
               changes = changes + CASE WHEN verified = $4 THEN 0 ELSE 1 END,
               look_at = now() + make_interval(secs => $5)
             WHERE phone = $1 AND business_id = $2 AND changes = $3 AND verified = $6",
            look.phone,
            look.business_id,
            look.changes,
            found.as_str(),
            next_in.as_secs_f64(),
            look.verified.as_str()
        )
        .execute(&mut *tx)
        .await?;
        if kept.rows_affected() == 0 {
            return Ok(false);
        }
        if let Some(row) = told {
            super::outbox::write(&mut tx, row).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Schedules another lookup after `again_in`, because Twilio did not answer.
    pub async fn number_not_looked_up(&self, look: &NumberLook, again_in: Duration) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE business_numbers SET unanswered_looks = unanswered_looks + 1, look_at = now() + make_interval(secs => $3)
             WHERE phone = $1 AND business_id = $2",
            look.phone,
            look.business_id,
            again_in.as_secs_f64()
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

fn verified(phone: &str, word: &str) -> Result<Verified, StoreError> {
    let masked = phone.chars().rev().take(2).collect::<Vec<_>>().into_iter().rev().collect::<String>();
    word.parse()
        .map_err(|_| StoreError::corrupt("business_numbers", format!("…{masked}"), "unknown value in column verified"))
}
