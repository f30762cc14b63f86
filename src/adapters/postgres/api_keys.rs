//! Keys of the App Server: only their hashes are kept.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Store, StoreError};

/// A key, without what opens the door.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// Its id.
    pub id: Uuid,
    /// What the operator calls it.
    pub name: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<DateTime<Utc>>,
    /// The businesses that it is for; `None`: all.
    pub business_ids: Option<Vec<String>>,
    /// Whether it may change anything.
    pub may_write: bool,
    /// Whether it may add numbers to its businesses, and Twilio accounts: the scope `numbers`. See
    /// [`KeyScope::manages_numbers`].
    pub may_manage_numbers: bool,
}

/// What a key is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyScope {
    /// The businesses that it is for; `None`: all.
    pub business_ids: Option<Vec<String>>,
    /// Whether it may change anything.
    pub may_write: bool,
    /// Whether it may add numbers to its businesses, and Twilio accounts: the scope `numbers`. See
    /// [`KeyScope::manages_numbers`].
    pub may_manage_numbers: bool,
}

impl KeyScope {
    /// Everything.
    pub const ALL: Self = Self { business_ids: None, may_write: true, may_manage_numbers: true };

    /// Whether it has the scope `numbers`: as every key for all businesses has that may write.
    pub fn manages_numbers(&self) -> bool {
        self.may_write && (self.may_manage_numbers || self.business_ids.is_none())
    }
}

impl Store {
    /// Keeps a new key's hash.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn create_api_key(&self, name: &str, hash: &[u8; 32], scope: &KeyScope) -> Result<Uuid, StoreError> {
        let id = Uuid::now_v7();
        sqlx::query!(
            "INSERT INTO api_keys (id, name, hash, business_ids, may_write, may_manage_numbers)
             VALUES ($1, $2, $3, $4, $5, $6)",
            id,
            name,
            &hash[..],
            scope.business_ids.as_deref(),
            scope.may_write,
            scope.may_manage_numbers
        )
        .execute(&self.pool)
        .await?;
        Ok(id)
    }

    /// All keys, oldest first.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        Ok(sqlx::query_as!(
            ApiKey,
            "SELECT id, name, created_at, revoked_at, business_ids, may_write, may_manage_numbers
             FROM api_keys ORDER BY created_at, id"
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Revokes a key; `false` where there is no such key, or it was revoked before.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn revoke_api_key(&self, id: Uuid) -> Result<bool, StoreError> {
        let result = sqlx::query!("UPDATE api_keys SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL", id)
            .execute(&self.pool)
            .await?;
        Ok(result.rows_affected() == 1)
    }

    /// What the operator calls the key with this hash; `None` where it is none of ours.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn api_key_name(&self, hash: &[u8; 32]) -> Result<Option<String>, StoreError> {
        Ok(sqlx::query_scalar!("SELECT name FROM api_keys WHERE hash = $1", &hash[..])
            .fetch_optional(&self.pool)
            .await?)
    }

    /// What a key with this hash is good for; `None` where it is unknown or revoked.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn api_key_scope(&self, hash: &[u8; 32]) -> Result<Option<KeyScope>, StoreError> {
        Ok(sqlx::query_as!(
            KeyScope,
            "SELECT business_ids, may_write, may_manage_numbers FROM api_keys WHERE hash = $1 AND revoked_at IS NULL",
            &hash[..]
        )
        .fetch_optional(&self.pool)
        .await?)
    }
}
