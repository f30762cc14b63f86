//! API keys of the App Server: only their hashes are stored.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Store, StoreError};
use crate::config::Rate;

/// An API key, without its secret.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// The id of the key.
    pub id: Uuid,
    /// The name that the operator gave the key.
    pub name: String,
    /// When the key was created.
    pub created_at: DateTime<Utc>,
    /// When the key was revoked, if it was.
    pub revoked_at: Option<DateTime<Utc>>,
    /// The businesses that the key may access; `None` means all.
    pub business_ids: Option<Vec<String>>,
    /// Whether the key may change anything.
    pub may_write: bool,
    /// Whether the key may add numbers and Twilio accounts to its businesses: the scope `numbers`. See
    /// [`KeyScope::manages_numbers`].
    pub may_manage_numbers: bool,
    /// How many requests it may make, such as `100/min`; `None` means as configured.
    pub rate_limit: Option<String>,
    /// The person whom it belongs to. See [`KeyScope::user_id`].
    pub user_id: Option<String>,
}

/// What a key may access and change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyScope {
    /// The businesses that the key may access; `None` means all.
    pub business_ids: Option<Vec<String>>,
    /// Whether the key may change anything.
    pub may_write: bool,
    /// Whether the key may add numbers and Twilio accounts to its businesses: the scope `numbers`. See
    /// [`KeyScope::manages_numbers`].
    pub may_manage_numbers: bool,
    /// How many requests the key may make; `None` means as configured.
    pub rate: Option<Rate>,
    /// The person whom the key belongs to, by their id in the App Server: they are the `user_id` of its commands. `None` if
    /// its requests name the person.
    pub user_id: Option<String>,
}

impl KeyScope {
    /// The scope that allows everything.
    pub const ALL: Self =
        Self { business_ids: None, may_write: true, may_manage_numbers: true, rate: None, user_id: None };

    /// Whether the key has the scope `numbers`. Every key for all businesses that may write has it.
    pub fn manages_numbers(&self) -> bool {
        self.may_write && (self.may_manage_numbers || self.business_ids.is_none())
    }
}

impl Store {
    /// Stores the hash of a new key; returns the id of the key.
    pub async fn create_api_key(&self, name: &str, hash: &[u8; 32], scope: &KeyScope) -> Result<Uuid, StoreError> {
        let id = Uuid::now_v7();
        sqlx::query!(
            "INSERT INTO api_keys (id, name, hash, business_ids, may_write, may_manage_numbers, rate_limit, user_id)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            id,
            name,
            &hash[..],
            scope.business_ids.as_deref(),
            scope.may_write,
            scope.may_manage_numbers,
            scope.rate.map(|rate| rate.to_string()),
            scope.user_id
        )
        .execute(&self.pool)
        .await?;
        Ok(id)
    }

    /// All keys, oldest first.
    pub async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        Ok(sqlx::query_as!(
            ApiKey,
            "SELECT id, name, created_at, revoked_at, business_ids, may_write, may_manage_numbers, rate_limit, user_id
             FROM api_keys ORDER BY created_at, id"
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Keys after a place, newest first. If businesses are named, only keys that are for none but these.
    pub async fn api_keys_page(
        &self,
        business_ids: Option<&[String]>,
        after: Option<(DateTime<Utc>, Uuid)>,
        limit: i64,
    ) -> Result<Vec<ApiKey>, StoreError> {
        let (after_at, after_id) = after.unzip();
        Ok(sqlx::query_as!(
            ApiKey,
            "SELECT id, name, created_at, revoked_at, business_ids, may_write, may_manage_numbers, rate_limit, user_id
             FROM api_keys
             WHERE ($1::text[] IS NULL OR business_ids <@ $1)
               AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3::uuid))
             ORDER BY created_at DESC, id DESC
             LIMIT $4",
            business_ids,
            after_at,
            after_id,
            limit
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Revokes a key; `false` if there is no such key, or it was revoked before.
    pub async fn revoke_api_key(&self, id: Uuid) -> Result<bool, StoreError> {
        let result = sqlx::query!("UPDATE api_keys SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL", id)
            .execute(&self.pool)
            .await?;
        Ok(result.rows_affected() == 1)
    }

    /// The name of the key with this hash, even if it is revoked; `None` if there is no such key.
    pub async fn api_key_name(&self, hash: &[u8; 32]) -> Result<Option<String>, StoreError> {
        Ok(sqlx::query_scalar!("SELECT name FROM api_keys WHERE hash = $1", &hash[..])
            .fetch_optional(&self.pool)
            .await?)
    }

    /// The hashes of the keys that are not revoked, of at most `limit`: the newest ones.
    pub async fn api_key_hashes(&self, limit: u64) -> Result<Vec<[u8; 32]>, StoreError> {
        let hashes = sqlx::query_scalar!(
            "SELECT hash FROM api_keys WHERE revoked_at IS NULL ORDER BY created_at DESC, id LIMIT $1",
            i64::try_from(limit).unwrap_or(i64::MAX)
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(hashes.into_iter().filter_map(|hash| hash.try_into().ok()).collect())
    }

    /// The scope of the key with this hash; `None` if the key is unknown or revoked.
    pub async fn api_key_scope(&self, hash: &[u8; 32]) -> Result<Option<KeyScope>, StoreError> {
        let found = sqlx::query!(
            "SELECT id, business_ids, may_write, may_manage_numbers, rate_limit, user_id FROM api_keys
             WHERE hash = $1 AND revoked_at IS NULL",
            &hash[..]
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(key) = found else { return Ok(None) };
        let rate = key.rate_limit.as_deref().map(str::parse::<Rate>).transpose();
        let rate = rate.map_err(|error| StoreError::corrupt("api_keys", key.id, error))?;
        let (business_ids, may_write, may_manage_numbers) = (key.business_ids, key.may_write, key.may_manage_numbers);
        Ok(Some(KeyScope { business_ids, may_write, may_manage_numbers, rate, user_id: key.user_id }))
    }
}
