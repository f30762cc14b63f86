//! The state of a conversation: the fields that the contract names, and what the rules remember.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::decision::Priority;
use super::spell::Spell;
use super::waiting::Unanswered;
use crate::domain::emergency::{Language, LifeSafety, Reading};
use crate::domain::owner::Relaying;
use crate::domain::phone::PhoneNumber;
use crate::text_enum;

text_enum! {
    /// The status of a conversation (docs/contract.md, section 3).
    pub enum Status {
        /// Nobody has answered the customer yet.
        Active = "active",
        /// The AI is answering.
        AiHandling = "ai_handling",
        /// A person is answering.
        UserHandling = "user_handling",
        /// It has ended. The next message of the customer opens another one, or reopens it.
        Completed = "completed",
    }
}

text_enum! {
    /// Who may speak to the customer (docs/contract.md, section 3).
    pub enum Ownership {
        /// Nobody yet. The AI may after the window has closed.
        None = "none",
        Ai = "ai",
        /// A person. The AI does not send.
        User = "user",
    }
}

text_enum! {
    /// The status of a message (docs/contract.md, section 3).
    pub enum MessageStatus {
        /// Received from the customer.
        Received = "received",
        /// Waiting to be sent.
        Queued = "queued",
        /// Claimed by a worker, or sent to Twilio with an outcome that is not known yet.
        Sending = "sending",
        /// Accepted by Twilio.
        Sent = "sent",
        /// The carrier reports it delivered. Terminal.
        Delivered = "delivered",
        /// The carrier reports that it could not be delivered. Terminal.
        Undelivered = "undelivered",
        /// Rejected by Twilio, or abandoned. Terminal.
        Failed = "failed",
        /// Not sent, because something newer made it stale.
        Superseded = "superseded",
        /// It is unknown whether Twilio sent it.
        Unknown = "unknown",
    }
}

impl MessageStatus {
    /// No later report changes a terminal status (docs/twilio.md, section 3).
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Delivered | Self::Undelivered | Self::Failed)
    }

    /// Whether Twilio is known to have accepted the message.
    pub fn is_accepted(self) -> bool {
        matches!(self, Self::Sent | Self::Delivered | Self::Undelivered)
    }
}

/// A conversation between one customer and one number of a business.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    /// Derived from the input that opened it.
    pub id: Uuid,
    /// The business's id in the App Server.
    pub business_id: String,
    /// The owner's id in the App Server.
    pub user_id: String,
    /// The missed call that opened it, if any.
    pub call_id: Option<Uuid>,
    pub customer_phone: PhoneNumber,
    /// The business's number that the customer used. Every answer is sent from it.
    pub business_phone: PhoneNumber,
    /// The business's own Twilio account under which the customer last reached it, or `None` for the main account. The
    /// main account never writes to a customer who was reached under another account.
    pub own_account: Option<String>,
    pub status: Status,
    /// Who may speak to the customer.
    pub ownership: Ownership,
    /// Whether a customer message has started the AI timer.
    pub ai_timer_started: bool,
    /// When the first customer message started it.
    pub ai_timer_started_at: Option<DateTime<Utc>>,
    /// When a person last took over.
    pub user_takeover_at: Option<DateTime<Utc>>,
    /// The person who took over, by their id in the App Server, while a person owns it. `None` also if a version took it
    /// over that did not record it.
    pub owned_by: Option<String>,
    /// Since when the customer waits for an answer: the edge's time of their earliest text without one ([`Unanswered`]).
    pub waiting_since: Option<DateTime<Utc>>,
    /// Whether an emergency was detected in it.
    pub emergency_detected: bool,
    /// The kind of job, according to DispatchBot.
    pub job_type: Option<String>,
    /// The urgency: `normal`, `urgent` or `emergency`.
    pub urgency_level: Option<String>,
    pub outcome: Option<String>,
    /// A summary for the owner.
    pub summary: Option<String>,
    /// Whether the customer has opted out of texts.
    pub opted_out: bool,
    pub created_at: DateTime<Utc>,
    /// The time of the last activity: a call, a message, or a command of a person. A report on a message does not count.
    pub last_activity: DateTime<Utc>,
    /// The version of the row that this was read from, for compare-and-set. 0 before the first commit.
    pub version: i64,
    pub event_sequence: i64,
    /// Rises with everything that makes a reply stale, including a customer's message.
    pub epoch: i64,
    /// Rises with everything that silences the AI at any time: a takeover, a user's reply, an opt-out, a completion by
    /// a user. A customer's message does not raise it.
    pub hard_epoch: i64,
    /// Rises with each change of the ownership, each message of a person, and the end. With
    /// [`Conversation::text_revision`], it is the state that a person must have seen ([`Seen`](super::Seen)).
    pub ownership_revision: i64,
    /// Rises with each message of the customer, however late it arrives; not with what their phone writes by itself.
    pub text_revision: i64,
    /// Whether it is with a phone of the business's own side: no conversation with a customer, ended from its beginning, and
    /// only there to carry what the phone is told.
    pub own_side: bool,
    /// The open window, which collects the customer's messages.
    pub window: Option<OpenWindow>,
    /// The window whose answer is in progress.
    pub answering: Option<Answering>,
    pub memory: Memory,
}

