//! Reads messages. A commit writes them, and [`super::claims`] claims them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use sqlx::types::Json;
use uuid::Uuid;

use super::batched::Rows;
use super::checked::Checked;
use super::{Store, StoreError, Stored};
use crate::domain::conversation::{Media, MessageKind, derive_id};
use crate::domain::phone::PhoneNumber;
use crate::store::Message;

/// Reads messages: `select_messages!("WHERE …", arguments)`. Holds the one list of columns to read.
macro_rules! select_messages {
    ($rest:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            MessageRow,
            r#"SELECT id, subject_conversation_id AS conversation_id, direction, sender_type, user_id, kind, body,
                 media AS "media: Json<Checked<Vec<Media>>>", twilio_sid, status, error_code, window_id, in_reply_to_window, created_at
               FROM messages "# + $rest
            $(, $argument)*
        )
    };
}

impl Store {
    /// Corrects the arrival time of a customer's message to `at`, if a later time is recorded. The copy that arrived
    /// first may be processed last, if it had to wait in PostgreSQL.
    pub async fn backdate_arrival(&self, twilio_sid: &str, at: DateTime<Utc>) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE messages SET created_at = $2 WHERE twilio_sid = $1 AND sender_type = 'customer' AND created_at > $2",
            twilio_sid,
            at
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// When this business last sent a caller a missed-call text, from any of its numbers.
    pub async fn missed_call_sms_at(
        &self,
        business_id: &str,
        customer: &PhoneNumber,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        Ok(sqlx::query_scalar!(
            "SELECT max(m.created_at) FROM conversations c JOIN messages m ON m.conversation_id = c.id
             WHERE c.customer_phone = $2 AND c.business_id = $1 AND m.kind = 'missed_call'",
            business_id,
            customer.as_str()
        )
        .fetch_one(&self.by_key)
        .await?)
    }
}

pub(super) struct MessageRow {
    pub(super) id: Uuid,
    pub(super) conversation_id: Uuid,
    pub(super) direction: String,
    pub(super) sender_type: String,
    pub(super) user_id: Option<String>,
    pub(super) kind: String,
    pub(super) body: String,
    pub(super) media: Json<Checked<Vec<Media>>>,
    pub(super) twilio_sid: Option<String>,
    pub(super) status: String,
    pub(super) error_code: Option<i32>,
    pub(super) window_id: Option<Uuid>,
    pub(super) in_reply_to_window: Option<Uuid>,
    pub(super) created_at: DateTime<Utc>,
}

impl MessageRow {
    pub(super) fn parse(self) -> Result<Message, StoreError> {
        let corrupt = |what: crate::domain::text_enum::UnknownWord| StoreError::corrupt("messages", self.id, what);
        Ok(Message {
            kind: self.kind.parse().map_err(corrupt)?,
            status: self.status.parse().map_err(corrupt)?,
            id: self.id,
            conversation_id: self.conversation_id,
            direction: self.direction,
            sender_type: self.sender_type,
            user_id: self.user_id,
            body: self.body,
            media: self.media.0.of("messages", self.id)?,
            twilio_sid: self.twilio_sid,
            error_code: self.error_code,
            window_id: self.window_id,
            in_reply_to_window: self.in_reply_to_window,
            created_at: self.created_at,
        })
    }
}

impl Store {
    /// Reads one message by our id.
    pub async fn message(&self, id: Uuid) -> Result<Option<Message>, StoreError> {
        self.statements.messages.one(id).await
    }

    /// Reads messages by our ids. A row that cannot be parsed is an error of its own.
    pub(super) async fn messages_by_id(
        &self,
        ids: &[Uuid],
    ) -> Result<HashMap<Uuid, Result<Message, StoreError>>, StoreError> {
        by_ids(self.by_key.clone(), ids.to_vec()).await
    }

