//! The switches: what goes wrong at Twilio, for which messages, how often.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::ApiError;
use crate::sim::{Rule, Rules, Span, millis};

/// Everything that can be switched; the default is a Twilio without trouble. The JSON of `PUT /_sim/faults`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Which requests meet which fault; all that match fire.
    pub rules: Rules<Fault>,
    /// How status callbacks are made.
    pub callbacks: Callbacks,
    /// Numbers that have opted out: 21610.
    pub opted_out: BTreeSet<String>,
}

impl Faults {
    /// Adds a rule.
    #[must_use]
    pub fn rule(mut self, rule: Rule<Fault>) -> Self {
        self.rules.push(rule);
        self
    }
}

/// What can happen to a request. In JSON the variant's snake-case name, with its content: `{"hold":{"min_ms":0,"max_ms":900}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Waits before it accepts (a client that has hung up meanwhile is accepted all the same).
    Delay(Span),
    /// Refuses: nothing is stored.
    Respond(Refusal),
    /// Closes the connection; nothing is stored.
    DropBefore,
    /// Accepts, and holds the answer.
    Hold(Span),
    /// Accepts, and closes the connection without an answer.
    DropAfter,
    /// Accepts, and never answers.
    SilentAfter,
    /// Accepts, and answers an error all the same: the 5xx that hides a sent message.
    RespondAfter(Refusal),
    /// Accepts; the message list shows it only after so many milliseconds.
    HideFromList(#[serde(with = "millis")] Duration),
    /// The message ends like this instead of `delivered`.
    Deliver {
        /// `undelivered`, `failed`, `delivered`, or `sent` to go no further.
        status: String,
        /// Why, e.g. 30003.
        error_code: Option<u32>,
    },
    /// The message list answers an error. A rule's number is the `To` filter.
    RespondToList(Refusal),
    /// The API answers an error where it is asked for a number of an account. A rule's number is the one asked for.
    RespondToNumbers(Refusal),
    /// The API answers an error where an attachment is asked for. Only rules without a number.
    RespondToMedia(Refusal),
    /// The API answers an error where an account is asked for. Only rules without a number.
    RespondToAccount(Refusal),
}

/// What is asked beside the creation of an SMS, and may be answered with an error of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    List,
    Numbers,
    Media,
    Account,
}

impl Fault {
    /// Which endpoint answers which error; none: it is a fault of an SMS that is created.
    pub(super) fn refusal(&self) -> Option<(Endpoint, &Refusal)> {
        match self {
            Self::RespondToList(refusal) => Some((Endpoint::List, refusal)),
            Self::RespondToNumbers(refusal) => Some((Endpoint::Numbers, refusal)),
            Self::RespondToMedia(refusal) => Some((Endpoint::Media, refusal)),
            Self::RespondToAccount(refusal) => Some((Endpoint::Account, refusal)),
            Self::Delay(_)
            | Self::Respond(_)
            | Self::DropBefore
            | Self::Hold(_)
            | Self::DropAfter
            | Self::SilentAfter
            | Self::RespondAfter(_)
            | Self::HideFromList(_)
            | Self::Deliver { .. } => None,
        }
    }
}

/// An error answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Twilio's error code; absent: what Twilio gives with that status.
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

    /// 429 (20429), to be tried again after so many seconds.
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

/// How status callbacks are made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Callbacks {
    /// Off: the message advances, nobody is told.
    pub enabled: bool,
    /// Time before each.
    pub delay: Span,
    /// The last comes first.
    pub reordered: bool,
    /// Each comes twice.
    pub duplicated: bool,
    /// How often one is tried again after a connection failure (never after an HTTP answer).
    pub retries: u32,
    /// Time between two tries, in milliseconds.
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
