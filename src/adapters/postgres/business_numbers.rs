//! The numbers of businesses: whether Twilio confirms that they are theirs, and who is another business's number.

use std::time::Duration;

use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::{OutboxRow, Store, StoreError};
use crate::domain::conversation::OtherBusiness;
use crate::domain::phone::PhoneNumber;
use crate::domain::phones::Verified;

/// A number of a business.
#[derive(Debug, Clone)]
pub struct NumberRow {
    /// Whose.
    pub business_id: String,
    /// The number.
    pub phone: String,
    /// Whether its account has it.
    pub verified: Verified,
}

/// A number that Twilio is to be asked for.
#[derive(Debug, Clone)]
pub struct NumberLook {
    /// The number.
    pub phone: String,
    /// Whose.
    pub business_id: String,
    /// Its owner, as the App Server names them.
    pub user_id: String,
    /// What is known of it.
    pub verified: Verified,
    /// How often in a row Twilio has not said.
    pub unanswered_looks: i32,
    /// How often what is known has changed.
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

/// The numbers of a business are looked up at another account from now on: nothing is known of them there.
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
    /// Where a customer's number is another business's: when the AI of this business last answered it. A number that its
    /// business has not got, by what Twilio says, is nobody's: the phone is a customer's like any other. A message that
    /// waits in this very conversation is left out, for what is decided now may still hold it back.
    ///
    /// # Errors
    /// When PostgreSQL is away.
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

    /// The numbers of these businesses, in the order of the numbers.
    ///
    /// # Errors
    /// When PostgreSQL is away, or a row is corrupt.
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

    /// How many numbers there are of each kind.
    ///
    /// # Errors
    /// When PostgreSQL is away, or a row is corrupt.
    pub async fn count_numbers(&self) -> Result<Vec<(Verified, i64)>, StoreError> {
        let rows = sqlx::query!(r#"SELECT verified, count(*) AS "count!" FROM business_numbers GROUP BY verified"#)
            .fetch_all(&self.pool)
            .await?;
        rows.into_iter().map(|row| Ok((verified("*", &row.verified)?, row.count))).collect()
    }

    /// The number that has waited longest to be looked up, if one does. It is this worker's for `lease`.
    ///
    /// # Errors
    /// When PostgreSQL is away, or the row is corrupt.
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

    /// Keeps what Twilio has said of a number, and what is to be told of it. `false` where the number has changed hands, or
    /// was found out by somebody else, meanwhile.
    ///
    /// # Errors
    /// When PostgreSQL is away; nothing is kept then.
    pub async fn number_looked_up(
        &self,
        look: &NumberLook,
        found: Verified,
        next_in: Duration,
        told: Option<&OutboxRow>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pool.begin().await?;
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

    /// Twilio has not said: it is asked again later.
    ///
    /// # Errors
    /// When PostgreSQL is away.
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
        .map_err(|_| StoreError::corrupt("business_numbers", format!("…{masked}"), "verified is no word of ours"))
}
