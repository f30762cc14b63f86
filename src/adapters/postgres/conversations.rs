//! The rows of conversations: read, parsed and written.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::batched::Rows;
use super::checked::Checked;
use super::{Store, StoreError, Stored};
use crate::domain::conversation::{Answering, Conversation, Memory, OpenWindow, Predecessor};
use crate::domain::phone::PhoneNumber;
use crate::store::{Locks, Parties};

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
            $(pub(super) $field: $type,)+
            $(pub(super) $text: String,)+
            /// The window that is being answered, for the fence.
            pub(super) answering_window: Option<Uuid>,
            pub(super) next_timer_at: Option<DateTime<Utc>>,
            /// For the sweeper.
            pub(super) idle_at: Option<DateTime<Utc>>,
            pub(super) rules_state: Json<Checked<RulesState>>,
        }

        impl ConversationRow {
            pub(super) fn of(conversation: &Conversation) -> Self {
                Self {
                    $($field: conversation.$field.clone(),)+
                    $($text: conversation.$text.to_string(),)+
                    answering_window: conversation.answering.as_ref().map(|answering| answering.window_id),
                    next_timer_at: conversation.next_look(),
                    idle_at: conversation.memory.idle_at,
                    rules_state: Json(Checked::new(RulesState::of(conversation))),
                }
            }

            pub(super) fn parse(self) -> Result<Conversation, StoreError> {
                let RulesState { window, answering, memory } = self.rules_state.0.of("conversations", self.id)?;
                Ok(Conversation {
                    $($text: parse(self.id, stringify!($text), &self.$text)?,)+
                    $($field: self.$field,)+
                    window,
                    answering,
                    memory,
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
        owned_by: Option<String>,
        waiting_since: Option<DateTime<Utc>>,
        ownership_revision: i64,
        text_revision: i64,
        own_side: bool,
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
             opted_out, created_at, last_activity, version, event_sequence, epoch, hard_epoch, own_account, own_side,
             owned_by, waiting_since, ownership_revision, text_revision, answering_window, next_timer_at, idle_at",
            $($rest)*
        )
    };
}

/// Reads conversations: `select_conversations!("WHERE …", arguments)`.
macro_rules! select_conversations {
    ($($rest:tt)+) => { with_conversation_columns!(select_from_conversations!($($rest)+)) };
}
macro_rules! select_from_conversations {
    ($columns:literal, $rest:literal $(+ $more:literal)* $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            ConversationRow,
            "SELECT " + $columns + r#", rules_state AS "rules_state: Json<Checked<RulesState>>" FROM conversations "# + $rest $(+ $more)*
            $(, $argument)*
        )
    };
}

pub(super) use {select_conversations, select_from_conversations, with_conversation_columns};

/// A conversation to be written.
pub(super) struct Change<'a> {
    pub(super) conversation: &'a Conversation,
    /// If it is new: the newest of its parties that has ended.
    pub(super) predecessor: Option<Predecessor>,
    /// The business that must have the conversation's number, if that matters.
    pub(super) number_of: Option<&'a str>,
}

