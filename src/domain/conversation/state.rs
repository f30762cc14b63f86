//! What a conversation is: the fields the contract names, and what the rules remember beside them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::decision::Priority;
use crate::domain::emergency::{LifeSafety, Reading};
use crate::domain::phone::PhoneNumber;
use crate::text_enum;

text_enum! {
    /// Where a conversation stands (docs/contract.md, section 3).
    pub enum Status {
        /// Nobody has answered the customer yet.
        Active = "active",
        /// The AI is answering.
        AiHandling = "ai_handling",
        /// A person is answering.
        UserHandling = "user_handling",
        /// It is over; the next message of the customer opens another one.
        Completed = "completed",
    }
}

text_enum! {
    /// Who may speak to the customer (docs/contract.md, section 3).
    pub enum Ownership {
        /// Nobody yet: the AI may, once the window has closed.
        None = "none",
        /// The AI.
        Ai = "ai",
        /// A person; the AI is silent.
        User = "user",
    }
}

text_enum! {
    /// Where a message stands (docs/contract.md, section 3).
    pub enum MessageStatus {
        /// Came from the customer.
        Received = "received",
        /// Waits to be sent.
        Queued = "queued",
        /// Claimed by a worker, or at Twilio with its outcome not yet known.
        Sending = "sending",
        /// Accepted by Twilio.
        Sent = "sent",
        /// The carrier reports it delivered. Terminal.
        Delivered = "delivered",
        /// The carrier reports that it could not be delivered. Terminal.
        Undelivered = "undelivered",
        /// Refused by Twilio, or given up. Terminal.
        Failed = "failed",
        /// Not sent: something newer made it stale.
        Superseded = "superseded",
        /// It could not be found out whether Twilio has sent it.
        Unknown = "unknown",
    }
}

impl MessageStatus {
    /// Terminal states are sticky: no later report changes them (docs/twilio.md, section 3).
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Delivered | Self::Undelivered | Self::Failed)
    }

    /// Whether Twilio has the message, as far as is known.
    pub fn is_accepted(self) -> bool {
        matches!(self, Self::Sent | Self::Delivered | Self::Undelivered)
    }
}

/// A conversation between one customer and one number of a business.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    /// Derived from the input that opened it.
    pub id: Uuid,
    /// The business, as the App Server names it.
    pub business_id: String,
    /// The owner of the business, as the App Server names them.
    pub user_id: String,
    /// The missed call that opened it, if one did.
    pub call_id: Option<Uuid>,
    /// Whom we talk to.
    pub customer_phone: PhoneNumber,
    /// The number that the customer called or wrote to; every answer goes out from it.
    pub business_phone: PhoneNumber,
    /// The business's own Twilio account under which the customer last reached it; none: the main account. The main account
    /// writes to nobody who was reached under another one.
    pub own_account: Option<String>,
    /// Where it stands.
    pub status: Status,
    /// Who may speak.
    pub ownership: Ownership,
    /// Whether a customer message has started the AI timer.
    pub ai_timer_started: bool,
    /// When the first customer message started it.
    pub ai_timer_started_at: Option<DateTime<Utc>>,
    /// When a person last took over.
    pub user_takeover_at: Option<DateTime<Utc>>,
    /// Whether an emergency was seen in it.
    pub emergency_detected: bool,
    /// What DispatchBot took the job to be.
    pub job_type: Option<String>,
    /// How urgent DispatchBot took it to be: `normal`, `urgent`, `emergency`.
    pub urgency_level: Option<String>,
    /// How it ended.
    pub outcome: Option<String>,
    /// A summary for the owner.
    pub summary: Option<String>,
    /// Whether the customer has opted out of texts.
    pub opted_out: bool,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
    /// When something last happened in it.
    pub last_activity: DateTime<Utc>,
    /// Compare-and-set: the version of the row that this was read from; 0 before the first commit.
    pub version: i64,
    /// The sequence of the last event emitted.
    pub event_sequence: i64,
    /// Raised by everything that makes a reply stale, a customer's message among it.
    pub epoch: i64,
    /// Raised by what silences the AI whatever the time: takeover, a user's reply, an opt-out, a user's completion.
    /// A message of a customer does not raise it.
    pub hard_epoch: i64,
    /// The window that collects the customer's messages now.
    pub window: Option<OpenWindow>,
    /// The window whose answer is under way.
    pub answering: Option<Answering>,
    /// What the rules remember of the past.
    pub memory: Memory,
}