/// The outcome of a conversation whose customer is being erased.
pub const ERASED: &str = "erased";
/// The outcome of a conversation in which nothing has happened for long.
pub const IDLE: &str = "idle";

/// An open window: the customer's messages that will be answered together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenWindow {
    /// Derived from the message that opened it.
    pub id: Uuid,
    /// When it opened. A window that supersedes an answer inherits the opening time of that answer's window.
    pub opened_at: DateTime<Utc>,
    /// The time of its newest message.
    pub last_message_at: DateTime<Utc>,
    /// When it closes. `None` while a person owns the conversation.
    pub deadline: Option<DateTime<Utc>>,
    /// The windows whose answers were stopped by takeovers, if this one contains only their messages. If one of those
    /// answers turns out to have been sent, there is nothing left to answer.
    #[serde(flatten)]
    pub resumed: Resumed,
    /// The emergency reading of all its messages together.
    #[serde(default)]
    pub reading: Reading,
    /// The `traceparent`s of its messages, while traces are exported: the analysis is linked to them. The rules do not
    /// read them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub traces: Vec<String>,
}

/// The windows whose messages a window has after takeovers, each of which stopped an answer to the same messages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Resumed {
    #[serde(default, rename = "resumes")]
    first: Option<Uuid>,
    /// Not known to earlier versions, which keep only the first.
    #[serde(default, rename = "also_resumes", skip_serializing_if = "Vec::is_empty")]
    others: Vec<Uuid>,
}

impl Resumed {
    /// These windows and a further one.
    pub fn and(mut self, window_id: Uuid) -> Self {
        match self.first {
            Some(_) => self.others.push(window_id),
            None => self.first = Some(window_id),
        }
        self
    }

    pub fn contains(&self, window_id: Uuid) -> bool {
        self.first == Some(window_id) || self.others.contains(&window_id)
    }
}

/// A closed window whose answer does not have a final outcome yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answering {
    pub window_id: Uuid,
    pub opened_at: DateTime<Utc>,
    /// When it was closed and claimed.
    pub closed_at: DateTime<Utc>,
    /// Until when it waited for a person: its deadline, or when it closed if that was earlier.
    #[serde(default)]
    pub due_at: Option<DateTime<Utc>>,
    /// From this time the answer is sent even if newer messages arrived, so that a customer who keeps writing gets an
    /// answer.
    pub exempt_at: DateTime<Utc>,
    /// [`Conversation::epoch`] when it was claimed.
    pub epoch: i64,
    /// [`Conversation::hard_epoch`] when it was claimed.
    pub hard_epoch: i64,
    /// As in [`OpenWindow`].
    #[serde(flatten)]
    pub resumed: Resumed,
    /// The rule that detected an emergency in its messages.
    #[serde(default)]
    pub emergency_rule: Option<String>,
    #[serde(rename = "urgent", default = "in_its_turn")]
    pub priority: Priority,
    /// Whether its answer leaves the window to a person.
    #[serde(default)]
    pub is_escalated: bool,
    pub phase: Phase,
}

