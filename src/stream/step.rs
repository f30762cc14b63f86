//! The result of an operator: an item for the next operator, or a failure with its reason.
//!
//! A failure keeps its ack handle, so a failed message cannot be acknowledged by accident. `dead_letter` and `settle`
//! decide by the reason what happens to the message.

use std::{error::Error, fmt, time::Duration};

use super::delivery::{AckHandle, BoxError, Delivery};

/// A delivery, or the failure to process it. Both contain the ack handle.
pub type Step<T> = Result<Delivery<T>, Failure>;

/// Why a message can never be processed: a short code, shared by all messages with the same fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeadReason(&'static str);

impl DeadReason {
    /// It failed as often as allowed.
    pub const EXHAUSTED: Self = Self("exhausted");
    /// Its payload does not have the type that its subject requires.
    pub const UNDECODABLE: Self = Self("undecodable");

    /// Creates a reason from a code in `snake_case`, which is used as a metric label.
    pub const fn new(code: &'static str) -> Self {
        Self(code)
    }

    /// Returns the code.
    pub const fn code(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for DeadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Why processing failed, which decides what happens to the message.
#[derive(Debug, thiserror::Error)]
pub enum FailureReason {
    /// It failed, but a later attempt may succeed.
    #[error("retry in {delay:?}")]
    Retry {
        /// How long to wait before the next delivery.
        delay: Duration,
        /// What went wrong. It is logged, so it must not quote the message.
        #[source]
        source: BoxError,
    },
    /// Nothing failed, but the message cannot be processed yet. It never becomes a dead letter and is not logged as a
    /// warning.
    #[error("retry in {delay:?}, waiting until {until}")]
    Wait {
        /// How long to wait before the next delivery.
        delay: Duration,
        /// The event that it waits for.
        until: &'static str,
    },
    /// No attempt can succeed.
    #[error("cannot be processed: {reason}")]
    Dead {
        /// The kind of fault.
        reason: DeadReason,
        /// Details for the person who examines the dead letter. They may quote the message, so they must not be logged.
        detail: String,
    },
}

impl FailureReason {
    /// Creates a [`FailureReason::Wait`].
    pub fn wait(delay: Duration, until: &'static str) -> Self {
        Self::Wait { delay, until }
    }

    /// Creates a [`FailureReason::Retry`].
    pub fn retry(delay: Duration, source: impl Into<BoxError>) -> Self {
        Self::Retry { delay, source: source.into() }
    }

    /// The kind of error, for traces; `None` if nothing failed.
    pub fn error_type(&self) -> Option<&'static str> {
        match self {
            Self::Retry { .. } => Some("retry"),
            Self::Wait { .. } => None,
            Self::Dead { reason, .. } => Some(reason.code()),
        }
    }

    /// Creates a [`FailureReason::Dead`].
    pub fn dead(reason: DeadReason, detail: impl Into<String>) -> Self {
        Self::Dead { reason, detail: detail.into() }
    }
}

/// A message that was not processed, with the handle that must still be settled.
#[derive(Debug, thiserror::Error)]
#[error("message {} was not processed", receipt.metadata().stream_sequence)]
pub struct Failure {
    /// The handle to settle the message with.
    pub receipt: AckHandle,
    /// Why the message was not processed.
    #[source]
    pub reason: FailureReason,
}

impl Failure {
    /// Creates a failure that is retried after `delay`.
    pub fn retry(receipt: AckHandle, delay: Duration, source: impl Into<BoxError>) -> Self {
        receipt.fail(FailureReason::retry(delay, source))
    }

    /// Creates a failure that is never retried.
    pub fn dead(receipt: AckHandle, reason: DeadReason, detail: impl Into<String>) -> Self {
        receipt.fail(FailureReason::dead(reason, detail))
    }
}

/// An error and all its causes, in one line.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::testing::Ledger;

    #[test]
    fn a_failure_names_its_message_and_every_cause_but_not_the_detail() {
        let ledger = Ledger::default();
        let retry = Failure::retry(ledger.receipt(5), Duration::from_secs(2), "no connection");
        assert_eq!(chain(&retry), "message 5 was not processed: retry in 2s: no connection");
        let dead = Failure::dead(ledger.receipt(6), DeadReason::UNDECODABLE, "quotes the customer");
        assert_eq!(chain(&dead), "message 6 was not processed: cannot be processed: undecodable");
    }

    #[test]
    fn a_step_stays_small_enough_to_return() {
        assert!(size_of::<Failure>() <= 128, "{}", size_of::<Failure>());
    }
}
