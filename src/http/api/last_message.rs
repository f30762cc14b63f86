//! The last words of conversations, for lists that people read.

use chrono::{DateTime, Utc};
use poem_openapi::Object;
use uuid::Uuid;

use super::conversations::Conversation;
use super::failure::Failure;
use crate::adapters::postgres;
use crate::domain::conversation;
use crate::http::Edge;

/// The last message of a conversation. A message that was dropped before it was sent does not count.
#[derive(Debug, Object)]
pub(super) struct LastMessage {
    /// The direction: `inbound` from the customer, or `outbound` to the customer.
    direction: String,
    /// Who sent the message: `customer`, `ai` or `user`.
    sender_type: String,
    /// The kind of message.
    kind: String,
    /// The first 160 characters of its text.
    body: String,
    /// The status of the message.
    status: String,
    /// When it arrived, or when it was decided to send it.
    created_at: DateTime<Utc>,
}

impl From<postgres::LastMessage> for LastMessage {
    fn from(last: postgres::LastMessage) -> Self {
        Self {
            direction: last.direction,
            sender_type: last.sender_type,
            kind: last.kind,
            body: last.body,
            status: last.status,
            created_at: last.created_at,
        }
    }
}

/// The conversations as the API shows them, with the last message of each if they are `wanted`.
pub(super) async fn shown(
    edge: &Edge,
    found: Vec<conversation::Conversation>,
    wanted: bool,
) -> Result<Vec<Conversation>, Failure> {
    let mut shown: Vec<Conversation> = found.into_iter().map(Conversation::from).collect();
    if wanted {
        let ids: Vec<Uuid> = shown.iter().map(|conversation| conversation.id).collect();
        let ids = ids.as_slice();
        let mut last = edge.read(|store| async move { store.last_messages(ids).await }).await?;
        for conversation in &mut shown {
            conversation.last_message = last.remove(&conversation.id).map(LastMessage::from);
        }
    }
    Ok(shown)
}
