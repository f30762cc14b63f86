//! Requests with an `Idempotency-Key`: which came first, and how it was answered.

use super::{Store, StoreError};

/// The time after which a retry may be processed if the first request was never answered.
const ABANDONED: &str = "1 minute";

/// The state of a request when it arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Once {
    /// It is the first with its key: process it.
    First,
    /// The first request is still in progress.
    UnderWay,
    /// The key was used for another request.
    Other,
    /// The request was answered before.
    Answered {
        /// The HTTP status of the answer.
        status: u16,
        /// The body of the answer.
        body: String,
    },
}

impl Store {
    /// Reserves a request for processing, or returns its state.
    pub async fn begin_once(&self, key: &[u8], fingerprint: &[u8]) -> Result<Once, StoreError> {
        let claimed = sqlx::query!(
            "INSERT INTO idempotency (key, fingerprint) VALUES ($1, $2)
             ON CONFLICT (key) DO UPDATE SET claimed_at = now()
             WHERE idempotency.status IS NULL AND idempotency.fingerprint = $2
               AND idempotency.claimed_at < now() - $3::text::interval",
            key,
            fingerprint,
            ABANDONED
        )
        .execute(&self.pool)
        .await?;
        if claimed.rows_affected() == 1 {
            return Ok(Once::First);
        }
        let known = sqlx::query!("SELECT fingerprint, status, body FROM idempotency WHERE key = $1", key)
            .fetch_optional(&self.pool)
            .await?;
        Ok(match known {
            Some(row) if row.fingerprint != fingerprint => Once::Other,
            Some(row) => match (row.status.and_then(|status| u16::try_from(status).ok()), row.body) {
                (Some(status), Some(body)) => Once::Answered { status, body },
                _ => Once::UnderWay,
            },
            None => Once::UnderWay, // deleted between the two statements
        })
    }

    /// Stores the answer.
    ///
    /// # Errors
    /// If PostgreSQL is unavailable: the request may then be repeated, and changes nothing more.
    pub async fn finish_once(&self, key: &[u8], status: u16, body: &str) -> Result<(), StoreError> {
        let status = i16::try_from(status).unwrap_or(i16::MAX);
        sqlx::query!("UPDATE idempotency SET status = $2, body = $3 WHERE key = $1", key, status, body)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Deletes a request that was not answered, so that it may be retried.
    pub async fn forget_once(&self, key: &[u8]) -> Result<(), StoreError> {
        sqlx::query!("DELETE FROM idempotency WHERE key = $1 AND status IS NULL", key).execute(&self.pool).await?;
        Ok(())
    }

    /// Deletes answers to requests that are more than a day old.
    pub async fn prune_idempotency(&self) -> Result<u64, StoreError> {
        let pruned = sqlx::query!("DELETE FROM idempotency WHERE claimed_at < now() - interval '1 day'")
            .execute(&self.pool)
            .await?;
        Ok(pruned.rows_affected())
    }
}
