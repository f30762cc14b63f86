//! Why a conversation went as it did, and who did what in it.

use chrono::{DateTime, Utc};
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};
use serde_json::Value;
use uuid::Uuid;

use super::auth::Reader;
use super::conversations::{conversation_id, load_authorized};
use super::failure::Failure;
use super::validation::default_limit;
use super::{EdgeData, Group, cursor};
use crate::adapters::postgres::{AnalysisRow, AuditRow, WindowMessage, WindowStep};
use crate::http::api::explain::{self, ExplainedWindow};

/// How many steps of windows are looked back on: some hundred windows.
const STEPS: i64 = 500;

/// A step in the life of a window.
#[derive(Debug, Object)]
struct Step {
    /// `open`, `claimed`, `answered`, `superseded`, `handed_over` or `unknown`.
    state: String,
    /// Why, in a word.
    because: String,
    /// When.
    at: DateTime<Utc>,
}

/// A message of a window, or in answer to it.
#[derive(Debug, Object)]
struct Said {
    /// The message.
    message_id: Uuid,
    /// `customer`, `reply`, `fallback` or `emergency`.
    kind: String,
    /// Its text.
    body: String,
    /// Where it stands; `superseded` was dropped before it was sent.
    status: String,
    /// Twilio's error code, if it failed with one.
    error_code: Option<i32>,
    /// When.
    created_at: DateTime<Utc>,
}

/// What DispatchBot made of a window.
#[derive(Debug, Object)]
struct Analysis {
    /// What it said, or `{"failed": why}`.
    said: Value,
    /// Why it was not sent, in a word; none where it was.
    dropped_because: Option<String>,
    /// When.
    at: DateTime<Utc>,
}

/// What became of one window: the customer's messages that are answered together.
#[derive(Debug, Object)]
struct Window {
    /// The window.
    window_id: Uuid,
    /// Where it stands.
    state: String,
    /// The message that opened it; none where a takeover did.
    opened_by: Option<Said>,
    /// The messages that joined it.
    joined_by: Vec<Said>,
    /// Why it closed, in a word; none while it is open.
    closed_because: Option<String>,
    /// What DispatchBot said.
    dispatchbot: Vec<Analysis>,
    /// What was sent in answer, or is on its way.
    sent: Vec<Said>,
    /// What was written in answer and dropped.
    dropped: Vec<Said>,
    /// Each step, in order.
    steps: Vec<Step>,
    /// All of it in words that can be read out.
    story: Vec<String>,
}

/// Why a conversation went as it did.
#[derive(Debug, Object)]
struct Explanation {
    /// The conversation.
    conversation_id: Uuid,
    /// Its windows, in the order in which they opened; the newest some hundred.
    windows: Vec<Window>,
}

/// Who did what.
#[derive(Debug, Object)]
struct Entry {
    /// Its place in the record.
    id: i64,
    /// When.
    at: DateTime<Utc>,
    /// `customer`, `user`, `dispatchbot`, `twilio` or `service`.
    actor: String,
    /// The person, as the App Server names them.
    actor_id: Option<String>,
    /// What they did, in a word.
    action: String,
    /// What came of it: ids and words of ours, no text and no number.
    data: Value,
}

/// A page of the record.
#[derive(Debug, Object)]
struct AuditList {
    /// The entries, in order.
    audit: Vec<Entry>,
    /// Leads to the next page; none on the last.
    next_cursor: Option<String>,
}

pub(super) struct RecordApi;

#[OpenApi(tag = "Group::Conversations")]
impl RecordApi {
    /// Why a conversation went as it did: for each window what opened and joined it, why it closed, what DispatchBot said,
    /// what was sent, and what was dropped and why; as data, and in words.
    #[oai(path = "/conversations/:id/explain", method = "get", operation_id = "explain_conversation")]
    async fn explain(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// The conversation's id.
        id: Path<String>,
    ) -> Result<Json<Explanation>, Failure> {
        let conversation_id = load_authorized(&key.0, &edge, conversation_id(&id)?).await?.id;
        let steps = edge.store.window_steps(conversation_id, STEPS).await?;
        let mut ids: Vec<Uuid> = steps.iter().map(|step| step.window_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let messages = edge.store.window_messages(conversation_id, &ids).await?;
        let analyses = edge.store.analyses(conversation_id, &ids).await?;
        let windows = explain::windows(steps, &messages, &analyses).into_iter().map(Window::from).collect();
        Ok(Json(Explanation { conversation_id, windows }))
    }

    /// Who did what in a conversation, in order. The record is only ever added to.
    #[oai(path = "/conversations/:id/audit", method = "get", operation_id = "list_audit")]
    async fn audit(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// The conversation's id.
        id: Path<String>,
        /// How many, at the most.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<u32>,
        /// `next_cursor` of the page before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<AuditList>, Failure> {
        let conversation_id = load_authorized(&key.0, &edge, conversation_id(&id)?).await?.id;
        let after = match cursor.0 {
            Some(cursor) => cursor.parse::<i64>().map_err(|_| cursor::unusable("cursor"))?,
            None => 0,
        };
        let found = edge.store.audit(conversation_id, after, i64::from(limit.0) + 1).await?;
        let (found, next_cursor) = cursor::page(found, limit.0 as usize, |entry| entry.id.to_string());
        Ok(Json(AuditList { audit: found.into_iter().map(Entry::from).collect(), next_cursor }))
    }
}

impl From<ExplainedWindow> for Window {
    fn from(window: ExplainedWindow) -> Self {
        let mut messages = window.messages.into_iter().map(Said::from);
        let opened_by = messages.next();
        let closed = window.steps.iter().find(|step| step.state != "open");
        let (dropped, sent) = window.replies.into_iter().map(Said::from).partition(|said| said.status == "superseded");
        Self {
            window_id: window.id,
            state: window.state,
            opened_by,
            joined_by: messages.collect(),
            closed_because: closed.map(|step| step.reason.clone()),
            dispatchbot: window.analyses.into_iter().map(Analysis::from).collect(),
            sent,
            dropped,
            steps: window.steps.into_iter().map(Step::from).collect(),
            story: window.story,
        }
    }
}

impl From<WindowStep> for Step {
    fn from(step: WindowStep) -> Self {
        Self { state: step.state, because: step.reason, at: step.at }
    }
}

impl From<WindowMessage> for Said {
    fn from(message: WindowMessage) -> Self {
        Self {
            message_id: message.id,
            kind: message.kind,
            body: message.body,
            status: message.status,
            error_code: message.error_code,
            created_at: message.created_at,
        }
    }
}

impl From<AnalysisRow> for Analysis {
    fn from(row: AnalysisRow) -> Self {
        Self { said: row.said, dropped_because: row.drop_reason, at: row.at }
    }
}

impl From<AuditRow> for Entry {
    fn from(row: AuditRow) -> Self {
        Self { id: row.id, at: row.at, actor: row.actor, actor_id: row.actor_id, action: row.action, data: row.data }
    }
}
