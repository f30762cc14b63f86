//! What a person looks for first: open emergencies, texts that did not arrive, and the last words of conversations.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use uuid::Uuid;

use super::checked::Checked;
use super::conversation_lists::ConversationFilter;
use super::conversations::{
    ConversationRow, RulesState, select_conversations, select_from_conversations, with_conversation_columns,
};
use super::messages::MessageRow;
use super::{Store, StoreError};
use crate::domain::conversation::{Conversation, Media, Ownership, Status};
use crate::store::Message;

/// The most characters of the last words that are shown.
const MOST_WORDS: i32 = 160;

/// A text to a customer that did not arrive, or may not have.
#[derive(Debug)]
pub struct NotDelivered {
    /// The text.
    pub message: Message,
    /// The business that it came from.
    pub business_id: String,
    /// The customer's number.
    pub customer_phone: String,
}

/// The last message of a conversation.
#[derive(Debug, Clone)]
pub struct LastMessage {
    /// `inbound` or `outbound`.
    pub direction: String,
    /// Who wrote it.
    pub sender_type: String,
    /// The kind of message.
    pub kind: String,
    /// The beginning of its text.
    pub body: String,
    /// Its status.
    pub status: String,
    /// When it arrived, or was decided.
    pub created_at: DateTime<Utc>,
}

impl Store {
    /// The conversations with an emergency that is not over, newest activity first.
    pub async fn open_emergencies(
        &self,
        filter: &ConversationFilter,
        limit: i64,
    ) -> Result<Vec<Conversation>, StoreError> {
        let businesses = filter.businesses();
        let (after_at, after_id) = filter.after.unzip();
        let rows = select_conversations!(
            "WHERE emergency_detected AND status <> 'completed' AND NOT own_side
                 AND ($1::text[] IS NULL OR business_id = ANY($1))
                 AND ($2::text IS NULL OR customer_phone = $2)
                 AND ($3::text IS NULL OR status = $3)
                 AND ($4::text IS NULL OR ownership = $4)
                 AND ($5::timestamptz IS NULL OR last_activity >= $5)
                 AND ($6::timestamptz IS NULL OR (last_activity, id) < ($6, $7::uuid))
               ORDER BY last_activity DESC, id DESC
               LIMIT $8",
            businesses.as_deref() as _,
            filter.customer_phone,
            filter.status.map(Status::as_str),
            filter.ownership.map(Ownership::as_str),
            filter.since,
            after_at,
            after_id,
            limit
        )
        .fetch_all(&mut *self.list().await?)
        .await?;
        rows.into_iter().map(ConversationRow::parse).collect()
    }

    /// Texts to customers of these businesses (`None`: of all) that did not arrive, or may not have, newest first, after the
    /// one with this `created_at` and id.
    pub async fn messages_not_delivered(
        &self,
        businesses: Option<&[String]>,
        after: Option<(DateTime<Utc>, Uuid)>,
        limit: i64,
    ) -> Result<Vec<NotDelivered>, StoreError> {
        let (after_at, after_id) = after.unzip();
        let rows = sqlx::query!(
            r#"SELECT m.id, c.id AS conversation_id, m.direction, m.sender_type, m.user_id, m.kind, m.body,
                 m.media AS "media: Json<Checked<Vec<Media>>>", m.twilio_sid, m.status, m.error_code, m.window_id,
                 m.in_reply_to_window, m.created_at, c.business_id, c.customer_phone
               FROM messages m JOIN conversations c ON c.id = m.conversation_id
               WHERE m.direction = 'outbound' AND m.status IN ('undelivered', 'failed', 'unknown')
                 AND m.conversation_id IS NOT NULL AND NOT c.own_side
                 AND ($1::text[] IS NULL OR c.business_id = ANY($1))
                 AND ($2::timestamptz IS NULL OR (m.created_at, m.id) < ($2, $3::uuid))
               ORDER BY m.created_at DESC, m.id DESC
               LIMIT $4"#,
            businesses,
            after_at,
            after_id,
            limit
        )
        .fetch_all(&mut *self.list().await?)
        .await?;
        rows.into_iter()
            .map(|row| {
                let message = MessageRow {
                    id: row.id,
                    conversation_id: row.conversation_id,
                    direction: row.direction,
                    sender_type: row.sender_type,
                    user_id: row.user_id,
                    kind: row.kind,
                    body: row.body,
                    media: row.media,
                    twilio_sid: row.twilio_sid,
                    status: row.status,
                    error_code: row.error_code,
                    window_id: row.window_id,
                    in_reply_to_window: row.in_reply_to_window,
                    created_at: row.created_at,
                };
                Ok(NotDelivered {
                    message: message.parse()?,
                    business_id: row.business_id,
                    customer_phone: row.customer_phone,
                })
            })
            .collect()
    }

    /// The last message of each of these conversations that has one; what was dropped before it was sent does not count.
    pub async fn last_messages(&self, conversations: &[Uuid]) -> Result<HashMap<Uuid, LastMessage>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT of.id AS "conversation_id!", m.direction, m.sender_type, m.kind, left(m.body, $2) AS "body!", m.status,
                 m.created_at
               FROM unnest($1::uuid[]) AS of(id)
               CROSS JOIN LATERAL (
                 SELECT * FROM messages
                 WHERE conversation_id = of.id AND status <> 'superseded'
                 ORDER BY created_at DESC, stream_sequence DESC, id DESC
                 LIMIT 1
               ) m"#,
            conversations,
            MOST_WORDS
        )
        .fetch_all(&mut *self.list().await?)
        .await?;
        let last = rows.into_iter().map(|row| {
            let message = LastMessage {
                direction: row.direction,
                sender_type: row.sender_type,
                kind: row.kind,
                body: row.body,
                status: row.status,
                created_at: row.created_at,
            };
            (row.conversation_id, message)
        });
        Ok(last.collect())
    }
}
