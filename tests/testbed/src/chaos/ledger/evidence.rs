//! The evidence: plain data from four sources, gathered when all is over.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::chaos::load::{Asked, Count, Posted};

/// Everything that the ledger is made of.
#[derive(Debug, Clone, Default)]
pub(in crate::chaos) struct Evidence {
    /// The generator's own books.
    pub count: Count,
    /// Requests to webhooks, and what came of them.
    pub posted: Vec<Posted>,
    /// Commands, and what came of them.
    pub asked: Vec<Asked>,
    /// Requests that Twilio got, by what it made of them.
    pub twilio: BTreeMap<String, u64>,
    /// What Twilio accepted.
    pub accepted: Vec<Accepted>,
    /// Status callbacks that Twilio made, and that were acknowledged.
    pub reports: Vec<Report>,
    /// The tables.
    pub conversations: Vec<Conversation>,
    /// Messages, alerts among them.
    pub messages: Vec<Message>,
    /// Windows.
    pub windows: Vec<Window>,
    /// Their lives, in the order of the commits.
    pub steps: Vec<Step>,
    /// Calls.
    pub calls: Vec<Call>,
    /// Redis's log, in its order.
    pub events: Vec<Event>,
    /// Redis has dropped the beginning of its log.
    pub events_trimmed: bool,
    /// Reasons of dead letters.
    pub dead: Vec<String>,
    /// What was still under way at the end.
    pub unsettled: Vec<String>,
    /// Processes that ended without having been killed.
    pub ended_by_themselves: Vec<String>,
    /// Parts that were to be killed, and were not.
    pub spared: Vec<String>,
}

/// A message that Twilio accepted.
#[derive(Debug, Clone)]
pub(in crate::chaos) struct Accepted {
    /// Twilio's id.
    pub sid: String,
    /// Ours, from the status callback's URL.
    pub message: Option<Uuid>,
    /// When.
    pub at: DateTime<Utc>,
}

/// A delivery status that was acknowledged.
#[derive(Debug, Clone)]
pub(in crate::chaos) struct Report {
    /// Twilio's id of the message.
    pub sid: String,
    /// `sent`, `delivered`, `undelivered`.
    pub status: String,
}

/// A row of `conversations`.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(in crate::chaos) struct Conversation {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub customer_phone: String,
    /// The sequence of the last event that was emitted.
    pub event_sequence: i64,
}

/// A row of `messages`.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(in crate::chaos) struct Message {
    /// Its id.
    pub id: Uuid,
    /// The conversation; none for an alert.
    pub conversation_id: Option<Uuid>,
    /// Who speaks: customer, ai or user.
    pub sender_type: String,
    /// The text.
    pub body: String,
    /// Twilio's id.
    pub twilio_sid: Option<String>,
    /// Where it stands.
    pub status: String,
    /// The window that a customer's message is in.
    pub window_id: Option<Uuid>,
    /// The window that ours answers.
    pub in_reply_to_window: Option<Uuid>,
    /// The order …
    pub created_at: DateTime<Utc>,
    /// … and the order among equal times.
    pub stream_sequence: i64,
    /// When it was last claimed.
    pub attempted_at: Option<DateTime<Utc>>,
}

/// A row of `windows`.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(in crate::chaos) struct Window {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub conversation_id: Uuid,
    /// Where it stands.
    pub state: String,
}

/// A row of `window_steps`.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(in crate::chaos) struct Step {
    /// Which window.
    pub window_id: Uuid,
    /// Whose it is.
    pub conversation_id: Uuid,
    /// Where the step took it.
    pub state: String,
    /// Why.
    pub because: String,
}

/// A row of `calls`.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(in crate::chaos) struct Call {
    /// Its id.
    pub id: Uuid,
    /// Twilio's id.
    pub call_sid: String,
    /// The sequence of the last event that was emitted.
    pub event_sequence: i64,
    /// How the dial ended.
    pub dial_status: Option<String>,
}

/// An event in Redis's log.
#[derive(Debug, Clone)]
pub(in crate::chaos) struct Event {
    /// Its id.
    pub id: String,
    /// What kind.
    pub event_type: String,
    /// The conversation or the call that it is about; none for the service itself.
    pub about: Option<Uuid>,
    /// The message that it is about, if any.
    pub message: Option<Uuid>,
    /// Its place among those of the conversation or the call.
    pub sequence: i64,
}

impl Evidence {
    /// What customers wrote, as far as it is known.
    pub(super) fn texts(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter().filter(|message| message.sender_type == "customer")
    }
}