/// A window: the customer's messages that are to be answered together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenWindow {
    /// Derived from the message that opened it.
    pub id: Uuid,
    /// When it opened; a window that follows a superseded answer inherits that one's opening.
    pub opened_at: DateTime<Utc>,
    /// The newest message in it.
    pub last_message_at: DateTime<Utc>,
    /// When it closes; none while a person owns the conversation.
    pub deadline: Option<DateTime<Utc>>,
    /// The window whose answer a takeover stopped, where this one holds nothing but that one's messages: should it turn
    /// out that the answer had gone out, nothing is left to answer.
    #[serde(default)]
    pub resumes: Option<Uuid>,
    /// What its messages tell of an emergency, taken together.
    #[serde(default)]
    pub reading: Reading,
}

/// A closed window whose answer is not settled yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answering {
    /// The window.
    pub window_id: Uuid,
    /// When it opened.
    pub opened_at: DateTime<Utc>,
    /// When it was claimed.
    pub closed_at: DateTime<Utc>,
    /// From here on the answer goes out even if newer messages came, so that a steady texter is not left in silence.
    pub exempt_at: DateTime<Utc>,
    /// [`Conversation::epoch`] when it was claimed.
    pub epoch: i64,
    /// [`Conversation::hard_epoch`] when it was claimed.
    pub hard_epoch: i64,
    /// As in [`OpenWindow`].
    #[serde(default)]
    pub resumes: Option<Uuid>,
    /// The rule by which its words were taken for an emergency.
    #[serde(default)]
    pub emergency_rule: Option<String>,
    /// How soon it is needed.
    #[serde(rename = "urgent", default = "in_its_turn")]
    pub priority: Priority,
    /// How far the answer is.
    pub phase: Phase,
}

fn in_its_turn() -> Priority {
    Priority::Normal
}

/// How far the answer to a window is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "name")]
pub enum Phase {
    /// DispatchBot is being asked.
    Analyzing,
    /// The reply waits to be sent, or is being sent.
    Replying {
        /// The reply.
        message_id: Uuid,
    },
}

/// What the rules remember of a conversation's past.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// When the AI replied, as far back as the AI_MAX guard looks.
    #[serde(default)]
    pub ai_replies: Vec<DateTime<Utc>>,
    /// When the fallback text last went out.
    #[serde(default)]
    pub fallback_at: Option<DateTime<Utc>>,
    /// When the missed-call text last went out.
    #[serde(default)]
    pub missed_call_sms_at: Option<DateTime<Utc>>,
    /// When the customer last said that they want texts again: a word against them that is older, and comes late, changes
    /// nothing any more.
    #[serde(default)]
    pub opted_in_at: Option<DateTime<Utc>>,
    /// When the conversation ended.
    #[serde(default)]
    pub completed_at: Option<DateTime<Utc>>,
    /// Who is to be told next of an emergency.
    #[serde(default)]
    pub alerting: Option<Alerting>,
    /// When the owner was last told of one.
    #[serde(default)]
    pub emergency_at: Option<DateTime<Utc>>,
    /// When a person last said that it was none.
    #[serde(default)]
    pub false_alarm_at: Option<DateTime<Utc>>,
    /// The dangers to life that were told of in it.
    #[serde(default)]
    pub dangers: Vec<LifeSafety>,
    /// When the owner was last told that the customer had not got the safety notice.
    #[serde(default)]
    pub not_told_at: Option<DateTime<Utc>>,
}

/// An emergency that nobody has taken over yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alerting {
    /// Which of the business's numbers is next.
    pub next: usize,
    /// When.
    pub at: DateTime<Utc>,
    /// What they are told.
    pub text: String,
    /// The alerts so far, in the order of the numbers.
    #[serde(default)]
    pub told: Vec<Uuid>,
    /// Which of the numbers an alert did not reach, or may not have.
    #[serde(default)]
    pub unreached: Vec<usize>,
}

impl Conversation {
    /// When the conversation has to be looked at again without anybody writing: its window is due, or somebody is to be
    /// told of an emergency. Its one timer is armed for this moment.
    pub fn next_look(&self) -> Option<DateTime<Utc>> {
        let window = self.window.as_ref().and_then(|window| window.deadline);
        let alert = self.memory.alerting.as_ref().map(|alerting| alerting.at);
        window.into_iter().chain(alert).min()
    }
}
