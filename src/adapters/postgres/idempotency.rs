//! Requests that carry an `Idempotency-Key`: who comes first, and what was answered.

use super::{Store, StoreError};

/// A request that never answered is somebody else's to carry out after this time.
const ABANDONED: &str = "1 minute";

/// What is known of a request when it comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Once {
    /// It is the first: carry it out.
    First,
    /// The first one is still under way.
    UnderWay,
    /// The key was used for another request.
    Other,
    /// It was answered before.
    Answered {
        /// The status.
        status: u16,
        /// The body.
        body: String,
    },
}

impl Store {
    /// Claims a request, or says what is known of it.
    ///
    /// # Errors
    /// When PostgreSQL is away.
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
            None => Once::UnderWay, // given back this very moment
        })
    }

    /// Keeps the answer.
    ///
    /// # Errors
    /// When PostgreSQL is away: the request may then come again, and changes nothing more.
    pub async fn finish_once(&self, key: &[u8], status: u16, body: &str) -> Result<(), StoreError> {
        let status = i16::try_from(status).unwrap_or(i16::MAX);
        sqlx::query!("UPDATE idempotency SET status = $2, body = $3 WHERE key = $1", key, status, body)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Gives a request back: it may be tried again.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn forget_once(&self, key: &[u8]) -> Result<(), StoreError> {
        sqlx::query!("DELETE FROM idempotency WHERE key = $1 AND status IS NULL", key).execute(&self.pool).await?;
        Ok(())
    }

    /// Forgets answers that are more than a day old.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn prune_idempotency(&self) -> Result<u64, StoreError> {
        let pruned = sqlx::query!("DELETE FROM idempotency WHERE claimed_at < now() - interval '1 day'")
            .execute(&self.pool)
            .await?;
        Ok(pruned.rows_affected())
    }
}
