//! Alerts that did not arrive.

use super::{Store, StoreError};

/// Owners and contacts whom no alert reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnreachedAlerts {
    /// Numbers whose newest alert of the last 30 days failed, or was not delivered.
    pub unreachable: i64,
    /// Those among them that have opted out of the business's texts at Twilio (21610).
    pub opted_out: i64,
}

impl Store {
    /// Whom the newest alert did not reach, within the last 30 days. A number counts until an alert to it arrives.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn unreached_alerts(&self) -> Result<UnreachedAlerts, StoreError> {
        let row = sqlx::query!(
            r#"SELECT count(*) AS "unreachable!", count(*) FILTER (WHERE error_code = 21610) AS "opted_out!"
               FROM (
                   SELECT DISTINCT ON (recipient) status, error_code
                   FROM messages
                   WHERE kind = 'alert' AND created_at > now() - interval '30 days'
                     AND status IN ('sent', 'delivered', 'undelivered', 'failed')
                   ORDER BY recipient, created_at DESC, id DESC
               ) AS newest
               WHERE status IN ('undelivered', 'failed')"#
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(UnreachedAlerts { unreachable: row.unreachable, opted_out: row.opted_out })
    }
}
