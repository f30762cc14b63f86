//! The Twilio accounts of businesses: which tokens are in effect, and which Twilio must still confirm (migrations 16
//! and 46).

use sqlx::PgConnection;

use super::businesses::{AccountWrite, BusinessRecord, NextTokenWrite, select_businesses};
use super::{Store, StoreError, transaction};

/// A token with which a Twilio account may have signed a webhook.
#[derive(Debug, Clone)]
pub struct SigningKey {
    /// The business that stored the token: the context of its encryption, and the business that its signatures prove.
    pub business_id: String,
    /// The encrypted token.
    pub sealed: Vec<u8>,
}

/// An account whose token Twilio must still confirm.
#[derive(Debug, Clone)]
pub struct UnprovenAccount {
    /// The business that stored the account.
    pub business_id: String,
    /// The account SID (`AC…`).
    pub account_sid: String,
    /// The encrypted token of the account.
    pub sealed: Vec<u8>,
}

/// Stores the account of a PUT of a business.
pub(super) async fn write(
    tx: &mut PgConnection,
    business_id: &str,
    account: AccountWrite<'_>,
) -> Result<(), StoreError> {
    let written = match account {
        AccountWrite::Main => {
            sqlx::query!(
                "UPDATE businesses SET twilio_account_sid = NULL, twilio_auth_token = NULL, twilio_proven_token = NULL,
                   twilio_checked_at = NULL, twilio_pending_account_sid = NULL, twilio_pending_auth_token = NULL,
                   twilio_refused_at = NULL
                 WHERE id = $1",
                business_id
            )
            .execute(tx)
            .await
        }
        AccountWrite::Unchanged => {
            sqlx::query!(
                "UPDATE businesses SET twilio_pending_account_sid = NULL, twilio_pending_auth_token = NULL,
                   twilio_refused_at = NULL
                 WHERE id = $1",
                business_id
            )
            .execute(tx)
            .await
        }
        AccountWrite::Proven { account_sid, sealed } => {
            sqlx::query!(
                "UPDATE businesses SET twilio_account_sid = $2, twilio_auth_token = $3, twilio_proven_token = $3,
                   twilio_checked_at = now(), twilio_pending_account_sid = NULL, twilio_pending_auth_token = NULL,
                   twilio_refused_at = NULL
                 WHERE id = $1",
                business_id,
                account_sid,
                sealed
            )
            .execute(tx)
            .await
        }
        AccountWrite::Pending { account_sid, sealed } => {
            sqlx::query!(
                "UPDATE businesses SET twilio_pending_account_sid = $2, twilio_pending_auth_token = $3,
                   twilio_refused_at = NULL
                 WHERE id = $1",
                business_id,
                account_sid,
                sealed
            )
            .execute(tx)
            .await
        }
    };
    written?;
    Ok(())
}

/// Stores the second token of a PUT of a business, after its account. A token of another account than the business has
/// now is removed.
pub(super) async fn write_next_token(
    tx: &mut PgConnection,
    business_id: &str,
    token: NextTokenWrite<'_>,
) -> Result<(), StoreError> {
    let (account_sid, sealed) = match token {
        NextTokenWrite::Unchanged => {
            sqlx::query!(
                "UPDATE businesses SET twilio_next_account_sid = NULL, twilio_next_auth_token = NULL
                 WHERE id = $1 AND twilio_next_account_sid IS NOT NULL
                   AND twilio_next_account_sid IS DISTINCT FROM twilio_account_sid
                   AND twilio_next_account_sid IS DISTINCT FROM twilio_pending_account_sid",
                business_id
            )
            .execute(tx)
            .await?;
            return Ok(());
        }
        NextTokenWrite::None => (None, None),
        NextTokenWrite::Proven { account_sid, sealed } => (Some(account_sid), Some(sealed)),
    };
    sqlx::query!(
        "UPDATE businesses SET twilio_next_account_sid = $2, twilio_next_auth_token = $3 WHERE id = $1",
        business_id,
        account_sid,
        sealed
    )
    .execute(tx)
    .await?;
    Ok(())
}

