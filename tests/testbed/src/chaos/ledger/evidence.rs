//! The evidence: plain data from four sources, gathered after the run.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::chaos::load::{Asked, Count, Posted};

/// All input of the ledger.
#[derive(Debug, Clone, Default)]
pub(in crate::chaos) struct Evidence {
    /// The generator's own counts.
    pub count: Count,
    /// Requests to webhooks, and their outcomes.
    pub posted: Vec<Posted>,
    /// Commands, and their outcomes.
    pub asked: Vec<Asked>,
    /// Requests that Twilio received, by outcome.
    pub twilio: BTreeMap<String, u64>,
    /// Messages that Twilio accepted.
    pub accepted: Vec<Accepted>,
    /// Status callbacks by Twilio that were acknowledged.
    pub reports: Vec<Report>,
    /// The conversations.
    pub conversations: Vec<Conversation>,
    /// Messages, including alerts.
    pub messages: Vec<Message>,
    /// The windows.
    pub windows: Vec<Window>,
    /// The steps of the windows, in the order of the commits.
    pub steps: Vec<Step>,
    /// The calls.
    pub calls: Vec<Call>,
    /// Redis's log, in its order.
    pub events: Vec<Event>,
    /// Whether Redis has dropped the beginning of its log.
    pub events_trimmed: bool,
    /// The reasons of dead letters.
    pub dead: Vec<String>,
    /// What was still under way at the end.
    pub unsettled: Vec<String>,
    /// Processes that ended without having been killed.
    pub ended_by_themselves: Vec<String>,
    /// Parts that should have been killed, but were not.
    pub spared: Vec<String>,
}

/// A message that Twilio accepted.
#[derive(Debug, Clone)]
pub(in crate::chaos) struct Accepted {
    /// Twilio's SID.
    pub sid: String,
    /// Our id, from the status callback's URL.
    pub message: Option<Uuid>,
    /// The time of acceptance.
    pub at: DateTime<Utc>,
}

/// A delivery status that was acknowledged.
#[derive(Debug, Clone)]
pub(in crate::chaos) struct Report {
    /// Twilio's SID of the message.
    pub sid: String,
    /// `sent`, `delivered`, `undelivered`.
    pub status: String,
}

/// A row of `conversations`.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(in crate::chaos) struct Conversation {
    /// The id.
    pub id: Uuid,
    /// The customer's number.
    pub customer_phone: String,
    /// The sequence of the last event emitted.
    pub event_sequence: i64,
}

/// A row of `messages`.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(in crate::chaos) struct Message {
    /// The id.
    pub id: Uuid,
    /// The conversation; `None` for an alert.
    pub conversation_id: Option<Uuid>,
    /// The sender: customer, ai or user.
    pub sender_type: String,
    /// The text.
    pub body: String,
    /// Twilio's SID.
    pub twilio_sid: Option<String>,
    /// The message's status.
    pub status: String,
    /// The window of a customer's message.
    pub window_id: Option<Uuid>,
    /// The window that our message answers.
    pub in_reply_to_window: Option<Uuid>,
    /// The time, by which messages are ordered.
    pub created_at: DateTime<Utc>,
    /// The order of messages with equal times.
    pub stream_sequence: i64,
    /// The time of its last claim.
    pub attempted_at: Option<DateTime<Utc>>,
}

/// A row of `windows`.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(in crate::chaos) struct Window {
    /// The id.
    pub id: Uuid,
    /// The window's conversation.
    pub conversation_id: Uuid,
    /// The window's state.
    pub state: String,
}

/// A row of `window_steps`.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(in crate::chaos) struct Step {
    /// The window.
    pub window_id: Uuid,
    /// The window's conversation.
    pub conversation_id: Uuid,
    /// The state after the step.
    pub state: String,
    /// The reason.
    pub because: String,
}

/// A row of `calls`.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(in crate::chaos) struct Call {
    /// The id.
    pub id: Uuid,
    /// Twilio's SID.
    pub call_sid: String,
    /// The sequence of the last event emitted.
    pub event_sequence: i64,
    /// The result of the dial.
    pub dial_status: Option<String>,
}

/// An event in Redis's log.
#[derive(Debug, Clone)]
pub(in crate::chaos) struct Event {
    /// The id.
    pub id: String,
    /// The event's type.
    pub event_type: String,
    /// The conversation or call of the event; `None` for the service itself.
    pub about: Option<Uuid>,
    /// The message of the event, if any.
    pub message: Option<Uuid>,
    /// Its sequence within the conversation or the call.
    pub sequence: i64,
}

impl Evidence {
    /// The customers' texts, as far as they are known.
    pub(super) fn texts(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter().filter(|message| message.sender_type == "customer")
    }
}
