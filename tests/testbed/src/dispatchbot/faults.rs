//! The switches: how DispatchBot can fail its callers.

use serde::{Deserialize, Serialize};

use crate::sim::{Rule, Rules, Span};

/// Everything that can be switched; the default answers well. The JSON of `PUT /_sim/faults`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Which requests meet which fault; all that match fire. A rule's number is the customer's.
    pub rules: Rules<Fault>,
}

impl Faults {
    /// Adds a rule.
    #[must_use]
    pub fn rule(mut self, rule: Rule<Fault>) -> Self {
        self.rules.push(rule);
        self
    }
}

/// What can happen to a request. In JSON the variant's snake-case name, with its content where it has one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Answers late.
    Delay(Span),
    /// Answers this HTTP status with an error body.
    Respond(u16),
    /// Never answers.
    HoldForever,
    /// Closes the connection without an answer.
    Drop,
    /// 200 with half a JSON document.
    InvalidJson,
    /// 200 with numbers for texts and texts for numbers.
    WrongTypes,
    /// An empty message to the customer.
    EmptyMessage,
    /// A message of 2,000 characters.
    LongMessage,
    /// Confidence 0.1.
    LowConfidence,
    /// A price above every job estimate.
    PriceOutOfRange,
}