fn in_its_turn() -> Priority {
    Priority::Normal
}

/// The progress of the answer to a window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "name")]
pub enum Phase {
    /// Waiting for DispatchBot.
    Analyzing,
    /// The reply is queued or being sent.
    Replying {
        /// The message with the reply.
        message_id: Uuid,
    },
}

/// What the rules remember of a conversation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// When the AI replied, within the period of `ai_max_replies`.
    #[serde(default)]
    pub ai_replies: Vec<DateTime<Utc>>,
    /// When the fallback text was last sent.
    #[serde(default)]
    pub fallback_at: Option<DateTime<Utc>>,
    /// When the missed-call text was last sent.
    #[serde(default)]
    pub missed_call_sms_at: Option<DateTime<Utc>>,
    /// Whether the service has written to the customer, or was about to.
    #[serde(default)]
    pub texted: bool,
    /// The missed-call text that waits for the end of quiet hours, if one does. An answer of the AI makes it pointless.
    #[serde(default)]
    pub held_missed_call_sms: Option<Uuid>,
    /// When the customer last opted in. An older opt-out that arrives late has no effect.
    #[serde(default)]
    pub opted_in_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub completed_at: Option<DateTime<Utc>>,
    /// The highest sequence in the inbound stream of the texts that were decided on.
    #[serde(default)]
    pub newest_text: i64,
    /// When it ends as idle if nothing happens until then. `None` if it has ended, or a version decided that did not
    /// know of it.
    #[serde(default)]
    pub idle_at: Option<DateTime<Utc>>,
    /// The language that the customer writes in.
    #[serde(default)]
    pub language: Language,
    /// That the customer's phone takes no SMS, if it does not.
    #[serde(default)]
    pub landline: Landline,
    /// The alerts in progress, if any.
    #[serde(default)]
    pub alerting: Option<Alerting>,
    /// When the owner was last alerted to an emergency.
    #[serde(default)]
    pub emergency_at: Option<DateTime<Utc>>,
    /// When the customer reported emergencies that people were alerted to, within a day.
    #[serde(default)]
    pub emergencies: Vec<DateTime<Utc>>,
    /// When a person last reported a false alarm.
    #[serde(default)]
    pub false_alarm_at: Option<DateTime<Utc>>,
    /// The dangers to life reported in the current emergency.
    #[serde(default)]
    pub dangers: Vec<LifeSafety>,
    /// The answers that said that an AI writes, the newest last: at most [`MOST_DISCLOSURES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disclosures: Vec<Disclosure>,
    /// When the owner was last alerted that the customer did not get the safety notice.
    #[serde(default)]
    pub not_told_at: Option<DateTime<Utc>>,
    /// The texts whose customer may still wait for an answer. `None` if a version decided that did not know of it.
    #[serde(default)]
    pub unanswered: Option<Unanswered>,
    /// What was done about the customer's waiting, while they wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spell: Option<Spell>,
    /// When a person last did something in the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person_at: Option<DateTime<Utc>>,
    /// What the owner's phone gets of it.
    #[serde(default, skip_serializing_if = "Relaying::is_nothing")]
    pub relay: Relaying,
    /// The people who got an alert of the current emergency: one entry for each phone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alerted: Vec<Alerted>,
    /// The calls of an emergency that nobody has taken yet, while they go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ladder: Option<Ladder>,
    /// The calls of the current emergency, of which each may still take it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rungs: Vec<Rung>,
    /// The person who has the current emergency in hand, since its newest alerts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emergency_taken: Option<EmergencyTaken>,
}

