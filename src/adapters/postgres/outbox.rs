//! The outbox: committed effects that wait to be published to JetStream. Each key is drained in order, by one task at a
//! time.

use std::collections::BTreeMap;

use sqlx::types::Json;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use uuid::Uuid;

use super::batched::Rows;
use super::{Store, StoreError, Stored, transaction};
use crate::store::{OutboxRow, WaitingRow};

/// Adds an effect to the outbox in this transaction.
pub(super) async fn write(tx: &mut PgConnection, row: &OutboxRow) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO outbox (key, subject, message_id, headers, payload) VALUES ($1, $2, $3, $4, $5)",
        row.key,
        row.subject,
        row.message_id,
        Json(&row.headers) as _,
        row.payload
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Deletes published rows in this transaction. A row that another task has locked is left to it: it publishes it again,
/// under the same id, and deletes it.
pub(super) async fn delete(tx: &mut PgConnection, published: &[i64]) -> Result<(), StoreError> {
    if published.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE id = ANY($1) ORDER BY id FOR UPDATE SKIP LOCKED)",
        published
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The waiting rows of a key, locked until the published ones are deleted or this is dropped.
#[derive(Debug)]
pub struct OutboxBatch {
    tx: Transaction<'static, Postgres>,
    /// The rows, in the order of their commit.
    pub rows: Vec<WaitingRow>,
}

impl OutboxBatch {
    /// Deletes the first `count` rows, which are published, and releases the lock.
    ///
    /// # Errors
    /// If PostgreSQL is unavailable: the rows will be published again, with the same ids.
    pub async fn published(mut self, count: usize) -> Result<(), StoreError> {
        let ids: Vec<i64> = self.rows.iter().take(count).map(|row| row.id).collect();
        sqlx::query!("DELETE FROM outbox WHERE id = ANY($1)", &ids).execute(&mut *self.tx).await?;
        self.tx.commit().await?;
        Ok(())
    }
}

impl Store {
    /// Locks the waiting rows of a key; waits while another task drains it.
    pub async fn drain(&self, key: Uuid) -> Result<OutboxBatch, StoreError> {
        let mut tx = transaction::begin(&self.pool).await?;
        let rows = sqlx::query!(
            r#"SELECT id, subject, message_id, headers AS "headers: Json<BTreeMap<String, String>>", payload
               FROM outbox WHERE key = $1 AND published_at IS NULL ORDER BY id FOR UPDATE"#,
            key
        )
        .fetch_all(&mut *tx)
        .await?
        .into_iter()
        .map(|row| WaitingRow {
            id: row.id,
            key,
            subject: row.subject,
            message_id: row.message_id,
            headers: row.headers.0,
            payload: row.payload,
        })
        .collect();
        Ok(OutboxBatch { tx, rows })
    }

    /// Whether effects wait under a key.
    pub async fn has_waiting_effects(&self, key: Uuid) -> Result<bool, StoreError> {
        Ok(self.statements.waiting_effects.one(key).await?.is_some())
    }

    /// Keys whose oldest waiting row is older than `older_than_seconds`.
    pub async fn stale_outbox_keys(&self, older_than_seconds: f64, limit: i64) -> Result<Vec<Uuid>, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT key FROM outbox
               WHERE published_at IS NULL AND created_at < now() - make_interval(secs => $1)
               GROUP BY key ORDER BY min(id) LIMIT $2"#,
            older_than_seconds,
            limit
        )
        .fetch_all(&self.pool)
        .await?)
    }
}

/// Those of these keys under which effects wait.
pub(super) async fn waiting_keys(pool: PgPool, keys: Vec<Uuid>) -> Stored<Rows<Uuid, ()>> {
    let waiting =
        sqlx::query_scalar!("SELECT DISTINCT key FROM outbox WHERE key = ANY($1) AND published_at IS NULL", &keys);
    Ok(waiting.fetch_all(&pool).await?.into_iter().map(|key| (key, Ok(()))).collect())
}
