//! Alerts that were not delivered.

use super::{Store, StoreError};

/// Counts of owners and emergency contacts whom alerts do not reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnreachedAlerts {
    /// Numbers whose newest alert of the last 30 days failed or was not delivered.
    pub unreachable: i64,
    /// Those of them that opted out of the business's texts at Twilio (error 21610).
    pub opted_out: i64,
}

impl Store {
    /// Counts the numbers that their newest alert of the last 30 days did not reach. A number counts until an alert
    /// reaches it.
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