/// A phone that an alert of the current emergency went to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alerted {
    pub phone: PhoneNumber,
    /// The newest alert to it.
    pub message_id: Uuid,
    /// When the first alert to it was decided on: what it wrote before answers none of them.
    #[serde(default)]
    pub first_at: DateTime<Utc>,
    /// When the newest alert was decided on or, if it is known, when Twilio accepted it.
    pub at: DateTime<Utc>,
}

/// The calls of an emergency to the phones of the business, one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ladder {
    /// The phones in their order; the owner's is the first.
    pub phones: Vec<PhoneNumber>,
    /// How many steps have begun; the next one calls the phone at this place, counted round and round.
    pub next: usize,
    /// How many steps are left.
    pub left: usize,
    /// The call of the current step. The claim of a call compares it.
    pub call: Option<Uuid>,
    /// When the current step is over, if nothing is reported until then.
    pub at: DateTime<Utc>,
    /// What is said.
    pub words: String,
    /// Whether it is about a danger to life.
    pub about_life: bool,
}

/// A call of an emergency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    pub call_id: Uuid,
    pub phone: PhoneNumber,
    /// Whether Twilio is known to have accepted it.
    #[serde(default)]
    pub is_placed: bool,
}

impl Memory {
    /// Whether people are still being alerted, by texts or by calls.
    pub fn is_alerting(&self) -> bool {
        self.alerting.is_some() || self.ladder.is_some()
    }

    /// When the next person is to be alerted.
    pub fn next_alert(&self) -> Option<DateTime<Utc>> {
        let text = self.alerting.as_ref().map(|alerting| alerting.at);
        let call = self.ladder.as_ref().map(|ladder| ladder.at);
        text.into_iter().chain(call).min()
    }
}

/// Who has an emergency in hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmergencyTaken {
    /// The person, as `conversation.user_taken` names them.
    pub by: String,
    /// The phone that answered the alert; `None` if the person took over in another way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<PhoneNumber>,
    pub at: DateTime<Utc>,
}

/// How many [`Memory::disclosures`] are kept: more than answers whose outcome is open at once.
pub const MOST_DISCLOSURES: usize = 8;

/// An answer of DispatchBot that said that an AI writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disclosure {
    /// The message.
    pub message_id: Uuid,
    /// Whether Twilio has accepted it, and no carrier has said that it did not arrive.
    pub is_told: bool,
}

/// What carriers have said about a phone that takes no SMS. A text from it proves the opposite.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Landline {
    /// The day on which a carrier last said so after it had accepted a message.
    #[serde(default)]
    pub said_on: Option<NaiveDate>,
    /// No automatic text goes there until then.
    #[serde(default)]
    pub until: Option<DateTime<Utc>>,
}

/// The alerts of an emergency that nobody has taken over yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alerting {
    /// The index of the alert number that is next.
    pub next: usize,
    /// When the next alert is due.
    pub at: DateTime<Utc>,
    /// The text of the alerts.
    pub text: String,
    /// What they say if they are bundled with others; `None` in danger to life.
    #[serde(default)]
    pub bundle_line: Option<String>,
    /// The alert messages so far, in the order of the numbers.
    #[serde(default)]
    pub told: Vec<Uuid>,
    /// The indexes of the numbers that an alert did not reach, or may not have reached.
    #[serde(default)]
    pub unreached: Vec<usize>,
}

impl Conversation {
    /// When the timer must fire next: the window is due, an alert is, a relay is, or something about the customer's waiting.
    pub fn next_look(&self) -> Option<DateTime<Utc>> {
        let spell = self.memory.spell.as_ref().and_then(Spell::next_at);
        self.arm_at().into_iter().chain(spell).min()
    }

    /// When the window is due, an alert, or a relay. The conversation's only timer is armed for this time. It is not armed for the
    /// customer's waiting, which most answers end in time: if one does not, the sweeper fires it.
    pub fn arm_at(&self) -> Option<DateTime<Utc>> {
        let window = self.window.as_ref().and_then(|window| window.deadline);
        window.into_iter().chain(self.memory.next_alert()).chain(self.memory.relay.due_at).min()
    }
}
