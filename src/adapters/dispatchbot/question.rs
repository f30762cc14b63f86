//! What DispatchBot is asked, in the terms of the service: each dialect writes it in its own.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::domain::business::Profile;
use crate::domain::conversation::{Media, Priority};
use crate::domain::hours::with_closed_times;
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

impl Question {
    /// The calendar of the business, with the times in which it is closed within its hours. It does not depend on when the
    /// question is asked: a second try has the same body.
    pub(super) fn calendar(&self) -> Value {
        let business = &self.business;
        let newest = self.messages.iter().map(|said| said.sent_at).max().unwrap_or_default();
        with_closed_times(&business.calendar, &business.business_hours, &business.timezone, newest)
    }
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
