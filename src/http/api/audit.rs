//! Explains why a conversation went as it did, and lists who did what in it.

use chrono::{DateTime, Utc};
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};
use serde_json::Value;
use uuid::Uuid;

use super::auth::Reader;
use super::conversations::{conversation_id, read_authorized};
use super::failure::Failure;
use super::page::Page;
use super::validation::default_limit;
use super::{EdgeData, Group, cursor};
use crate::adapters::postgres::{AnalysisRow, AuditRow, Store, WindowMessage, WindowStep};
use crate::http::api::explain::{self, ExplainedWindow};

/// Maximum number of window steps that are read: some hundred windows.
const STEPS: i64 = 500;

/// A change of a window's state.
#[derive(Debug, Object)]
struct Step {
    /// The new state: `open`, `claimed`, `answered`, `superseded`, `handed_over` or `unknown`.
    state: String,
    /// The reason for the change, such as `message`, `deadline` or `takeover`.
    because: String,
    /// When the state changed.
    at: DateTime<Utc>,
}

/// A message of a window, or a reply to the window.
#[derive(Debug, Object)]
struct Said {
    /// The message's id.
    message_id: Uuid,
    /// The kind of message: `customer`, `reply`, `fallback` or `emergency`.
    kind: String,
    /// The text of the message.
    body: String,
    /// The message's status, as in the list of messages. A `superseded` reply was dropped before it was sent.
    status: String,
    /// Twilio's error code, if the message failed with one. Otherwise null.
    error_code: Option<i32>,
    /// When a customer's message arrived, or when it was decided to send a reply.
    created_at: DateTime<Utc>,
}

/// DispatchBot's result for a window.
#[derive(Debug, Object)]
struct Analysis {
    /// The answer, with its `text`, `confidence` and `urgency`; or `{"failed": "<reason>"}`, if there was no usable
    /// answer.
    said: Value,
    /// Why the answer was not sent, such as `low_confidence`. Null if it was sent.
    dropped_because: Option<String>,
    /// When the result was recorded.
    at: DateTime<Utc>,
}

/// A window: consecutive customer messages that get one answer, and what happened to them.
#[derive(Debug, Object)]
struct Window {
    /// The window's id.
    window_id: Uuid,
    /// The current state: `open`, `claimed`, `answered`, `superseded`, `handed_over` or `unknown`.
    state: String,
    /// The message that opened the window. Null if a takeover opened it.
    opened_by: Option<Said>,
    /// The messages that joined the window after it opened.
    joined_by: Vec<Said>,
    /// Why the window closed, such as `deadline`. Null while it is open.
    closed_because: Option<String>,
    /// DispatchBot's results for this window.
    dispatchbot: Vec<Analysis>,
    /// The replies that were not dropped. The `status` of each says whether it was sent.
    sent: Vec<Said>,
    /// The replies that were dropped before they were sent.
    dropped: Vec<Said>,
    /// All changes of state, in order.
    steps: Vec<Step>,
    /// The history of the window in English sentences, in order of time.
    story: Vec<String>,
}

/// Why a conversation went as it did.
#[derive(Debug, Object)]
struct Explanation {
    /// The conversation's id.
    conversation_id: Uuid,
    /// The windows, in the order in which they opened. A very long conversation has only its newest windows here, some
    /// hundred.
    windows: Vec<Window>,
    /// What was done about a customer who waited for an answer, in English sentences, in order of time: `conversation.waiting`
    /// after 1, 5 and 30 minutes, the reminder of the owner, and the return to the AI.
    waiting: Vec<String>,
}

/// An entry of a conversation's audit record.
#[derive(Debug, Object)]
struct Entry {
    /// The entry's position in the audit record.
    id: i64,
    /// When it happened.
    at: DateTime<Utc>,
    /// Who acted: `customer`, `user`, `dispatchbot`, `twilio` or `service`.
    actor: String,
    /// The id of the person who acted, as given by the App Server. Null if it is not known or no person acted.
    actor_id: Option<String>,
    /// What was done, such as `took_over`.
    action: String,
    /// Details of the action: ids and fixed words, never the text of a message or a phone number.
    data: Value,
}

/// A page of a conversation's audit record.
#[derive(Debug, Object)]
struct AuditList {
    /// The entries, oldest first.
    audit: Vec<Entry>,
    /// The `cursor` of the next page. Null on the last page.
    next_cursor: Option<String>,
}

pub(super) struct RecordApi;

#[OpenApi(tag = "Group::Conversations")]
impl RecordApi {
    /// Explains why a conversation went as it did.
    ///
    /// For each window: what opened and joined it, why it closed, what DispatchBot answered, what was sent, and what
    /// was dropped and why; as data, and in sentences. Beside it, what was done while the customer waited for an answer.
    #[oai(path = "/conversations/:id/explain", method = "get", operation_id = "explain_conversation")]
    async fn explain(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// The conversation's id.
        id: Path<String>,
    ) -> Result<Json<Explanation>, Failure> {
        let conversation_id = read_authorized(&key.0, &edge, conversation_id(&id)?).await?.id;
        let steps = |store: Store| async move { store.window_steps(conversation_id, STEPS).await };
        let steps = edge.read(steps).await?;
        let mut ids: Vec<Uuid> = steps.iter().map(|step| step.window_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let ids = ids.as_slice();
        let messages = edge.read(|store| async move { store.window_messages(conversation_id, ids).await }).await?;
        let analyses = edge.read(|store| async move { store.analyses(conversation_id, ids).await }).await?;
        let windows = explain::windows(steps, &messages, &analyses).into_iter().map(Window::from).collect();
        let waiting = edge.read(|store| async move { store.waiting_steps(conversation_id, STEPS).await }).await?;
        Ok(Json(Explanation { conversation_id, windows, waiting: explain::waiting(&waiting) }))
    }

    /// Lists who did what in a conversation, oldest first.
    ///
    /// The audit record is append-only: entries are never changed.
    #[oai(path = "/conversations/:id/audit", method = "get", operation_id = "list_audit")]
    async fn audit(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// The conversation's id.
        id: Path<String>,
        /// The maximum number of items on a page, from 1 to 200. Default: 50.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<u32>,
        /// The `next_cursor` of the previous page. Omit it for the first page.
        cursor: Query<Option<String>>,
    ) -> Result<Page<AuditList>, Failure> {
        let conversation_id = read_authorized(&key.0, &edge, conversation_id(&id)?).await?.id;
        let after = match cursor.0 {
            Some(cursor) => cursor.parse::<i64>().map_err(|_| cursor::unusable("cursor"))?,
            None => 0,
        };
        let most = i64::from(limit.0) + 1;
        let found = edge.read(|store| async move { store.audit(conversation_id, after, most).await }).await?;
        let (found, next_cursor) = cursor::page(found, limit.0 as usize, |entry| entry.id.to_string());
        Ok(Page(AuditList { audit: found.into_iter().map(Entry::from).collect(), next_cursor }))
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
