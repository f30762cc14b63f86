//! Alerts: those that were not delivered, and those that a phone may answer.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Store, StoreError};
use crate::domain::phone::PhoneNumber;

/// Counts of owners and emergency contacts whom alerts do not reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnreachedAlerts {
    /// Numbers whose newest alert of the last 30 days failed or was not delivered, or that opted out.
    pub unreachable: i64,
    /// Those of them that opted out of the business's texts: Twilio said so (error 21610), or they texted STOP.
    pub opted_out: i64,
}

/// How many of the conversations that a phone was alerted to are read at most.
const MOST_ALERTS: i64 = 50;

impl Store {
    /// The conversations of a business about which an alert was written to the phone after `since`, that with the newest
    /// alert first; at most 50.
    pub async fn alerted_conversations(
        &self,
        business_id: &str,
        phone: &PhoneNumber,
        since: DateTime<Utc>,
    ) -> Result<Vec<Uuid>, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT c.id FROM messages m JOIN conversations c ON c.id = m.subject_conversation_id
               WHERE m.kind = 'alert' AND m.recipient = $2 AND m.created_at > $3 AND c.business_id = $1
               GROUP BY c.id ORDER BY max(m.created_at) DESC, c.id LIMIT $4"#,
            business_id,
            phone.as_str(),
            since,
            MOST_ALERTS
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Counts the numbers that their newest alert of the last 30 days did not reach, and those of owners and contacts that want no
    /// texts. A number counts until an alert reaches it, it wants texts again, or it is no longer the business's.
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
                   SELECT o.customer_phone, true
                   FROM opt_outs o JOIN businesses b ON b.id = o.business_id
                   WHERE o.by = 'own_side' AND o.customer_phone = ANY(b.forward_to || ARRAY(
                     SELECT jsonb_array_elements_text(coalesce(b.profile->'emergency_contacts', '[]'))))
                 ) AS unreached GROUP BY phone
               ) AS phones"#
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(UnreachedAlerts { unreachable: row.unreachable, opted_out: row.opted_out })
    }
}
