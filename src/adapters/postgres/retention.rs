//! Retention (docs/retention.md): deletes old rows in batches.

use std::time::Duration;

use uuid::Uuid;

use super::{Store, StoreError, transaction};

impl Store {
    /// Deletes at most `limit` conversations without activity for `keep`, with everything that belongs to them; returns
    /// how many. A conversation with a pending timer or a message that is still to be sent stays.
    ///
    /// # Errors
    /// If PostgreSQL is unavailable; then nothing is deleted.
    pub async fn prune_conversations(&self, keep: Duration, limit: i64) -> Result<u64, StoreError> {
        let mut tx = transaction::begin(&self.pool).await?;
        let seconds = keep.as_secs_f64();
        let ids: Vec<Uuid> = sqlx::query_scalar!(
            "SELECT id FROM conversations c
             WHERE last_activity < now() - make_interval(secs => $1) AND next_timer_at IS NULL
               AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.subject_conversation_id = c.id AND m.status IN ('queued', 'sending'))
               -- The record of them goes with them, and young entries of it have to stay.
               AND NOT EXISTS (SELECT 1 FROM audit a WHERE a.conversation_id = c.id AND a.at > now() - interval '100 days')
             ORDER BY last_activity LIMIT $2 FOR UPDATE SKIP LOCKED",
            seconds,
            limit
        )
        .fetch_all(&mut *tx)
        .await?;
        sqlx::query!("DELETE FROM emergency_verdicts WHERE conversation_id = ANY($1)", &ids).execute(&mut *tx).await?;
        sqlx::query!("DELETE FROM messages WHERE subject_conversation_id = ANY($1)", &ids).execute(&mut *tx).await?;
        sqlx::query!("DELETE FROM analyses WHERE conversation_id = ANY($1)", &ids).execute(&mut *tx).await?;
        sqlx::query!("DELETE FROM window_steps WHERE conversation_id = ANY($1)", &ids).execute(&mut *tx).await?;
        sqlx::query!("DELETE FROM windows WHERE conversation_id = ANY($1)", &ids).execute(&mut *tx).await?;
        sqlx::query!("DELETE FROM calls WHERE conversation_id = ANY($1)", &ids).execute(&mut *tx).await?;
        sqlx::query!("DELETE FROM conversations WHERE id = ANY($1)", &ids).execute(&mut *tx).await?;
        sqlx::query_scalar!("SELECT prune_audit($1, make_interval(secs => $2))", &ids, seconds)
            .fetch_one(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(ids.len() as u64)
    }

    /// Deletes at most `limit` calls older than `keep` that belong to no conversation; returns how many.
    pub async fn prune_calls(&self, keep: Duration, limit: i64) -> Result<u64, StoreError> {
        let pruned = sqlx::query!(
            "DELETE FROM calls WHERE id IN (
               SELECT id FROM calls WHERE conversation_id IS NULL AND created_at < now() - make_interval(secs => $1)
               ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
            keep.as_secs_f64(),
            limit
        )
        .execute(&self.pool)
        .await?;
        Ok(pruned.rows_affected())
    }
}
