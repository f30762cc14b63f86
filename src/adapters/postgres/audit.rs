//! The audit records: who did what, each step of each window, and DispatchBot's analyses.
//!
//! They are written in the transaction of the decision and not changed afterwards, except that an erasure clears
//! analyses. The service's role has no permission to change `audit` (migration 8).

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Store, StoreError};
use crate::domain::conversation::{AnalysisReason, AnalysisRecord};

/// An audit entry as it is stored: who did what.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRow {
    /// The id of the entry; ids order the entries.
    pub id: i64,
    /// When the action happened.
    pub at: DateTime<Utc>,
    /// Who acted, in the words of [`AuditEntry::actor`](crate::store::AuditEntry::actor).
    pub actor: String,
    /// The person who acted, as the App Server names them.
    pub actor_id: Option<String>,
    /// The name of the action.
    pub action: String,
    /// The result of the action.
    pub data: Value,
}

/// A change of a window's state.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowStep {
    /// The id of the window.
    pub window_id: Uuid,
    /// The new state.
    pub state: String,
    /// The name of the reason.
    pub reason: String,
    /// When the change was decided.
    pub at: DateTime<Utc>,
}

/// What was done about a customer who waited.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitingStep {
    /// When it was done.
    pub at: DateTime<Utc>,
    /// What was done, as the audit entry has it.
    pub done: Value,
}

/// DispatchBot's analysis of a window.
#[derive(Debug, Clone, PartialEq)]
pub struct AnalysisRow {
    /// The id of the window.
    pub window_id: Uuid,
    /// The analysis, or `{"failed": why}`.
    pub said: Value,
    /// Why the analysis was not used; `None` if it was used.
    pub drop_reason: Option<String>,
    /// When its use was decided.
    pub at: DateTime<Utc>,
}

/// A message that a window holds, or that answers one.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowMessage {
    /// The id of the message.
    pub id: Uuid,
    /// The purpose of the message.
    pub kind: String,
    /// The text of the message.
    pub body: String,
    /// The status of the message.
    pub status: String,
    /// Twilio's error code, if it failed with one.
    pub error_code: Option<i32>,
    /// The window that holds it, if it is a customer's message.
    pub window_id: Option<Uuid>,
    /// The window that an outbound message answers.
    pub in_reply_to_window: Option<Uuid>,
    /// When it arrived or was decided on; orders the messages.
    pub created_at: DateTime<Utc>,
}

impl Store {
    /// The audit entries of a conversation in order, after the entry `after`.
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

    /// The newest `limit` steps of a conversation's windows, oldest first.
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

    /// The newest `limit` times at which something was done about the waiting customer of a conversation, oldest first.
    pub async fn waiting_steps(&self, conversation_id: Uuid, limit: i64) -> Result<Vec<WaitingStep>, StoreError> {
        let mut steps = sqlx::query_as!(
            WaitingStep,
            r#"SELECT at, data -> 'waiting' AS "done!" FROM audit
               WHERE conversation_id = $1 AND data -> 'waiting' IS NOT NULL ORDER BY id DESC LIMIT $2"#,
            conversation_id,
            limit
        )
        .fetch_all(&self.pool)
        .await?;
        steps.reverse();
        Ok(steps)
    }

    /// DispatchBot's analyses of these windows, in order.
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

/// An analysis to be stored.
pub(super) struct NewAnalysis<'a> {
    pub(super) conversation_id: Uuid,
    pub(super) analysis: &'a AnalysisRecord,
    pub(super) at: DateTime<Utc>,
}

pub(super) async fn write_analyses(tx: &mut PgConnection, new: &[NewAnalysis<'_>]) -> Result<(), StoreError> {
    if new.is_empty() {
        return Ok(());
    }
    let windows: Vec<Uuid> = new.iter().map(|new| new.analysis.window_id).collect();
    let conversations: Vec<Uuid> = new.iter().map(|new| new.conversation_id).collect();
    let said: Vec<&Value> = new.iter().map(|new| &new.analysis.said).collect();
    let drop_reasons: Vec<Option<&str>> =
        new.iter().map(|new| new.analysis.drop_reason.map(AnalysisReason::as_str)).collect();
    let at: Vec<DateTime<Utc>> = new.iter().map(|new| new.at).collect();
    sqlx::query!(
        // If the customer was erased in the meantime, the content of the analysis is not stored.
        r#"INSERT INTO analyses (window_id, conversation_id, said, drop_reason, at)
           SELECT n.window_id, c.id, CASE WHEN c.erased_at IS NULL THEN n.said ELSE '{"erased": true}' END, n.drop_reason, n.at
           FROM unnest($1::uuid[], $2::uuid[], $3::jsonb[], $4::text[], $5::timestamptz[])
             AS n (window_id, conversation_id, said, drop_reason, at)
             JOIN conversations c ON c.id = n.conversation_id"#,
        &windows,
        &conversations,
        &said as _,
        &drop_reasons as _,
        &at
    )
    .execute(tx)
    .await?;
    Ok(())
}
