//! The ledger: compares, after the run, what the load generator sent, what Twilio accepted, what the tables contain and
//! what Redis received. Each check is a function of the evidence alone.

mod acknowledged;
mod counts;
mod evidence;
mod order;
mod sms;
mod takeovers;
#[cfg(test)]
mod tests;
mod told;
mod windows;

use std::fmt;

pub(super) use counts::Figures;
pub(super) use evidence::{Accepted, Event, Evidence, Report};
use evidence::{Message, Step};

/// The kinds of breaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A webhook was acknowledged, but has left no trace.
    Lost,
    /// A command succeeded without an effect, or was carried out twice.
    Command,
    /// A message became a dead letter; none in this load should.
    DeadLetter,
    /// One message of ours was accepted by Twilio twice.
    SentTwice,
    /// Twilio and the tables disagree on what was sent.
    Unrecorded,
    /// A customer's message is in no window, or in one that does not exist.
    WindowOfMessage,
    /// A window was answered twice, or never ended, or ended with nobody to answer.
    WindowEnd,
    /// A message of the AI was accepted after a takeover was answered.
    AfterTakeover,
    /// Messages are not in the order of their arrival.
    Order,
    /// An event was published twice, or not at all, or before an earlier one.
    Events,
    /// The sums do not agree.
    Sum,
    /// Something was still under way at the end.
    Unsettled,
    /// A process ended without having been killed.
    EndedByItself,
}

/// A breach that the ledger found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Breach {
    /// The kind of breach.
    pub kind: Kind,
    /// What was found.
    pub what: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.what)
    }
}

/// The breaches found by the checks.
#[derive(Debug, Default)]
struct Findings(Vec<Breach>);

impl Findings {
    fn must(&mut self, holds: bool, kind: Kind, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.0.push(Breach { kind, what: otherwise() });
        }
    }
}

/// All breaches that the evidence shows.
pub(super) fn breaches(evidence: &Evidence) -> Vec<Breach> {
    let mut findings = Findings::default();
    acknowledged::check(evidence, &mut findings);
    sms::check(evidence, &mut findings);
    windows::check(evidence, &mut findings);
    takeovers::check(evidence, &mut findings);
    order::check(evidence, &mut findings);
    told::check(evidence, &mut findings);
    counts::check(evidence, &mut findings);
    for what in &evidence.unsettled {
        findings.must(false, Kind::Unsettled, || what.clone());
    }
    for what in &evidence.ended_by_themselves {
        findings.must(false, Kind::EndedByItself, || what.clone());
    }
    findings.0
}

/// Why the run proves nothing: the generator lost count, or hardly anything was tried.
pub(super) fn void(evidence: &Evidence) -> Vec<String> {
    counts::void(evidence)
}
