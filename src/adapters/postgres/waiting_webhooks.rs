//! Webhooks that were accepted while JetStream was unavailable, and wait to be published to it.

use std::collections::{BTreeMap, HashMap};

use sqlx::types::Json;
use sqlx::{PgPool, Postgres, Transaction};

use super::batched::Rows;
use super::{Store, StoreError, Stored, transaction};

/// A webhook as it will be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingWebhook {
    /// The `Nats-Msg-Id`, by which a repeated webhook is recognized.
    pub message_id: String,
    /// The JetStream subject.
    pub subject: String,
    /// The other headers.
    pub headers: BTreeMap<String, String>,
    /// The payload of the message.
    pub payload: Vec<u8>,
}

/// The oldest webhooks, locked until they are removed or this is dropped.
#[derive(Debug)]
pub struct WaitingBatch {
    tx: Transaction<'static, Postgres>,
    ids: Vec<i64>,
    /// The webhooks, in the order in which they arrived.
    pub webhooks: Vec<WaitingWebhook>,
}

impl WaitingBatch {
    /// Removes the first `count` webhooks, which were published, and unlocks the others.
    ///
    /// # Errors
    /// If PostgreSQL is unavailable: the webhooks are then published again, with the same ids.
    pub async fn published(mut self, count: usize) -> Result<(), StoreError> {
        let ids: Vec<i64> = self.ids.iter().take(count).copied().collect();
        sqlx::query!("DELETE FROM waiting_webhooks WHERE id = ANY($1)", &ids).execute(&mut *self.tx).await?;
        self.tx.commit().await?;
        Ok(())
    }
}

impl Store {
    /// Stores a webhook, unless it is stored already.
    pub async fn keep_webhook(&self, webhook: &WaitingWebhook) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO waiting_webhooks (message_id, subject, headers, payload) VALUES ($1, $2, $3, $4)
             ON CONFLICT (message_id) DO NOTHING",
            webhook.message_id,
            webhook.subject,
            Json(&webhook.headers) as _,
            webhook.payload
        )
        .execute(&self.reserved)
        .await?;
        Ok(())
    }

    /// Locks the oldest webhooks that no other process is publishing, at most `limit`.
    pub async fn waiting_webhooks(&self, limit: i64) -> Result<WaitingBatch, StoreError> {
        let mut tx = transaction::begin(&self.pool).await?;
        let rows = sqlx::query!(
            r#"SELECT id, message_id, subject, headers AS "headers: Json<BTreeMap<String, String>>", payload
               FROM waiting_webhooks ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED"#,
            limit
        )
        .fetch_all(&mut *tx)
        .await?;
        let ids = rows.iter().map(|row| row.id).collect();
        let webhooks = rows
            .into_iter()
            .map(|row| WaitingWebhook {
                message_id: row.message_id,
                subject: row.subject,
                headers: row.headers.0,
                payload: row.payload,
            })
            .collect();
        Ok(WaitingBatch { tx, ids, webhooks })
    }

    /// The payloads of the webhooks of this subject that wait for JetStream.
    pub async fn waiting_payloads(&self, subject: &str) -> Result<Vec<Vec<u8>>, StoreError> {
        Ok(self.statements.waiting_payloads.one(subject.to_owned()).await?.unwrap_or_default())
    }

    /// Counts the webhooks that wait for JetStream.
    pub async fn count_waiting_webhooks(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM waiting_webhooks"#).fetch_one(&self.pool).await?)
    }
}

/// The payloads of the webhooks of these subjects that wait.
pub(super) async fn payloads_of_subjects(pool: PgPool, subjects: Vec<String>) -> Stored<Rows<String, Vec<Vec<u8>>>> {
    let waiting = sqlx::query!("SELECT subject, payload FROM waiting_webhooks WHERE subject = ANY($1)", &subjects)
        .fetch_all(&pool)
        .await?;
    let mut payloads: HashMap<String, Vec<Vec<u8>>> = HashMap::new();
    waiting.into_iter().for_each(|webhook| payloads.entry(webhook.subject).or_default().push(webhook.payload));
    Ok(payloads.into_iter().map(|(subject, payloads)| (subject, Ok(payloads))).collect())
}
