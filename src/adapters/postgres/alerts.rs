//! Alerts that were not delivered.

use super::{Store, StoreError};

/// Counts of owners and emergency contacts whom alerts do not reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnreachedAlerts {
    /// Numbers whose newest alert of the last 30 days failed or was not delivered, or that opted out.
    pub unreachable: i64,
    /// Those of them that opted out of the business's texts: Twilio said so (error 21610), or they texted STOP.
    pub opted_out: i64,
}

impl Store {
    /// Counts the numbers that their newest alert of the last 30 days did not reach, and those that want no texts. A number
    /// counts until an alert reaches it, or it wants texts again.
    pub async fn unreached_alerts(&self) -> Result<UnreachedAlerts, StoreError> {
        let row = sqlx::query!(
            r#"SELECT count(*) AS "unreachable!", count(*) FILTER (WHERE is_out) AS "opted_out!"
               FROM (
                 SELECT phone, bool_or(is_out) AS is_out FROM (
                   SELECT recipient AS phone, coalesce(error_code = 21610, false) AS is_out
                   FROM (
                       SELECT DISTINCT ON (recipient) recipient, status, error_code
                       FROM messages
                       WHERE kind = 'alert' AND created_at > now() - interval '30 days'
                         AND status IN ('sent', 'delivered', 'undelivered', 'failed')
                       ORDER BY recipient, created_at DESC, id DESC
                   ) AS newest
                   WHERE status IN ('undelivered', 'failed')
                   UNION ALL
                   SELECT customer_phone, true FROM opt_outs WHERE by = 'own_side'
                 ) AS unreached GROUP BY phone
               ) AS phones"#
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(UnreachedAlerts { unreachable: row.unreachable, opted_out: row.opted_out })
    }
}