// What an open conversation of the same parties becomes while this statement waits for it is not in its snapshot. So one
// that is open when the statement begins is a conflict, even if it has ended by then.
macro_rules! insert_conversations {
    ($columns:literal, $rows:expr, $ids:expr, $numbers_of:expr, $predecessors:expr, $versions:expr) => {
        sqlx::query_scalar!(
            "INSERT INTO conversations (" + $columns + ", rules_state) SELECT " + $columns
                + ", rules_state FROM jsonb_populate_recordset(NULL::conversations, $1) r
                     JOIN unnest($2::uuid[], $3::text[], $4::uuid[], $5::bigint[])
                       AS wanted (of, number_of, predecessor, predecessor_version) ON wanted.of = r.id
                     LEFT JOIN LATERAL (
                       SELECT c.id, c.version FROM conversations c
                       WHERE c.business_id = r.business_id AND c.business_phone = r.business_phone
                         AND c.customer_phone = r.customer_phone AND c.status = 'completed'
                       ORDER BY c.created_at DESC, c.id DESC LIMIT 1) AS ended (ended_id, ended_version) ON true
                   WHERE (number_of IS NULL
                      OR EXISTS (SELECT 1 FROM business_numbers n WHERE n.phone = r.business_phone AND n.business_id = number_of))
                     AND (ended_id, ended_version) IS NOT DISTINCT FROM (predecessor, predecessor_version)
                     AND NOT EXISTS (
                       SELECT 1 FROM conversations c
                       WHERE c.business_id = r.business_id AND c.business_phone = r.business_phone
                         AND c.customer_phone = r.customer_phone AND c.status <> 'completed')
                   ORDER BY business_id, business_phone, customer_phone
                   ON CONFLICT DO NOTHING
                   RETURNING id",
            $rows,
            $ids,
            $numbers_of as _,
            $predecessors as _,
            $versions as _
        )
    };
}

macro_rules! update_conversations {
    ($columns:literal, $rows:expr, $ids:expr) => {
        sqlx::query!(
            "UPDATE conversations c SET ("
                + $columns
                + ", rules_state) = (SELECT "
                + $columns
                + ", rules_state FROM jsonb_populate_recordset(NULL::conversations, $1) r WHERE r.id = c.id)
                   WHERE c.id = ANY($2)",
            $rows,
            $ids
        )
    };
}

/// Inserts conversations of version 0, and updates those whose version is still the one that was read. Returns the ids
/// of those that were written: the others were changed concurrently, or the conversation before them was; are locked and
/// to be skipped; or the business that must have the number does not have it.
///
/// The whole row is written. Anything else that changes a row must raise its `version`, or this would undo the change.
pub(super) async fn write(
    tx: &mut PgConnection,
    changes: &[Change<'_>],
    locks: Locks,
) -> Result<HashSet<Uuid>, StoreError> {
    let row = |c: &Conversation| -> Value {
        serde_json::to_value(ConversationRow { version: c.version + 1, ..ConversationRow::of(c) }).unwrap_or_default()
    };
    let (new, old): (Vec<&Change<'_>>, Vec<_>) = changes.iter().partition(|change| change.conversation.version == 0);
    let mut written = HashSet::new();
    if !old.is_empty() {
        let current = lock_current(tx, &old, locks).await?;
        let old = old.iter().map(|change| change.conversation);
        let rows: Value = old.filter(|c| current.contains(&c.id)).map(row).collect();
        with_conversation_columns!(update_conversations!(rows, &current)).execute(&mut *tx).await?;
        written.extend(current);
    }
    if !new.is_empty() {
        let rows: Value = new.iter().map(|change| row(change.conversation)).collect();
        let (ids, numbers_of): (Vec<Uuid>, Vec<Option<&str>>) =
            new.iter().map(|change| (change.conversation.id, change.number_of)).unzip();
        let (predecessors, versions): (Vec<Option<Uuid>>, Vec<Option<i64>>) =
            new.iter().map(|change| change.predecessor.map(|p| (p.id, p.version)).unzip()).unzip();
        let inserted =
            with_conversation_columns!(insert_conversations!(rows, &ids, &numbers_of, &predecessors, &versions));
        written.extend(inserted.fetch_all(&mut *tx).await?);
    }
    Ok(written)
}

macro_rules! lock_conversations {
    ($lock:literal, $ids:expr, $versions:expr, $numbers_of:expr) => {
        sqlx::query_scalar!(
            "SELECT c.id FROM unnest($1::uuid[], $2::bigint[], $3::text[]) AS wanted (id, version, number_of)
               JOIN conversations c ON c.id = wanted.id AND c.version = wanted.version
             WHERE number_of IS NULL
                OR EXISTS (SELECT 1 FROM business_numbers n WHERE n.phone = c.business_phone AND n.business_id = number_of)
             ORDER BY c.id " + $lock,
            $ids,
            $versions,
            $numbers_of as _
        )
    };
}

/// Locks the conversations that are still as they were read.
async fn lock_current(tx: &mut PgConnection, old: &[&Change<'_>], locks: Locks) -> Result<Vec<Uuid>, StoreError> {
    let (ids, versions): (Vec<Uuid>, Vec<i64>) =
        old.iter().map(|change| (change.conversation.id, change.conversation.version)).unzip();
    let numbers_of: Vec<Option<&str>> = old.iter().map(|change| change.number_of).collect();
    Ok(match locks {
        Locks::Wait => {
            let lock = lock_conversations!("FOR NO KEY UPDATE OF c", &ids, &versions, &numbers_of);
            lock.fetch_all(tx).await?
        }
        Locks::Skip => {
            let lock = lock_conversations!("FOR NO KEY UPDATE OF c SKIP LOCKED", &ids, &versions, &numbers_of);
            lock.fetch_all(tx).await?
        }
    })
}

/// Whether a conversation is still as it was read.
pub(super) async fn is_current(tx: &mut PgConnection, c: &Conversation) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM conversations WHERE id = $1 AND version = $2) AS "is_current!""#,
        c.id,
        c.version
    )
    .fetch_one(tx)
    .await?)
}