    /// The message that a person's input created, if it created one.
    pub async fn message_of_input(&self, conversation_id: Uuid, input_id: &str) -> Result<Option<Message>, StoreError> {
        // Its ordinal among the ids derived from the input depends on what else the input did.
        for ordinal in 0..3 {
            let id = derive_id(&conversation_id.to_string(), input_id, "message", ordinal);
            if let Some(message) = self.message(id).await? {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// Reads one message by Twilio's id.
    pub async fn message_by_sid(&self, twilio_sid: &str) -> Result<Option<Message>, StoreError> {
        self.statements.messages_by_sid.one(twilio_sid.to_owned()).await
    }

    /// Reads one message by any id that Twilio has for it: a text that came by both of Twilio's APIs has two.
    pub async fn message_by_any_sid(&self, twilio_sid: &str) -> Result<Option<Message>, StoreError> {
        if let Some(message) = self.message_by_sid(twilio_sid).await? {
            return Ok(Some(message));
        }
        let paired = sqlx::query_scalar!("SELECT message_id FROM paired_texts WHERE twilio_sid = $1", twilio_sid)
            .fetch_optional(&self.pool)
            .await?;
        match paired {
            Some(id) => self.message(id).await,
            None => Ok(None),
        }
    }

    /// Whether the newest answer to a window was the fallback or the emergency text, because DispatchBot had no answer.
    /// Businesses with a DispatchBot of their own say nothing about the service's; if the newest 200 answers are all
    /// theirs, nothing is known against it.
    pub async fn newest_answer_was_fallback(&self) -> Result<bool, StoreError> {
        let kind = sqlx::query_scalar!(
            "SELECT kind FROM (
               SELECT kind, conversation_id, created_at, id FROM messages
               WHERE kind IN ('reply', 'fallback', 'emergency') ORDER BY created_at DESC, id DESC LIMIT 200) m
             WHERE NOT EXISTS (SELECT 1 FROM conversations c JOIN businesses b ON b.id = c.business_id
                               WHERE c.id = m.conversation_id AND b.profile #> '{policy,dispatchbot}' IS NOT NULL)
             ORDER BY created_at DESC, id DESC LIMIT 1"
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(kind.is_some_and(|kind| kind != MessageKind::Reply.as_str()))
    }

    /// Whether any message is still unsent 3 s after its first attempt, also to open its conversation: Twilio does not answer, or does not accept it.
    pub async fn sends_are_stuck(&self) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT EXISTS (
                 SELECT 1 FROM messages
                 WHERE status IN ('queued', 'sending') AND first_attempted_at < clock_timestamp() - interval '3 seconds'
               ) AS "stuck!""#
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// The newest `limit` messages of a conversation, in the order in which they arrived.
    pub async fn newest_messages(&self, conversation_id: Uuid, limit: i64) -> Result<Vec<Message>, StoreError> {
        let mut rows = select_messages!(
            "WHERE conversation_id = $1
               ORDER BY created_at DESC, stream_sequence DESC, id DESC LIMIT $2",
            conversation_id,
            limit
        )
        .fetch_all(&self.by_key)
        .await?;
        rows.reverse();
        rows.into_iter().map(MessageRow::parse).collect()
    }

    /// Messages of a conversation in the order in which they arrived, after the message `after`.
    pub async fn messages(
        &self,
        conversation_id: Uuid,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Message>, StoreError> {
        select_messages!(
            "WHERE conversation_id = $1
                 AND ($2::uuid IS NULL OR (created_at, stream_sequence, id) >
                     (SELECT m.created_at, m.stream_sequence, m.id FROM messages m WHERE m.id = $2))
               ORDER BY created_at, stream_sequence, id LIMIT $3",
            conversation_id,
            after,
            limit
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(MessageRow::parse)
        .collect()
    }
}

/// Messages by our ids.
pub(super) async fn by_ids(pool: PgPool, ids: Vec<Uuid>) -> Stored<Rows<Uuid, Message>> {
    let rows = select_messages!("WHERE id = ANY($1)", &ids).fetch_all(&pool).await?;
    Ok(rows.into_iter().map(|row| (row.id, row.parse())).collect())
}

/// Messages by Twilio's ids.
pub(super) async fn by_sids(pool: PgPool, sids: Vec<String>) -> Stored<Rows<String, Message>> {
    let rows = select_messages!("WHERE twilio_sid = ANY($1)", &sids).fetch_all(&pool).await?;
    Ok(rows.into_iter().filter_map(|row| Some((row.twilio_sid.clone()?, row.parse()))).collect())
}
