//! Reads conversations and parses their rows.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use uuid::Uuid;

use super::{Store, StoreError};
use crate::domain::conversation::{Answering, Conversation, Memory, OpenWindow, Ownership, Status};
use crate::domain::phone::PhoneNumber;

/// The part of a conversation that only the rules read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RulesState {
    window: Option<OpenWindow>,
    answering: Option<Answering>,
    #[serde(default)]
    memory: Memory,
}

impl RulesState {
    pub(super) fn of(conversation: &Conversation) -> Self {
        Self {
            window: conversation.window.clone(),
            answering: conversation.answering.clone(),
            memory: conversation.memory.clone(),
        }
    }
}

pub(super) struct ConversationRow {
    id: Uuid,
    business_id: String,
    user_id: String,
    call_id: Option<Uuid>,
    customer_phone: String,
    business_phone: String,
    status: String,
    ownership: String,
    ai_timer_started: bool,
    ai_timer_started_at: Option<DateTime<Utc>>,
    user_takeover_at: Option<DateTime<Utc>>,
    emergency_detected: bool,
    job_type: Option<String>,
    urgency_level: Option<String>,
    outcome: Option<String>,
    summary: Option<String>,
    opted_out: bool,
    created_at: DateTime<Utc>,
    last_activity: DateTime<Utc>,
    version: i64,
    event_sequence: i64,
    epoch: i64,
    hard_epoch: i64,
    own_account: Option<String>,
    rules_state: Json<RulesState>,
}

impl ConversationRow {
    fn parse(self) -> Result<Conversation, StoreError> {
        let corrupt = |what: String| StoreError::corrupt("conversations", self.id, what);
        Ok(Conversation {
            customer_phone: phone(&self.customer_phone).map_err(corrupt)?,
            business_phone: phone(&self.business_phone).map_err(corrupt)?,
            status: self.status.parse::<Status>().map_err(|e| corrupt(e.to_string()))?,
            ownership: self.ownership.parse::<Ownership>().map_err(|e| corrupt(e.to_string()))?,
            id: self.id,
            business_id: self.business_id,
            user_id: self.user_id,
            call_id: self.call_id,
            own_account: self.own_account,
            ai_timer_started: self.ai_timer_started,
            ai_timer_started_at: self.ai_timer_started_at,
            user_takeover_at: self.user_takeover_at,
            emergency_detected: self.emergency_detected,
            job_type: self.job_type,
            urgency_level: self.urgency_level,
            outcome: self.outcome,
            summary: self.summary,
            opted_out: self.opted_out,
            created_at: self.created_at,
            last_activity: self.last_activity,
            version: self.version,
            event_sequence: self.event_sequence,
            epoch: self.epoch,
            hard_epoch: self.hard_epoch,
            window: self.rules_state.0.window,
            answering: self.rules_state.0.answering,
            memory: self.rules_state.0.memory,
        })
    }
}

pub(super) fn phone(text: &str) -> Result<PhoneNumber, String> {
    text.parse().map_err(|_| "a phone number is not in E.164 form".to_owned())
}

/// The filter of a list of conversations.
#[derive(Debug, Clone, Default)]
pub struct ConversationFilter {
    /// Only conversations of these businesses.
    pub business_ids: Option<Vec<String>>,
    /// Only conversations of this business.
    pub business_id: Option<String>,
    /// Only conversations with this customer.
    pub customer_phone: Option<String>,
    /// Only conversations with this status.
    pub status: Option<Status>,
    /// Only conversations with this ownership.
    pub ownership: Option<Ownership>,
    /// Only conversations with activity at or after this time.
    pub since: Option<DateTime<Utc>>,
    /// Only conversations after this one in the list, given by its `last_activity` and id.
    pub after: Option<(DateTime<Utc>, Uuid)>,
}

/// Reads conversations: `select_conversations!("WHERE …", arguments)`. Holds the one list of columns to read.
macro_rules! select_conversations {
    ($rest:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            ConversationRow,
            r#"SELECT id, business_id, user_id, call_id, customer_phone, business_phone, status, ownership,
                 ai_timer_started, ai_timer_started_at, user_takeover_at, emergency_detected, job_type, urgency_level,
                 outcome, summary, opted_out, created_at, last_activity, version, event_sequence, epoch, hard_epoch,
                 own_account, rules_state AS "rules_state: Json<RulesState>"
               FROM conversations "# + $rest
            $(, $argument)*
        )
    };
}

impl Store {
    /// Reads one conversation by its id.
    pub async fn conversation(&self, id: Uuid) -> Result<Option<Conversation>, StoreError> {
        select_conversations!("WHERE id = $1", id)
            .fetch_optional(&self.pool)
            .await?
            .map(ConversationRow::parse)
            .transpose()
    }

    /// The open conversation of a customer with a number of a business.
    pub async fn open_conversation(
        &self,
        business_id: &str,
        business_phone: &PhoneNumber,
        customer_phone: &PhoneNumber,
    ) -> Result<Option<Conversation>, StoreError> {
        select_conversations!(
            "WHERE business_id = $1 AND business_phone = $2 AND customer_phone = $3 AND status <> 'completed'",
            business_id,
            business_phone.as_str(),
            customer_phone.as_str()
        )
        .fetch_optional(&self.pool)
        .await?
        .map(ConversationRow::parse)
        .transpose()
    }

    /// The newest ended conversation of a customer with a number of a business. Newest by `created_at`, because a late
    /// report on a message is activity of an older conversation.
    pub async fn last_ended_conversation(
        &self,
        business_id: &str,
        business_phone: &PhoneNumber,
        customer_phone: &PhoneNumber,
    ) -> Result<Option<Conversation>, StoreError> {
        select_conversations!(
            "WHERE business_id = $1 AND business_phone = $2 AND customer_phone = $3 AND status = 'completed'
               ORDER BY created_at DESC, id DESC LIMIT 1",
            business_id,
            business_phone.as_str(),
            customer_phone.as_str()
        )
        .fetch_optional(&self.pool)
        .await?
        .map(ConversationRow::parse)
        .transpose()
    }

    /// Conversations, newest activity first.
    pub async fn conversations(
        &self,
        filter: &ConversationFilter,
        limit: i64,
    ) -> Result<Vec<Conversation>, StoreError> {
        let (after_at, after_id) = filter.after.unzip();
        select_conversations!(
            "WHERE ($1::text IS NULL OR business_id = $1)
                 AND ($2::text IS NULL OR customer_phone = $2)
                 AND ($3::text IS NULL OR status = $3)
                 AND ($4::text IS NULL OR ownership = $4)
                 AND ($5::timestamptz IS NULL OR last_activity >= $5)
                 AND ($6::timestamptz IS NULL OR (last_activity, id) < ($6, $7::uuid))
                 AND ($9::text[] IS NULL OR business_id = ANY($9))
               ORDER BY last_activity DESC, id DESC
               LIMIT $8",
            filter.business_id,
            filter.customer_phone,
            filter.status.map(Status::as_str),
            filter.ownership.map(Ownership::as_str),
            filter.since,
            after_at,
            after_id,
            limit,
            filter.business_ids.as_deref()
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(ConversationRow::parse)
        .collect()
    }
}