impl Store {
    /// Reads one conversation by its id.
    pub async fn conversation(&self, id: Uuid) -> Result<Option<Conversation>, StoreError> {
        self.statements.conversations.one(id).await
    }

    /// Reads conversations by their ids. A row that cannot be parsed is an error of its own.
    pub async fn conversations_by_id(
        &self,
        ids: &[Uuid],
    ) -> Result<HashMap<Uuid, Result<Conversation, StoreError>>, StoreError> {
        by_ids(self.by_key.clone(), ids.to_vec()).await
    }

    /// The conversation of each of these parties: the open one, or else the newest that has ended. Newest by
    /// `created_at`, because a late report on a message is activity of an older conversation.
    pub async fn conversations_of_parties(
        &self,
        parties: &[Parties],
    ) -> Result<HashMap<Parties, Result<Conversation, StoreError>>, StoreError> {
        let column = |of: fn(&Parties) -> &str| -> Vec<&str> { parties.iter().map(of).collect() };
        let rows = select_conversations!(
            "WHERE id IN (
                 SELECT newest.id FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted (business, number, customer)
                   CROSS JOIN LATERAL (
                     (SELECT c.id, true AS is_open, c.created_at FROM conversations c
                      WHERE c.business_id = business AND c.business_phone = number AND c.customer_phone = customer
                        AND c.status <> 'completed')
                     UNION ALL
                     (SELECT c.id, false, c.created_at FROM conversations c
                      WHERE c.business_id = business AND c.business_phone = number AND c.customer_phone = customer
                        AND c.status = 'completed'
                      ORDER BY c.created_at DESC, c.id DESC LIMIT 1)
                     ORDER BY is_open DESC LIMIT 1
                   ) newest)",
            &column(|parties| &parties.business_id) as _,
            &column(|parties| &parties.business_phone) as _,
            &column(|parties| &parties.customer_phone) as _
        )
        .fetch_all(&self.by_key)
        .await?;
        let parties = |row: &ConversationRow| Parties {
            business_id: row.business_id.clone(),
            business_phone: row.business_phone.clone(),
            customer_phone: row.customer_phone.clone(),
        };
        Ok(rows.into_iter().map(|row| (parties(&row), row.parse())).collect())
    }
}

/// Conversations by their ids.
pub(super) async fn by_ids(pool: PgPool, ids: Vec<Uuid>) -> Stored<Rows<Uuid, Conversation>> {
    let rows = select_conversations!("WHERE id = ANY($1)", &ids).fetch_all(&pool).await?;
    Ok(rows.into_iter().map(|row| (row.id, row.parse())).collect())
}
