//! What DispatchBot is asked, in the terms of the service: each dialect writes it in its own.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::business::Profile;
use crate::domain::conversation::{Media, Priority};
use crate::domain::phone::PhoneNumber;

/// A closed window, with everything needed to answer it.
#[derive(Clone)]
pub struct Question {
    /// The conversation.
    pub conversation_id: Uuid,
    /// The window; also the idempotency key, so that a second try is not a second request.
    pub window_id: Uuid,
    /// How soon the answer is needed.
    pub priority: Priority,
    /// The customer's number.
    pub customer: PhoneNumber,
    /// The number of the business that the customer wrote to.
    pub business_phone: PhoneNumber,
    /// The business; it may have a DispatchBot of its own.
    pub business: Arc<Profile>,
    /// The conversation so far, oldest first.
    pub messages: Vec<Said>,
}

/// A message of the conversation.
#[derive(Clone, PartialEq)]
pub struct Said {
    /// Who wrote it.
    pub sender: Sender,
    /// The text.
    pub body: String,
    /// The attachments.
    pub media: Vec<Media>,
    /// When it arrived at the edge, or was sent.
    pub sent_at: DateTime<Utc>,
    /// Whether it is one of those that the answer is about.
    pub in_window: bool,
}

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// The customer.
    Customer,
    /// DispatchBot.
    Ai,
    /// The service, from a template.
    Service,
    /// A person of the business.
    Person,
}
