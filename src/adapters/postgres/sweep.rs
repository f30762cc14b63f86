//! Queries of the sweeper: overdue timers, and rows that are no longer needed.

use super::{Store, StoreError};
use crate::store::{Overdue, ReleasedConversation};

impl Store {
    /// Open conversations of numbers that their business has given up, and has not taken back since.
    pub async fn conversations_of_released_numbers(&self, limit: i64) -> Result<Vec<ReleasedConversation>, StoreError> {
        Ok(sqlx::query_as!(
            ReleasedConversation,
            // Few numbers are given up, and a planner that does not know it walks through all conversations. `OFFSET`
            // makes it look up those of each number.
            "SELECT c.id AS conversation_id, r.released_at
             FROM released_numbers r CROSS JOIN LATERAL (
               SELECT id FROM conversations c
               WHERE c.business_id = r.business_id AND c.business_phone = r.phone AND c.status <> 'completed' OFFSET 0
             ) c
             WHERE NOT EXISTS (SELECT 1 FROM business_numbers n WHERE n.phone = r.phone AND n.business_id = r.business_id)
             ORDER BY c.id LIMIT $1",
            limit
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Deletes the records of numbers that were given up more than a minute ago, if a number has no open conversation
    /// or belongs to its business again.
    pub async fn forget_released_numbers(&self) -> Result<u64, StoreError> {
        let deleted = sqlx::query!(
            "DELETE FROM released_numbers r
             WHERE r.released_at < now() - interval '1 minute'
               AND (NOT EXISTS (SELECT 1 FROM conversations c WHERE c.business_id = r.business_id
                                  AND c.business_phone = r.phone AND c.status <> 'completed')
                    OR EXISTS (SELECT 1 FROM business_numbers n WHERE n.phone = r.phone AND n.business_id = r.business_id))"
        )
        .execute(&self.pool)
        .await?;
        Ok(deleted.rows_affected())
    }

    /// Conversations whose timer has been overdue for more than `by_seconds`, longest overdue first.
    pub async fn overdue_windows(&self, by_seconds: f64, limit: i64) -> Result<Vec<Overdue>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT id AS "id!", min(at) AS "deadline!" FROM (
                 (SELECT id, next_timer_at AS at FROM conversations
                  WHERE next_timer_at < now() - make_interval(secs => $1) ORDER BY next_timer_at LIMIT $2)
                 UNION ALL
                 (SELECT id, idle_at FROM conversations
                  WHERE idle_at < now() - make_interval(secs => $1) ORDER BY idle_at LIMIT $2)
               ) overdue GROUP BY id ORDER BY min(at) LIMIT $2"#,
            by_seconds,
            limit
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| Overdue { conversation_id: row.id, deadline: row.deadline }).collect())
    }

    /// Deletes effects that were published more than a day ago, and inputs older than `inbox_days`, which must exceed
    /// the time in which an input can arrive again.
    pub async fn prune(&self, inbox_days: i32) -> Result<u64, StoreError> {
        let outbox = sqlx::query!("DELETE FROM outbox WHERE published_at < now() - interval '1 day'")
            .execute(&self.pool)
            .await?;
        let inbox = sqlx::query!("DELETE FROM inbox WHERE created_at < now() - make_interval(days => $1)", inbox_days)
            .execute(&self.pool)
            .await?;
        let days = sqlx::query!("DELETE FROM day_use WHERE day < current_date - 35").execute(&self.pool).await?;
        let texts =
            sqlx::query!("DELETE FROM owner_texts WHERE created_at < now() - make_interval(days => $1)", inbox_days)
                .execute(&self.pool)
                .await?;
        let codes = sqlx::query!("DELETE FROM owner_codes WHERE given_back_at < now() - interval '2 days'")
            .execute(&self.pool)
            .await?;
        let owners = texts.rows_affected() + codes.rows_affected();
        Ok(outbox.rows_affected() + inbox.rows_affected() + days.rows_affected() + owners)
    }
}