impl Store {
    /// The confirmed tokens of a Twilio account, each with the business that stored it: its token, and its second one.
    pub async fn signing_keys(&self, account_sid: &str) -> Result<Vec<SigningKey>, StoreError> {
        Ok(sqlx::query_as!(
            SigningKey,
            r#"SELECT b.id AS business_id, tokens.sealed AS "sealed!"
               FROM businesses b CROSS JOIN LATERAL (VALUES
                 (1, b.twilio_auth_token),
                 (2, CASE WHEN b.twilio_next_account_sid = b.twilio_account_sid THEN b.twilio_next_auth_token END)
               ) AS tokens (place, sealed)
               WHERE b.twilio_account_sid = $1 AND b.twilio_proven_token = b.twilio_auth_token
                 AND tokens.sealed IS NOT NULL
               ORDER BY b.id, tokens.place"#,
            account_sid
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Businesses other than `business_id` that have this account with a confirmed token.
    pub async fn others_with_account(
        &self,
        business_id: &str,
        account_sid: &str,
    ) -> Result<Vec<BusinessRecord>, StoreError> {
        Ok(select_businesses!(
            "FROM businesses b WHERE b.twilio_account_sid = $1 AND b.id <> $2
               AND b.twilio_proven_token = b.twilio_auth_token ORDER BY b.id",
            account_sid,
            business_id
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Accounts whose tokens Twilio must still confirm.
    pub async fn unproven_accounts(&self, limit: i64) -> Result<Vec<UnprovenAccount>, StoreError> {
        Ok(sqlx::query_as!(
            UnprovenAccount,
            r#"SELECT id AS business_id,
                 CASE WHEN twilio_pending_auth_token IS NULL THEN twilio_account_sid ELSE twilio_pending_account_sid END
                   AS "account_sid!",
                 coalesce(twilio_pending_auth_token, twilio_auth_token) AS "sealed!"
               FROM businesses
               WHERE (twilio_pending_auth_token IS NOT NULL AND twilio_refused_at IS NULL)
                  OR (twilio_auth_token IS NOT NULL
                      AND (twilio_checked_at IS NULL OR twilio_proven_token IS DISTINCT FROM twilio_auth_token))
               ORDER BY id LIMIT $1"#,
            limit
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Puts an account into effect after Twilio confirmed its token. `false` if another token was put in the meantime.
    pub async fn account_is_proven(&self, account: &UnprovenAccount) -> Result<bool, StoreError> {
        let mut tx = transaction::begin(&self.pool).await?;
        let updated = sqlx::query!(
            "UPDATE businesses SET twilio_account_sid = $2, twilio_auth_token = $3, twilio_proven_token = $3,
               twilio_checked_at = now(), twilio_pending_auth_token = NULL, twilio_refused_at = NULL,
               twilio_pending_account_sid =
                 CASE WHEN twilio_pending_auth_token IS NULL THEN twilio_pending_account_sid END
             WHERE id = $1 AND coalesce(twilio_pending_auth_token, twilio_auth_token) = $3",
            account.business_id,
            account.account_sid,
            account.sealed
        )
        .execute(&mut *tx)
        .await?;
        let is_current = updated.rows_affected() == 1;
        if is_current {
            super::business_numbers::of_another_account(&mut tx, &account.business_id).await?;
        }
        tx.commit().await?;
        Ok(is_current)
    }

    /// Records that Twilio refused this token: the account is not in effect, even if it was before. `false` if another
    /// token was put in the meantime.
    pub async fn account_is_refused(&self, account: &UnprovenAccount) -> Result<bool, StoreError> {
        let updated = sqlx::query!(
            "UPDATE businesses SET
               twilio_pending_account_sid = $2, twilio_pending_auth_token = $3, twilio_refused_at = now(),
               twilio_account_sid = CASE WHEN twilio_auth_token = $3 THEN NULL ELSE twilio_account_sid END,
               twilio_next_account_sid = CASE WHEN twilio_auth_token = $3 THEN NULL ELSE twilio_next_account_sid END,
               twilio_next_auth_token = CASE WHEN twilio_auth_token = $3 THEN NULL ELSE twilio_next_auth_token END,
               twilio_proven_token = CASE WHEN twilio_auth_token = $3 THEN NULL ELSE twilio_proven_token END,
               twilio_auth_token = CASE WHEN twilio_auth_token = $3 THEN NULL ELSE twilio_auth_token END
             WHERE id = $1 AND $3 IN (twilio_pending_auth_token, twilio_auth_token)",
            account.business_id,
            account.account_sid,
            account.sealed
        )
        .execute(&self.pool)
        .await?;
        Ok(updated.rows_affected() == 1)
    }
}
