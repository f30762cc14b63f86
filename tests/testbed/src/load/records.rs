//! What is recorded of a run: latencies and failures.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::samples::{Sample, Samples};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Measure {
    /// A webhook of a call or a text, until it is answered.
    Webhook,
    /// A missed call, from the end of the dial until Twilio is asked to send the text.
    MissedCall,
    /// A text in a conversation of the AI, until Twilio is asked to send the answer; the quiet period is in it.
    Text,
    /// The end of a text's quiet period, until DispatchBot is asked.
    Close,
    /// The end of a text's quiet period, until DispatchBot has answered, or until Twilio is asked to send another text
    /// instead.
    Analysis,
    /// A takeover, until it is answered.
    Takeover,
    /// The intended beginning of an action, until the load generator came to it.
    Start,
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Failure {
    /// A webhook was answered with this HTTP status, or not at all.
    Webhook(Option<u16>),
    /// A command was answered with this HTTP status, or not at all.
    Command(&'static str, Option<u16>),
    /// A status callback was answered with this HTTP status, or not at all.
    Callback(Option<u16>),
    /// The answer to a call does not dial.
    NotDialled,
    /// There was no conversation to be taken over.
    NoConversation,
    /// No SMS came.
    NoSms,
    /// A customer got a text that is not an answer of DispatchBot.
    Fallback,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, status) = match self {
            Self::Webhook(status) => ("webhook", status),
            Self::Command(name, status) => (*name, status),
            Self::Callback(status) => ("status callback", status),
            Self::NotDialled => return f.write_str("call not dialled"),
            Self::NoConversation => return f.write_str("no conversation to take over"),
            Self::NoSms => return f.write_str("no SMS"),
            Self::Fallback => return f.write_str("fallback text instead of an answer"),
        };
        match status {
            Some(status) => write!(f, "{what} answered {status}"),
            None => write!(f, "{what} without an answer"),
        }
    }
}

/// Everything that was recorded.
#[derive(Debug, Clone, Default)]
pub(super) struct Records {
    /// Actions that have begun.
    pub(super) begun: u64,
    /// Status callbacks that have ended.
    pub(super) callbacks: u64,
    pub(super) samples: BTreeMap<Measure, Samples>,
    pub(super) failures: BTreeMap<Failure, u64>,
    /// Actions of which something failed.
    pub(super) failed: BTreeSet<usize>,
    pub(super) failed_callbacks: u64,
}

impl Records {
    pub(super) fn of(&self, measure: Measure) -> Samples {
        self.samples.get(&measure).cloned().unwrap_or_default()
    }

    /// Failed actions, and status callbacks that failed.
    pub(super) fn errors(&self) -> u64 {
        self.failed.len() as u64 + self.failed_callbacks
    }

    /// Errors per action.
    pub(super) fn error_rate(&self) -> f64 {
        if self.begun == 0 { 0.0 } else { self.errors() as f64 / self.begun as f64 }
    }

    /// Something ended that was intended to begin at `at`.
    pub(super) fn push(&mut self, measure: Measure, at: Duration, ended: Duration) {
        self.samples.entry(measure).or_default().push(Sample { at, took: ended.saturating_sub(at) });
    }

    pub(super) fn fail_callback(&mut self, status: Option<u16>) {
        *self.failures.entry(Failure::Callback(status)).or_default() += 1;
        self.failed_callbacks += 1;
    }

    pub(super) fn fail(&mut self, action: usize, failure: Failure) {
        *self.failures.entry(failure).or_default() += 1;
        self.failed.insert(action);
    }
}
