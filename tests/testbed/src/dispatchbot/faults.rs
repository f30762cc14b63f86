//! The configurable faults of the DispatchBot simulator.

use serde::{Deserialize, Serialize};

use crate::sim::{Latency, Rule, Rules, Span};

/// All faults; by default there are none. The JSON of `PUT /_sim/faults`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Which fault applies to which requests; all matching rules fire. A rule's number is the customer's.
    pub rules: Rules<Fault>,
    /// How long each answer to a valid request takes, in addition to faults; if absent, no time.
    pub latency: Option<Latency>,
    /// Whether dispatch-bot-ai says that it is unhealthy.
    pub unhealthy: bool,
}

impl Faults {
    /// Adds a rule.
    #[must_use]
    pub fn rule(mut self, rule: Rule<Fault>) -> Self {
        self.rules.push(rule);
        self
    }
}

/// A fault of one request. In JSON: the variant's name in snake case, with its content if it has one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Answers late.
    Delay(Span),
    /// Answers with this HTTP status and an error body.
    Respond(u16),
    /// Never answers.
    HoldForever,
    /// Closes the connection without an answer.
    Drop,
    /// 200 with half a JSON document.
    InvalidJson,
    /// 200 with numbers in place of strings and strings in place of numbers.
    WrongTypes,
    /// An empty message to the customer.
    EmptyMessage,
    /// A message of 2,000 characters.
    LongMessage,
    /// Confidence 0.1.
    LowConfidence,
    /// A price above every job estimate.
    PriceOutOfRange,
    /// An appointment a year ago, which ends the conversation.
    PastAppointment,
    /// Does what the customer's newest text says: the answer is those words, and ends the conversation if they say `done`.
    Obey,
}
