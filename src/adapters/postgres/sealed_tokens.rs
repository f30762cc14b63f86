//! The encrypted auth tokens of businesses, all of them, for a rotation of the key that encrypts them.

use super::{Store, Stored};

/// The tokens of a business, encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedTokens {
    /// The business: the context of their encryption.
    pub business_id: String,
    /// The token of its own account.
    pub token: Option<Vec<u8>>,
    /// The same token, if Twilio has confirmed it.
    pub proven: Option<Vec<u8>>,
    /// The token that is not in effect yet.
    pub pending: Option<Vec<u8>>,
    /// The key of its own DispatchBot …
    pub dispatchbot_key: Option<Vec<u8>>,
    /// … which is at this URL; the key is bound to it as well.
    pub dispatchbot_url: Option<String>,
    /// The second token of its own account.
    pub next: Option<Vec<u8>>,
}

impl Store {
    /// The next businesses with tokens, in the order of their ids.
    pub async fn sealed_tokens(&self, after: &str, limit: i64) -> Stored<Vec<SealedTokens>> {
        Ok(sqlx::query_as!(
            SealedTokens,
            "SELECT id AS business_id, twilio_auth_token AS token, twilio_proven_token AS proven,
               twilio_pending_auth_token AS pending, twilio_next_auth_token AS next,
               dispatchbot_api_key AS dispatchbot_key, profile #>> '{policy,dispatchbot,url}' AS dispatchbot_url
             FROM businesses
             WHERE id > $1 AND num_nonnulls(twilio_auth_token, twilio_proven_token, twilio_pending_auth_token,
                                            twilio_next_auth_token, dispatchbot_api_key) > 0
             ORDER BY id LIMIT $2",
            after,
            limit
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// The tokens of a business, if it has any.
    pub async fn sealed_tokens_of(&self, business_id: &str) -> Stored<Option<SealedTokens>> {
        Ok(sqlx::query_as!(
            SealedTokens,
            "SELECT id AS business_id, twilio_auth_token AS token, twilio_proven_token AS proven,
               twilio_pending_auth_token AS pending, twilio_next_auth_token AS next,
               dispatchbot_api_key AS dispatchbot_key, profile #>> '{policy,dispatchbot,url}' AS dispatchbot_url
             FROM businesses WHERE id = $1",
            business_id
        )
        .fetch_optional(&self.pool)
        .await?)
    }

    /// Replaces the tokens of a business. `false` if others were put in the meantime.
    pub async fn replace_sealed_tokens(&self, before: &SealedTokens, after: &SealedTokens) -> Stored<bool> {
        let updated = sqlx::query!(
            "UPDATE businesses
             SET twilio_auth_token = $6, twilio_proven_token = $7, twilio_pending_auth_token = $8,
               twilio_next_auth_token = $9, dispatchbot_api_key = $11
             WHERE id = $1 AND twilio_auth_token IS NOT DISTINCT FROM $2
               AND twilio_proven_token IS NOT DISTINCT FROM $3 AND twilio_pending_auth_token IS NOT DISTINCT FROM $4
               AND twilio_next_auth_token IS NOT DISTINCT FROM $5 AND dispatchbot_api_key IS NOT DISTINCT FROM $10",
            before.business_id,
            before.token.as_deref(),
            before.proven.as_deref(),
            before.pending.as_deref(),
            before.next.as_deref(),
            after.token.as_deref(),
            after.proven.as_deref(),
            after.pending.as_deref(),
            after.next.as_deref(),
            before.dispatchbot_key.as_deref(),
            after.dispatchbot_key.as_deref()
        )
        .execute(&self.pool)
        .await?;
        Ok(updated.rows_affected() == 1)
    }
}
