//! Businesses: what the App Server put, and whose number is whose.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::business_changes::BusinessChange;
use super::{Store, StoreError};
use crate::phone::PhoneNumber;

/// A business as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct BusinessRecord {
    /// As the App Server names it.
    pub id: String,
    /// Its whole public document (contract, section 3), without any auth token.
    pub profile: Value,
    /// Its own Twilio account, if it brings one.
    pub twilio_account_sid: Option<String>,
    /// That account's token, encrypted.
    pub twilio_auth_token: Option<Vec<u8>>,
    /// When it was first put.
    pub created_at: DateTime<Utc>,
    /// When it was last put.
    pub updated_at: DateTime<Utc>,
}

/// A business to be kept.
#[derive(Debug)]
pub struct BusinessWrite<'a> {
    /// As the App Server names it.
    pub id: &'a str,
    /// What customers know it by.
    pub name: &'a str,
    /// Its owner, as the App Server names them.
    pub user_id: &'a str,
    /// Where its calls are forwarded to.
    pub forward_to: &'a PhoneNumber,
    /// Its numbers.
    pub phone_numbers: &'a [PhoneNumber],
    /// Who is told of an emergency when the owner does not answer.
    pub emergency_contacts: &'a [PhoneNumber],
    /// Whether whoever puts it may add numbers or an account, and whether phones that are new count at once: the scope
    /// `numbers`.
    pub may_manage_numbers: bool,
    /// Its whole public document.
    pub profile: &'a Value,
    /// Its own Twilio account, if it brings one.
    pub twilio_account_sid: Option<&'a str>,
    /// That account's token, encrypted; none keeps the one that is there, as long as the account is the same.
    pub twilio_auth_token: Option<&'a [u8]>,
}

/// A token that a signature of a Twilio account may be made with.
#[derive(Debug, Clone)]
pub struct SigningKey {
    /// The business: the context of the encryption.
    pub business_id: String,
    /// The token, encrypted.
    pub sealed: Vec<u8>,
}

impl Store {
    /// Keeps a business, and takes its numbers.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where a number belongs to another business, [`StoreError::Forbidden`] where it says more
    /// than whoever puts it may, [`StoreError::Invalid`] where it has too many numbers or calls would never arrive;
    /// otherwise when PostgreSQL is away.
    pub async fn put_business(&self, b: &BusinessWrite<'_>) -> Result<BusinessRecord, StoreError> {
        let mut tx = self.pool.begin().await?;
        let put = BusinessChange::judged(&mut tx, b).await?;
        let phones: Vec<String> = b.phone_numbers.iter().map(|p| p.as_str().to_owned()).collect();
        let record = sqlx::query_as!(
            BusinessRecord,
            r#"INSERT INTO businesses AS old
                 (id, name, user_id, forward_to, profile, twilio_account_sid, twilio_auth_token)
               VALUES ($1, $2, $3, $4, $5, $6, $7)
               ON CONFLICT (id) DO UPDATE SET name = excluded.name, user_id = excluded.user_id,
                 forward_to = excluded.forward_to, profile = excluded.profile,
                 twilio_account_sid = excluded.twilio_account_sid,
                 twilio_auth_token = CASE
                   WHEN excluded.twilio_account_sid IS NULL THEN NULL
                   WHEN excluded.twilio_auth_token IS NOT NULL THEN excluded.twilio_auth_token
                   WHEN excluded.twilio_account_sid = old.twilio_account_sid THEN old.twilio_auth_token
                 END,
                 updated_at = now()
               RETURNING id, profile, twilio_account_sid, twilio_auth_token, created_at, updated_at"#,
            b.id,
            b.name,
            b.user_id,
            put.forward_to,
            put.profile,
            b.twilio_account_sid,
            b.twilio_auth_token
        )
        .fetch_one(&mut *tx)
        .await?;
        sqlx::query!("DELETE FROM business_numbers WHERE business_id = $1 AND NOT phone = ANY($2)", b.id, &phones)
            .execute(&mut *tx)
            .await?;
        sqlx::query!(
            "INSERT INTO business_numbers (phone, business_id) SELECT unnest($1::text[]), $2 ON CONFLICT (phone) DO NOTHING",
            &phones,
            b.id
        )
        .execute(&mut *tx)
        .await?;
        let foreign = sqlx::query_scalar!(
            "SELECT phone FROM business_numbers WHERE phone = ANY($1) AND business_id <> $2 ORDER BY phone",
            &phones,
            b.id
        )
        .fetch_all(&mut *tx)
        .await?;
        if !foreign.is_empty() {
            return Err(StoreError::Conflict(format!(
                "phone_numbers: {} belong to another business",
                foreign.join(", ")
            )));
        }
        put.settled(&mut tx, b, record.updated_at).await?;
        tx.commit().await?;
        Ok(record)
    }

    /// One business.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn business(&self, id: &str) -> Result<Option<BusinessRecord>, StoreError> {
        Ok(sqlx::query_as!(
            BusinessRecord,
            "SELECT id, profile, twilio_account_sid, twilio_auth_token, created_at, updated_at FROM businesses WHERE id = $1",
            id
        )
        .fetch_optional(&self.pool)
        .await?)
    }

    /// The business that a number belongs to.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn business_by_phone(&self, phone: &PhoneNumber) -> Result<Option<BusinessRecord>, StoreError> {
        Ok(sqlx::query_as!(
            BusinessRecord,
            r#"SELECT b.id, b.profile, b.twilio_account_sid, b.twilio_auth_token, b.created_at, b.updated_at
               FROM business_numbers n JOIN businesses b ON b.id = n.business_id WHERE n.phone = $1"#,
            phone.as_str()
        )
        .fetch_optional(&self.pool)
        .await?)
    }

    /// Businesses in the order of their ids, after `after`; of these only, where `among` names any.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn businesses(
        &self,
        among: Option<&[String]>,
        after: Option<&str>,
        limit: i64,
    ) -> Result<Vec<BusinessRecord>, StoreError> {
        Ok(sqlx::query_as!(
            BusinessRecord,
            r#"SELECT id, profile, twilio_account_sid, twilio_auth_token, created_at, updated_at FROM businesses
               WHERE ($1::text IS NULL OR id > $1) AND ($3::text[] IS NULL OR id = ANY($3)) ORDER BY id LIMIT $2"#,
            after,
            limit,
            among
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// All businesses.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn all_businesses(&self) -> Result<Vec<BusinessRecord>, StoreError> {
        Ok(sqlx::query_as!(
            BusinessRecord,
            "SELECT id, profile, twilio_account_sid, twilio_auth_token, created_at, updated_at FROM businesses ORDER BY id"
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Forgets a business and gives its numbers back; its conversations stay. `false` where there is none.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn delete_business(&self, id: &str) -> Result<bool, StoreError> {
        let result = sqlx::query!("DELETE FROM businesses WHERE id = $1", id).execute(&self.pool).await?;
        Ok(result.rows_affected() == 1)
    }

    /// The tokens that businesses have left for a Twilio account.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn signing_keys(&self, account_sid: &str) -> Result<Vec<SigningKey>, StoreError> {
        Ok(sqlx::query_as!(
            SigningKey,
            r#"SELECT id AS business_id, twilio_auth_token AS "sealed!" FROM businesses
               WHERE twilio_account_sid = $1 AND twilio_auth_token IS NOT NULL"#,
            account_sid
        )
        .fetch_all(&self.pool)
        .await?)
    }
}
