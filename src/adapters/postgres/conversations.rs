//! The rows of conversations: read, parsed and written.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
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

/// Declares the row of a conversation: the columns that hold a field of [`Conversation`] as it is, and those that hold
/// it as text. It is read and written by this struct, with the columns of `with_conversation_columns!`.
macro_rules! conversation_row {
    (as_is { $($field:ident: $type:ty,)+ } as_text { $($text:ident,)+ }) => {
        #[derive(Serialize)]
        pub(super) struct ConversationRow {
            $($field: $type,)+
            $($text: String,)+
            /// The window that is being answered, for the fence.
            answering_window: Option<Uuid>,
            next_timer_at: Option<DateTime<Utc>>,
            rules_state: Json<RulesState>,
        }

        impl ConversationRow {
            pub(super) fn of(conversation: &Conversation) -> Self {
                Self {
                    $($field: conversation.$field.clone(),)+
                    $($text: conversation.$text.to_string(),)+
                    answering_window: conversation.answering.as_ref().map(|answering| answering.window_id),
                    next_timer_at: conversation.next_look(),
                    rules_state: Json(RulesState::of(conversation)),
                }
            }

            pub(super) fn parse(self) -> Result<Conversation, StoreError> {
                Ok(Conversation {
                    $($text: parse(self.id, stringify!($text), &self.$text)?,)+
                    $($field: self.$field,)+
                    window: self.rules_state.0.window,
                    answering: self.rules_state.0.answering,
                    memory: self.rules_state.0.memory,
                })
            }
        }
    };
}

conversation_row! {
    as_is {
        id: Uuid,
        business_id: String,
        user_id: String,
        call_id: Option<Uuid>,
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
    }
    as_text { customer_phone, business_phone, status, ownership, }
}

/// Parses a column. The error does not contain the value, which may be a phone number.
fn parse<T: FromStr>(id: Uuid, column: &str, text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| StoreError::corrupt("conversations", id, format!("{column} is invalid")))
}

pub(super) fn phone(text: &str) -> Result<PhoneNumber, String> {
    text.parse().map_err(|_| "a phone number is not in E.164 form".to_owned())
}

/// Calls a macro with the columns of [`ConversationRow`] but `rules_state`, whose type a query must name.
macro_rules! with_conversation_columns {
    ($statement:ident!($($rest:tt)*)) => {
        $statement!(
            "id, business_id, user_id, call_id, customer_phone, business_phone, status, ownership, ai_timer_started,
             ai_timer_started_at, user_takeover_at, emergency_detected, job_type, urgency_level, outcome, summary,
             opted_out, created_at, last_activity, version, event_sequence, epoch, hard_epoch, own_account,
             answering_window, next_timer_at",
            $($rest)*
        )
    };
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

/// Reads conversations: `select_conversations!("WHERE …", arguments)`.
macro_rules! select_conversations {
    ($($rest:tt)+) => { with_conversation_columns!(select_from_conversations!($($rest)+)) };
}
macro_rules! select_from_conversations {
    ($columns:literal, $rest:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            ConversationRow,
            "SELECT " + $columns + r#", rules_state AS "rules_state: Json<RulesState>" FROM conversations "# + $rest
            $(, $argument)*
        )
    };
}

macro_rules! insert_conversation {
    ($columns:literal, $row:expr, $number_of:expr) => {
        sqlx::query!(
            "INSERT INTO conversations (" + $columns + ", rules_state) SELECT " + $columns
                + ", rules_state FROM jsonb_populate_record(NULL::conversations, $1) r
                   WHERE $2::text IS NULL
                      OR EXISTS (SELECT 1 FROM business_numbers n WHERE n.phone = r.business_phone AND n.business_id = $2)
                   ON CONFLICT DO NOTHING",
            Json($row) as _,
            $number_of
        )
    };
}

macro_rules! update_conversation {
    ($columns:literal, $row:expr, $number_of:expr, $id:expr, $version:expr) => {
        sqlx::query!(
            "UPDATE conversations c SET (" + $columns + ", rules_state) = (SELECT " + $columns
                + ", rules_state FROM jsonb_populate_record(NULL::conversations, $1))
                   WHERE c.id = $3 AND c.version = $4
                     AND ($2::text IS NULL
                      OR EXISTS (SELECT 1 FROM business_numbers n WHERE n.phone = c.business_phone AND n.business_id = $2))",
            Json($row) as _,
            $number_of,
            $id,
            $version
        )
    };
}

/// Inserts a conversation of version 0, or updates one whose version is still the one that was read. `false` if nothing
/// was written: because of a conflict, or because the business `number_of` does not have the number.
///
/// The whole row is written. Anything else that changes a row must raise its `version`, or this would undo the change.
pub(super) async fn write(
    tx: &mut PgConnection,
    c: &Conversation,
    number_of: Option<&str>,
) -> Result<bool, StoreError> {
    let row = ConversationRow { version: c.version + 1, ..ConversationRow::of(c) };
    let result = if c.version == 0 {
        with_conversation_columns!(insert_conversation!(&row, number_of)).execute(tx).await
    } else {
        with_conversation_columns!(update_conversation!(&row, number_of, c.id, c.version)).execute(tx).await
    };
    match result {
        Ok(result) => Ok(result.rows_affected() == 1),
        // The conversation was to be reopened, but a new one was opened concurrently: a conflict, not an error.
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(false),
        Err(error) => Err(error.into()),
    }
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
