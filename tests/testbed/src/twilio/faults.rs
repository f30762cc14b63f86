//! The configurable faults of the Twilio simulator: what fails, for which messages, how often.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::ApiError;
use crate::sim::{Latency, Rule, Rules, Span, millis};

/// All faults; by default there are none. The JSON of `PUT /_sim/faults`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Which fault applies to which requests; all matching rules fire.
    pub rules: Rules<Fault>,
    /// How status callbacks are sent.
    pub callbacks: Callbacks,
    /// Numbers that have opted out; messages to them are refused with 21610.
    pub opted_out: BTreeSet<String>,
    /// How long the answer to an accepted message takes, in addition to faults; if absent, no time.
    pub latency: Option<Latency>,
}

impl Faults {
    /// Adds a rule.
    #[must_use]
    pub fn rule(mut self, rule: Rule<Fault>) -> Self {
        self.rules.push(rule);
        self
    }
}

/// A fault of one request. In JSON: the variant's name in snake case, with its content:
/// `{"hold":{"min_ms":0,"max_ms":900}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Waits before it accepts (even if the client has disconnected in the meantime).
    Delay(Span),
    /// Refuses; nothing is stored.
    Respond(Refusal),
    /// Closes the connection; nothing is stored.
    DropBefore,
    /// Accepts, and delays the answer.
    Hold(Span),
    /// Accepts, and closes the connection without an answer.
    DropAfter,
    /// Accepts, and never answers.
    SilentAfter,
    /// Accepts, but answers with an error: a 5xx that hides a sent message.
    RespondAfter(Refusal),
    /// Accepts; the message list shows it only after this many milliseconds.
    HideFromList(#[serde(with = "millis")] Duration),
    /// The message ends with this status instead of `delivered`.
    Deliver {
        /// `undelivered`, `failed`, `delivered`, or `sent` (the final status then).
        status: String,
        /// The error code, e.g. 30003.
        error_code: Option<u32>,
    },
    /// The fault meets a call that the server places, instead of an SMS. A rule's number is the one that is called.
    Call(Box<Fault>),
    /// The message list answers with an error. A rule's number is the `To` filter.
    RespondToList(Refusal),
    /// A query for an account's numbers is answered with an error. A rule's number is the requested one.
    RespondToNumbers(Refusal),
    /// A change of a number is answered with an error. A rule's number is the one to be changed.
    RespondToNumberUpdate(Refusal),
    /// A request about Messaging Services is answered with an error. Only rules without a number apply.
    RespondToMessaging(Refusal),
    /// A request for an attachment is answered with an error. Only rules without a number apply.
    RespondToMedia(Refusal),
    /// A request for an account is answered with an error. Only rules without a number apply.
    RespondToAccount(Refusal),
    /// A request for the legs of a call is answered with an error. Only rules without a number apply.
    RespondToCalls(Refusal),
    /// A request for a participant of a conversation is answered with an error. Only rules without a number apply.
    RespondToParticipants(Refusal),
    /// The creation of a conversation is answered with an error. Only rules without a number apply.
    RespondToNewConversations(Refusal),
    /// A request for a conversation is answered with an error. Only rules without a number apply.
    RespondToConversations(Refusal),
    /// The fault meets the addition of a participant to a conversation, instead of an SMS: an error or a cut, before it or
    /// after it. A rule's number is the participant's.
    AddParticipant(Box<Fault>),
}

/// An endpoint other than the creation of an SMS that can answer with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    List,
    Numbers,
    NumberUpdate,
    Messaging,
    Media,
    Account,
    Calls,
    Participants,
    NewConversations,
    Conversations,
}

impl Fault {
    /// The endpoint and the error with which it answers; `None` for a fault of the creation of an SMS.
    pub(super) fn refusal(&self) -> Option<(Endpoint, &Refusal)> {
        match self {
            Self::RespondToList(refusal) => Some((Endpoint::List, refusal)),
            Self::RespondToNumbers(refusal) => Some((Endpoint::Numbers, refusal)),
            Self::RespondToNumberUpdate(refusal) => Some((Endpoint::NumberUpdate, refusal)),
            Self::RespondToMessaging(refusal) => Some((Endpoint::Messaging, refusal)),
            Self::RespondToMedia(refusal) => Some((Endpoint::Media, refusal)),
            Self::RespondToAccount(refusal) => Some((Endpoint::Account, refusal)),
            Self::RespondToCalls(refusal) => Some((Endpoint::Calls, refusal)),
            Self::RespondToParticipants(refusal) => Some((Endpoint::Participants, refusal)),
            Self::RespondToNewConversations(refusal) => Some((Endpoint::NewConversations, refusal)),
            Self::RespondToConversations(refusal) => Some((Endpoint::Conversations, refusal)),
            Self::Delay(_)
            | Self::Respond(_)
            | Self::DropBefore
            | Self::Hold(_)
            | Self::DropAfter
            | Self::SilentAfter
            | Self::RespondAfter(_)
            | Self::HideFromList(_)
            | Self::Call(_)
            | Self::AddParticipant(_)
            | Self::Deliver { .. } => None,
        }
    }

    /// Whether it is a fault of the creation of an SMS.
    pub(super) fn is_of_message(&self) -> bool {
        self.refusal().is_none() && !matches!(self, Self::Call(_) | Self::AddParticipant(_))
    }

    /// The fault of a call, if it is one.
    pub(super) fn of_call(self) -> Option<Self> {
        match self {
            Self::Call(fault) => Some(*fault),
            _ => None,
        }
    }

    /// The fault of the addition of a participant, if it is one.
    pub(super) fn of_participant(self) -> Option<Self> {
        match self {
            Self::AddParticipant(fault) => Some(*fault),
            _ => None,
        }
    }
}

/// An error answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Twilio's error code; if absent, Twilio's usual code for that status.
    #[serde(default)]
    pub code: Option<u32>,
    /// `Retry-After`, in seconds.
    #[serde(default)]
    pub retry_after_seconds: Option<u64>,
}

impl Refusal {
    /// An HTTP status with its usual code.
    pub fn status(status: u16) -> Self {
        Self { status, code: None, retry_after_seconds: None }
    }

    /// An error 400 with this code.
    pub fn code(code: u32) -> Self {
        Self { status: 400, code: Some(code), retry_after_seconds: None }
    }

    /// 429 (20429), with a retry after this many seconds.
    pub fn too_many(retry_after_seconds: u64) -> Self {
        Self { status: 429, code: None, retry_after_seconds: Some(retry_after_seconds) }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self {
            status: refusal.status,
            code: refusal.code.unwrap_or(20000 + u32::from(refusal.status)),
            message: "Injected by the simulator".to_owned(),
            retry_after_seconds: refusal.retry_after_seconds,
        }
    }
}

/// How status callbacks are sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Callbacks {
    /// If false, the message advances but no callback is sent.
    pub enabled: bool,
    /// Delay before each callback.
    pub delay: Span,
    /// Sends the last callback first.
    pub reordered: bool,
    /// Sends each callback twice.
    pub duplicated: bool,
    /// Number of retries after a connection failure (there are none after an HTTP answer).
    pub retries: u32,
    /// Delay between two tries, in milliseconds.
    #[serde(rename = "retry_delay_ms", with = "millis")]
    pub retry_delay: Duration,
}

impl Default for Callbacks {
    fn default() -> Self {
        Self {
            enabled: true,
            delay: Span::exactly(Duration::from_millis(20)),
            reordered: false,
            duplicated: false,
            retries: 40,
            retry_delay: Duration::from_millis(250),
        }
    }
}
