//! The ledger: what the load generator sent, what Twilio accepted, what the tables say and what Redis was told, held
//! against each other when all is over. Each check is a function of the evidence alone.

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

/// What must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A webhook was acknowledged, and nothing knows of it.
    Lost,
    /// A command was answered, and nothing came of it; or it was carried out twice.
    Command,
    /// Something was put aside as a dead letter, which nothing in this load deserves.
    DeadLetter,
    /// One message of ours was accepted by Twilio twice.
    SentTwice,
    /// Twilio and the tables do not agree on what was sent.
    Unrecorded,
    /// A customer's message is in no window, or in one that is not there.
    WindowOfMessage,
    /// A window was answered twice, or never ended, or ended without anybody to answer.
    WindowEnd,
    /// A message of the AI was accepted after a takeover had answered.
    AfterTakeover,
    /// Messages are in another order than the one in which they arrived.
    Order,
    /// An event was told twice, or not at all, or before one that precedes it.
    Events,
    /// The sums do not agree.
    Sum,
    /// Something was still under way when all should have been over.
    Unsettled,
    /// A process ended that nobody had killed.
    EndedByItself,
}

/// One breach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Breach {
    /// Of what.
    pub kind: Kind,
    /// By what.
    pub what: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.what)
    }
}

/// What a check finds.
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

/// Why the run says nothing: the generator lost count, or hardly anything was tried.
pub(super) fn void(evidence: &Evidence) -> Vec<String> {
    counts::void(evidence)
}
