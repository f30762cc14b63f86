//! A message as it is stored.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::conversation::{Media, MessageKind, MessageStatus, SentMessage};

/// A message of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Our id of the message.
    pub id: Uuid,
    /// The conversation that the message belongs to; for an alert, the one that it is about.
    pub conversation_id: Uuid,
    /// `inbound` or `outbound`.
    pub direction: String,
    /// `customer`, `ai` or `user`.
    pub sender_type: String,
    /// The person who wrote the message, if one did.
    pub user_id: Option<String>,
    /// The purpose of the message.
    pub kind: MessageKind,
    /// The text of the message.
    pub body: String,
    /// The attachments of the message.
    pub media: Vec<Media>,
    /// Twilio's id of the message.
    pub twilio_sid: Option<String>,
    /// The status of the message.
    pub status: MessageStatus,
    /// Twilio's error code, if it failed with one.
    pub error_code: Option<i32>,
    /// The window that holds it, if it is a customer's message.
    pub window_id: Option<Uuid>,
    /// The window that an outbound message answers.
    pub in_reply_to_window: Option<Uuid>,
    /// Inbound: when the edge received it. Outbound: when sending it was decided.
    pub created_at: DateTime<Utc>,
}

impl Message {
    /// The part of the message that the rules need.
    pub fn sent(&self) -> SentMessage {
        SentMessage {
            id: self.id,
            status: self.status,
            kind: self.kind,
            twilio_sid: self.twilio_sid.clone(),
            in_reply_to_window: self.in_reply_to_window,
            created_at: self.created_at,
        }
    }
}
