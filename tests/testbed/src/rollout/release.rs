//! The releases of the drill. Every one is the real binary; bad ones have other settings, a failpoint, or servers that are
//! slow or break away.

use std::time::Duration;

/// A release, and what is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// Nothing.
    Good,
    /// Its processes end at once, because a setting is invalid.
    DoesNotStart,
    /// It has another auth token than Twilio.
    WrongToken,
    /// Its worker aborts under load.
    WorkerDies,
    /// JetStream is slow for its edge.
    Slow,
    /// JetStream and PostgreSQL break away from its edge, which answers 503 then.
    Errors,
    /// PostgreSQL breaks away from its edge and its worker.
    LosesDatabase,
}

/// What is planted when the script says something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    /// A part of the line.
    pub(super) when: &'static str,
    pub(super) what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    CutDatabase,
    CutBoth,
    /// A message takes this much longer to JetStream and back, each way, for its edge.
    Delay(Duration),
}

impl Release {
    /// Every release, in the order in which the long form of the drill takes them.
    pub const ALL: [Self; 7] = [
        Self::Good,
        Self::Errors,
        Self::Slow,
        Self::DoesNotStart,
        Self::WrongToken,
        Self::WorkerDies,
        Self::LosesDatabase,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::DoesNotStart => "does not start",
            Self::WrongToken => "wrong auth token",
            Self::WorkerDies => "its worker dies",
            Self::Slow => "slow",
            Self::Errors => "answers 503",
            Self::LosesDatabase => "loses its database",
        }
    }

    /// The settings that differ.
    pub(super) fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::DoesNotStart => &[("NMC_WINDOW_HOLD", "soon")],
            Self::WrongToken => &[("TWILIO_AUTH_TOKEN", "0123456789abcdef0123456789abcdef")],
            Self::WorkerDies => &[("NMC_FAILPOINT", "after_claim:3")],
            Self::Good | Self::Slow | Self::Errors | Self::LosesDatabase => &[],
        }
    }

    pub(super) fn fault(self) -> Option<Fault> {
        match self {
            Self::Errors => Some(Fault { when: "10 % of the webhooks", what: What::CutBoth }),
            Self::Slow => Some(Fault { when: "10 % of the webhooks", what: What::Delay(Duration::from_millis(700)) }),
            Self::LosesDatabase => Some(Fault { when: "25 % of the webhooks", what: What::CutDatabase }),
            _ => None,
        }
    }

    /// The steps in one of which it must be rolled back, and words of the reason, one of which must be there; `None` if it
    /// must not be.
    pub(super) fn end(self) -> Option<(&'static [&'static str], &'static [&'static str])> {
        Some(match self {
            Self::Good => return None,
            Self::DoesNotStart => (&["deploy"], &["ended before it was ready"]),
            Self::WrongToken => (&["connectivity"], &["twilio"]),
            Self::WorkerDies => (&["worker", "10 %"], &["its worker has ended"]),
            Self::Slow => (&["10 %"], &["p95 of its webhooks"]),
            Self::Errors => {
                (&["10 %"], &["requests failed", "5xx", "not ready", "HAProxy finds", "errors of the connection"])
            }
            Self::LosesDatabase => (&["25 %"], &["its worker is not ready", "errors of the connection"]),
        })
    }
}

impl std::str::FromStr for Release {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|release| release.name() == text.replace('-', " "));
        found.ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|release| release.name().replace(' ', "-")).collect();
            format!("one of {}", names.join(", "))
        })
    }
}
