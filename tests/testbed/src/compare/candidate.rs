//! Who is compared.

use std::fmt;

/// A way to build the service. The order is that of a round and of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Candidate {
    Ours,
    Bare,
    Express,
    Restate,
}

/// When what is acknowledged is fsynced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fsync {
    /// Before it is acknowledged.
    Always,
    /// When the server does so by default.
    Default,
}

impl Candidate {
    /// Whether it is measured like this. Restate always fsyncs its log by default.
    pub(super) fn can(self, fsync: Fsync) -> bool {
        self != Self::Restate || fsync == Fsync::Always
    }

    /// Whether it answers texts, or only stores them.
    pub(super) fn answers(self) -> bool {
        self != Self::Bare
    }

    /// What a customer can rely on.
    pub(super) fn guarantee(self) -> &'static str {
        match self {
            Self::Ours => {
                "checks the signature; stores each webhook once, however often Twilio sends it, before it answers \
                 (JetStream); puts every text into one window and answers each window once, by transactions in \
                 PostgreSQL; sends an answer through Twilio at most once; obeys STOP, emergencies and takeovers"
            }
            Self::Bare => {
                "stores each webhook before it answers (JetStream); checks no signature, stores a repeated webhook \
                 again, and answers no text"
            }
            Self::Express => {
                "checks the signature; stores each text before it answers (Redis), but keeps only the last one of a \
                 window; a repeated webhook extends the window; keeps no conversation, and may answer twice after a \
                 crash"
            }
            Self::Restate => {
                "stores each text before it answers (its replicated log); handles a customer's texts in order, puts \
                 each into one window and answers each window, after a crash perhaps twice; checks no signature, and \
                 takes a repeated webhook for another text"
            }
        }
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ours => "NeverMissCall",
            Self::Bare => "bare handler",
            Self::Express => "express + BullMQ",
            Self::Restate => "Restate",
        })
    }
}

impl fmt::Display for Fsync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Always => "fsync before every acknowledgement",
            Self::Default => "default fsync",
        })
    }
}
