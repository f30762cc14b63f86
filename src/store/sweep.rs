//! What the sweeper looks for: timers that are stuck, and rows that have done their duty.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Store, StoreError};

/// A conversation whose timer, for its window or for an alert, should have fired.
#[derive(Debug, Clone, Copy)]
pub struct Overdue {
    /// The conversation.
    pub conversation_id: Uuid,
    /// When it was to be looked at again.
    pub deadline: DateTime<Utc>,
}

impl Store {
    /// Conversations whose open window should have closed `by_seconds` ago.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn overdue_windows(&self, by_seconds: f64, limit: i64) -> Result<Vec<Overdue>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT id, window_deadline AS "deadline!" FROM conversations
               WHERE window_deadline < now() - make_interval(secs => $1) ORDER BY window_deadline LIMIT $2"#,
            by_seconds,
            limit
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| Overdue { conversation_id: row.id, deadline: row.deadline }).collect())
    }

    /// Deletes published effects older than a day, and inputs older than `inbox_days`, which must exceed the time that an
    /// input can come again.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn prune(&self, inbox_days: i32) -> Result<u64, StoreError> {
        let outbox = sqlx::query!("DELETE FROM outbox WHERE published_at < now() - interval '1 day'")
            .execute(&self.pool)
            .await?;
        let inbox = sqlx::query!("DELETE FROM inbox WHERE created_at < now() - make_interval(days => $1)", inbox_days)
            .execute(&self.pool)
            .await?;
        Ok(outbox.rows_affected() + inbox.rows_affected())
    }
}
