//! The record of what happened: who did what, each step of each window, and what DispatchBot said.
//!
//! Written in the transaction of the decision; never changed. `audit` cannot be: the service's role may not (migration 8).

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Store, StoreError};
use crate::domain::conversation::{AnalysisRecord, Conversation, WindowRecord};

/// Who did what, as it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// `customer`, `user`, `dispatchbot`, `twilio` or `service`.
    pub actor: &'static str,
    /// The person, as the App Server names them.
    pub actor_id: Option<String>,
    /// What they did, in a word.
    pub action: &'static str,
    /// What came of it: ids and words of ours, no text and no number.
    pub data: Value,
}

/// Who did what, as it is read.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRow {
    /// Its place in the record.
    pub id: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: String,
    /// The person, as the App Server names them.
    pub actor_id: Option<String>,
    /// What they did.
    pub action: String,
    /// What came of it.
    pub data: Value,
}

/// A step in the life of a window.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowStep {
    /// The window.
    pub window_id: Uuid,
    /// Where it went.
    pub state: String,
    /// Why, in a word.
    pub reason: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// What DispatchBot made of a window.
#[derive(Debug, Clone, PartialEq)]
pub struct AnalysisRow {
    /// The window.
    pub window_id: Uuid,
    /// What it said, or `{"failed": why}`.
    pub said: Value,
    /// Why it was not used; none where it was.
    pub drop_reason: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// A message of a conversation, as far as it belongs to a window.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowMessage {
    /// The message.
    pub id: Uuid,
    /// What it is for.
    pub kind: String,
    /// Its text.
    pub body: String,
    /// Where it stands.
    pub status: String,
    /// Twilio's error code, if it failed with one.
    pub error_code: Option<i32>,
    /// The window that a customer's message is in.
    pub window_id: Option<Uuid>,
    /// The window that a message of ours answers.
    pub in_reply_to_window: Option<Uuid>,
    /// Its place in the conversation.
    pub created_at: DateTime<Utc>,
}

impl Store {
    /// Who did what in a conversation, in order, after the entry `after`.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn audit(&self, conversation_id: Uuid, after: i64, limit: i64) -> Result<Vec<AuditRow>, StoreError> {
        Ok(sqlx::query_as!(
            AuditRow,
            "SELECT id, at, actor, actor_id, action, data FROM audit WHERE conversation_id = $1 AND id > $2
             ORDER BY id LIMIT $3",
            conversation_id,
            after,
            limit
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// The newest `limit` steps of a conversation's windows, in order.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn window_steps(&self, conversation_id: Uuid, limit: i64) -> Result<Vec<WindowStep>, StoreError> {
        let mut steps = sqlx::query_as!(
            WindowStep,
            "SELECT window_id, state, reason, at FROM window_steps WHERE conversation_id = $1 ORDER BY id DESC LIMIT $2",
            conversation_id,
            limit
        )
        .fetch_all(&self.pool)
        .await?;
        steps.reverse();
        Ok(steps)
    }

    /// What DispatchBot made of these windows, in order.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn analyses(&self, conversation_id: Uuid, window_ids: &[Uuid]) -> Result<Vec<AnalysisRow>, StoreError> {
        Ok(sqlx::query_as!(
            AnalysisRow,
            "SELECT window_id, said, drop_reason, at FROM analyses
             WHERE conversation_id = $1 AND window_id = ANY($2) ORDER BY id",
            conversation_id,
            window_ids
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// The messages that these windows of a conversation hold, or that answer them, in order.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn window_messages(
        &self,
        conversation_id: Uuid,
        window_ids: &[Uuid],
    ) -> Result<Vec<WindowMessage>, StoreError> {
        Ok(sqlx::query_as!(
            WindowMessage,
            "SELECT id, kind, body, status, error_code, window_id, in_reply_to_window, created_at FROM messages
             WHERE conversation_id = $1 AND (window_id = ANY($2) OR in_reply_to_window = ANY($2))
             ORDER BY created_at, stream_sequence, id",
            conversation_id,
            window_ids
        )
        .fetch_all(&self.pool)
        .await?)
    }
}

pub(super) async fn write_step(
    tx: &mut PgConnection,
    conversation_id: Uuid,
    window: &WindowRecord,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO window_steps (window_id, conversation_id, state, reason, at) VALUES ($1, $2, $3, $4, $5)",
        window.id,
        conversation_id,
        window.state.as_str(),
        window.reason,
        at
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn write_analysis(
    tx: &mut PgConnection,
    conversation_id: Uuid,
    analysis: &AnalysisRecord,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        // What was still being said of a customer who was erased meanwhile is not kept.
        r#"INSERT INTO analyses (window_id, conversation_id, said, drop_reason, at)
           SELECT $1, id, CASE WHEN erased_at IS NULL THEN $3::jsonb ELSE '{"erased": true}' END, $4, $5
           FROM conversations WHERE id = $2"#,
        analysis.window_id,
        conversation_id,
        analysis.said,
        analysis.drop_reason,
        at
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn write_audit(
    tx: &mut PgConnection,
    conversation: &Conversation,
    entry: &AuditEntry,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO audit (conversation_id, business_id, at, actor, actor_id, action, data)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        conversation.id,
        conversation.business_id,
        at,
        entry.actor,
        entry.actor_id,
        entry.action,
        entry.data
    )
    .execute(tx)
    .await?;
    Ok(())
}
