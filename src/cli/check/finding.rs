//! What is checked, and what was found.

use serde::Serialize;

use crate::text_enum;

text_enum! {
    /// What a check is about; the word is its name on the command line, in the lines and in JSON.
    pub enum Subject {
        Configuration = "configuration",
        Postgres = "postgres",
        /// The replica for REST's reads, if there is one.
        Replica = "replica",
        /// Whether PostgreSQL's confirmed commits are on disk.
        Fsync = "fsync",
        Migrations = "migrations",
        /// Whether the database was restored and holds up all work until it is recovered.
        Recovery = "recovery",
        Nats = "nats",
        Streams = "streams",
        /// The room that JetStream has left.
        Storage = "storage",
        Redis = "redis",
        Clock = "clock",
        /// The credentials of the main account.
        Twilio = "twilio",
        /// Whether messages wait for Twilio.
        Sends = "sends",
        /// Whether the service is reached where Twilio reaches it.
        CallbackUrl = "callback_url",
        DispatchBot = "dispatchbot",
        /// Whether DispatchBot's newest answer could be used.
        Answers = "answers",
    }
}

text_enum! {
    /// The result of a check.
    pub enum Verdict {
        Good = "ok",
        Wrong = "FAILED",
        /// Left out on request, or because of another failure.
        Unchecked = "not checked",
    }
}

/// The result of one check.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Finding {
    name: Subject,
    result: Verdict,
    message: String,
    /// What to do about a failure.
    advice: Option<String>,
}

impl Finding {
    pub(super) fn good(name: Subject, message: impl Into<String>) -> Self {
        Self { name, result: Verdict::Good, message: message.into(), advice: None }
    }

    pub(super) fn wrong(name: Subject, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, result: Verdict::Wrong, message: message.into(), advice: Some(advice.into()) }
    }

    pub(super) fn unchecked(name: Subject, why: impl Into<String>) -> Self {
        Self { name, result: Verdict::Unchecked, message: why.into(), advice: None }
    }

    pub(super) fn is_wrong(&self) -> bool {
        self.result == Verdict::Wrong
    }

    pub(super) fn is_good(&self) -> bool {
        self.result == Verdict::Good
    }

    pub(super) fn subject(&self) -> Subject {
        self.name
    }
}

/// One line: `ok           redis          7.0.15`.
impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (result, name) = (self.result.as_str(), self.name.as_str());
        // An error may have lines.
        let message = self.message.replace(['\n', '\r'], " ");
        write!(f, "{result:<12} {name:<14} {message}")?;
        match &self.advice {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}
