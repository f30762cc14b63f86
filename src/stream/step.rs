//! What an operator makes of a delivery: an item to go on with, or a failure that says what should become of it.
//!
//! Fed by every operator that can fail; feeds `dead_letter` and `settle`. It guarantees that a failure keeps its
//! receipt, so that nothing can fail and be acknowledged by accident.

use std::{error::Error, fmt, time::Duration};

use super::delivery::{AckHandle, BoxError, Delivery};

/// A delivery, or the failure to process it; the receipt is in either.
pub type Step<T> = Result<Delivery<T>, Failure>;

/// Why a message can never be processed: a short code, the same for all messages with the same fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeadReason(&'static str);

impl DeadReason {
    /// It was tried as often as allowed.
    pub const EXHAUSTED: Self = Self("exhausted");
    /// Its payload is not what its subject promises.
    pub const UNDECODABLE: Self = Self("undecodable");

    /// The reason with this code, in `snake_case`: it becomes a metric label.
    pub const fn new(code: &'static str) -> Self {
        Self(code)
    }

    /// The code.
    pub const fn code(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for DeadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Why something failed, and therefore what should become of the message.
#[derive(Debug, thiserror::Error)]
pub enum FailureReason {
    /// It may work later.
    #[error("to be tried again in {delay:?}")]
    Retry {
        /// How long to wait before the next delivery.
        delay: Duration,
        /// What went wrong. It is logged, so it must not quote the message.
        #[source]
        source: BoxError,
    },
    /// Nothing went wrong, its time has only not come: never put aside, and no warning.
    #[error("waits {delay:?} until {until}")]
    Wait {
        /// How long to wait before the next delivery.
        delay: Duration,
        /// What it waits for.
        until: &'static str,
    },
    /// It cannot work, however often it is tried.
    #[error("cannot be processed: {reason}")]
    Dead {
        /// The kind of fault.
        reason: DeadReason,
        /// The particular fault, for the person who looks at the dead letter. It may quote the message: not for logs.
        detail: String,
    },
}

impl FailureReason {
    /// Nothing went wrong: its time has not come.
    pub fn wait(delay: Duration, until: &'static str) -> Self {
        Self::Wait { delay, until }
    }

    /// It may work later.
    pub fn retry(delay: Duration, source: impl Into<BoxError>) -> Self {
        Self::Retry { delay, source: source.into() }
    }

    /// It cannot work, however often it is tried.
    pub fn dead(reason: DeadReason, detail: impl Into<String>) -> Self {
        Self::Dead { reason, detail: detail.into() }
    }
}

/// A message that was not processed, with the receipt that still has to be settled.
#[derive(Debug, thiserror::Error)]
#[error("message {} was not processed", receipt.metadata().stream_sequence)]
pub struct Failure {
    /// The obligation that remains.
    pub receipt: AckHandle,
    /// What went wrong.
    #[source]
    pub reason: FailureReason,
}

impl Failure {
    /// The message should be tried again after `delay`.
    pub fn retry(receipt: AckHandle, delay: Duration, source: impl Into<BoxError>) -> Self {
        receipt.fail(FailureReason::retry(delay, source))
    }

    /// The message can never be processed.
    pub fn dead(receipt: AckHandle, reason: DeadReason, detail: impl Into<String>) -> Self {
        receipt.fail(FailureReason::dead(reason, detail))
    }
}

/// An error and all that caused it, in one line.
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
        assert_eq!(chain(&retry), "message 5 was not processed: to be tried again in 2s: no connection");
        let dead = Failure::dead(ledger.receipt(6), DeadReason::UNDECODABLE, "quotes the customer");
        assert_eq!(chain(&dead), "message 6 was not processed: cannot be processed: undecodable");
    }

    #[test]
    fn a_step_stays_small_enough_to_return() {
        assert!(size_of::<Failure>() <= 128, "{}", size_of::<Failure>());
    }
}
