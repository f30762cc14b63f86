//! The sums: `sent == answered + superseded + handed over + unknown`, counted in the customers' messages; and whether
//! the run proves anything.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Evidence, Findings, Kind};
use crate::chaos::load::{Count, End, Outcome, What};
use crate::chaos::plan::Command;

/// The figures of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::chaos) struct Figures {
    /// Requests to webhooks.
    pub requests: usize,
    /// Requests that were acknowledged.
    pub acknowledged: usize,
    /// Requests that were refused with an error.
    pub refused: usize,
    /// Requests without an answer.
    pub unanswered: usize,
    /// Different texts that were sent.
    pub texts: usize,
    /// Texts that were acknowledged.
    pub texts_acknowledged: usize,
    /// Texts that were stored although no request was acknowledged.
    pub texts_taken_anyway: usize,
    /// Texts stored in no window: an opt-out, or what followed one.
    pub without_window: usize,
    /// Texts stored in a window.
    pub sent: usize,
    /// Texts in a window, by the state of the window.
    pub by_end: BTreeMap<String, usize>,
    /// Windows by their state.
    pub windows: BTreeMap<String, usize>,
    /// Messages that Twilio accepted.
    pub accepted: usize,
    /// Commands that were carried out, by kind.
    pub commands: BTreeMap<String, usize>,
    /// Takeovers that reported a message in flight.
    pub in_flight: usize,
    /// Commands that were not carried out, by reason.
    pub not_carried_out: BTreeMap<String, usize>,
    /// Conversations.
    pub conversations: usize,
    /// Events in Redis's log.
    pub events: usize,
}

impl Figures {
    /// Computes the figures.
    pub(in crate::chaos) fn of(evidence: &Evidence) -> Self {
        let posted = &evidence.posted;
        let outcomes = |is: fn(Outcome) -> bool| posted.iter().filter(|posted| is(posted.outcome)).count();
        let texts = || posted.iter().filter(|posted| matches!(posted.what, What::Text { .. }));
        let sids: HashSet<_> = texts().map(|posted| posted.sid.as_str()).collect();
        let acknowledged: HashSet<_> =
            texts().filter(|posted| posted.outcome.is_acknowledged()).map(|posted| posted.sid.as_str()).collect();
        let kept: HashSet<_> = evidence.texts().filter_map(|text| text.twilio_sid.as_deref()).collect();
        let states: HashMap<_, _> = evidence.windows.iter().map(|window| (window.id, window.state.as_str())).collect();
        let mut figures = Self {
            requests: posted.len(),
            acknowledged: outcomes(Outcome::is_acknowledged),
            refused: outcomes(|outcome| matches!(outcome, Outcome::Answered(_)) && !outcome.is_acknowledged()),
            unanswered: outcomes(|outcome| !matches!(outcome, Outcome::Answered(_))),
            texts: sids.len(),
            texts_acknowledged: acknowledged.len(),
            texts_taken_anyway: kept.difference(&acknowledged).count(),
            without_window: evidence.texts().filter(|text| text.window_id.is_none()).count(),
            sent: evidence.texts().filter(|text| text.window_id.is_some()).count(),
            accepted: evidence.accepted.len(),
            conversations: evidence.conversations.len(),
            events: evidence.events.len(),
            ..Self::default()
        };
        for text in evidence.texts() {
            if let Some(state) = text.window_id.and_then(|window| states.get(&window)) {
                *figures.by_end.entry((*state).to_owned()).or_default() += 1;
            }
        }
        for window in &evidence.windows {
            *figures.windows.entry(window.state.clone()).or_default() += 1;
        }
        for asked in &evidence.asked {
            let why = match &asked.end {
                End::Done { in_flight } => {
                    *figures.commands.entry(format!("{:?}", asked.command)).or_default() += 1;
                    figures.in_flight += usize::from(*in_flight);
                    continue;
                }
                End::Refused(code) => code.clone(),
                End::NoAnswer => "no answer".to_owned(),
                End::NoConversation => "no conversation yet".to_owned(),
            };
            *figures.not_carried_out.entry(why).or_default() += 1;
        }
        figures
    }

    /// `answered + superseded + handed over + unknown`.
    pub(in crate::chaos) fn ended(&self) -> usize {
        let ends = ["answered", "superseded", "handed_over", "unknown"];
        ends.iter().filter_map(|end| self.by_end.get(*end)).sum()
    }
}

pub(super) fn check(evidence: &Evidence, findings: &mut Findings) {
    let figures = Figures::of(evidence);
    findings.must(figures.sent == figures.ended(), Kind::Sum, || {
        format!("{} sent, and {} answered, superseded, handed over or unknown", figures.sent, figures.ended())
    });
    let kept = figures.sent + figures.without_window;
    let taken = figures.texts_acknowledged + figures.texts_taken_anyway;
    findings.must(kept == taken, Kind::Sum, || format!("{taken} texts were taken, and {kept} are kept"));
}

/// Reasons why the run proves nothing.
pub(super) fn void(evidence: &Evidence) -> Vec<String> {
    let Count { conversations, webhooks, commands, requests, tasks_lost } = evidence.count;
    let figures = Figures::of(evidence);
    let mut reasons = Vec::new();
    let mut unless = |good: bool, reason: String| {
        if !good {
            reasons.push(reason);
        }
    };
    for (what, both) in
        [("conversations", conversations), ("webhooks", webhooks), ("commands", commands), ("requests", requests)]
    {
        unless(both.wanted == both.done, format!("of {} {what} the journal has {}", both.wanted, both.done));
    }
    unless(tasks_lost == 0, format!("{tasks_lost} tasks of the generator died"));
    let (posted, asked) = (evidence.posted.len() as u64, evidence.asked.len() as u64);
    unless(requests.done == posted && commands.done == asked, "the journal lost entries".to_owned());
    unless(!evidence.reports.is_empty(), "no status callback was acknowledged".to_owned());
    let lost = ["dropped_after", "accepted_but_500"].iter().any(|outcome| evidence.twilio.contains_key(*outcome));
    unless(lost, "Twilio has withheld no answer to what it had accepted".to_owned());
    unless(!evidence.events_trimmed, "Redis's log does not reach back to the beginning".to_owned());
    for part in &evidence.spared {
        unless(false, format!("{part} was never killed"));
    }
    let took_over = figures.commands.contains_key(&format!("{:?}", Command::TakeOver));
    let answered = figures.windows.contains_key("answered");
    unless(took_over && answered, "nobody took over, or no window was answered".to_owned());
    reasons
}
