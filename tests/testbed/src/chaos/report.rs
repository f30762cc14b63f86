//! The result of a run, in figures and as a verdict.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::killer::Killed;
use super::ledger::{self, Breach, Evidence, Figures, Kind};

/// Maximum number of breaches shown per kind.
const SHOWN: usize = 10;

/// The verdict on a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// No breach was found.
    Held,
    /// At least one breach was found.
    Broken,
    /// The run proves nothing, even if its figures look good.
    Void,
}

/// What the ledger says of a run.
pub(super) struct Balance {
    pub(super) figures: Figures,
    breaches: Vec<Breach>,
    void: Vec<String>,
}

impl Balance {
    pub(super) fn of(evidence: &Evidence) -> Self {
        Self { figures: Figures::of(evidence), breaches: ledger::breaches(evidence), void: ledger::void(evidence) }
    }

    /// Some breaches are certain by themselves; all others need complete books of the generator, without which the run
    /// proves nothing.
    pub(super) fn verdict(&self) -> Verdict {
        let plain = |breach: &Breach| matches!(breach.kind, Kind::SentTwice | Kind::EndedByItself);
        match (self.void.is_empty(), self.breaches.is_empty()) {
            _ if self.breaches.iter().any(plain) => Verdict::Broken,
            (false, _) => Verdict::Void,
            (true, false) => Verdict::Broken,
            (true, true) => Verdict::Held,
        }
    }

    /// A line for each breach, and for each reason why the run proves nothing.
    pub(super) fn faults(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = BTreeMap::<Kind, usize>::new();
        for breach in &self.breaches {
            let count = shown.entry(breach.kind).or_default();
            *count += 1;
            if *count <= SHOWN {
                writeln!(f, "  BREACH  {breach}")?;
            }
        }
        for (kind, count) in shown.iter().filter(|(_, count)| **count > SHOWN) {
            writeln!(f, "  BREACH  {kind:?}: {} more", count - SHOWN)?;
        }
        for reason in &self.void {
            writeln!(f, "  VOID  {reason}")?;
        }
        Ok(())
    }
}

/// The result of a run, for display.
pub struct Report {
    pub(super) seed: u64,
    pub(super) killing: Duration,
    pub(super) took: Duration,
    pub(super) settling: Duration,
    pub(super) killed: Killed,
    pub(super) balance: Balance,
    pub(super) twilio: BTreeMap<String, u64>,
}

impl Report {
    /// The verdict.
    pub fn verdict(&self) -> Verdict {
        self.balance.verdict()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = &self.balance.figures;
        let [killing, took, settling] = [self.killing, self.took, self.settling].map(|time| time.as_secs());
        writeln!(f, "seed {}: killing for {killing} s, load for {took} s, settled {settling} s later", self.seed)?;
        writeln!(f, "  killed          {:6}  {}", self.killed.values().sum::<usize>(), list(&self.killed))?;
        writeln!(f, "  conversations   {:6}  {} texts in them", figures.conversations, figures.texts)?;
        writeln!(
            f,
            "  webhooks        {:6}  {} acknowledged, {} refused, {} without an answer",
            figures.requests, figures.acknowledged, figures.refused, figures.unanswered
        )?;
        writeln!(
            f,
            "  texts           {:6}  {} acknowledged, {} taken without that; {} in no window (STOP, and after it)",
            figures.texts, figures.texts_acknowledged, figures.texts_taken_anyway, figures.without_window
        )?;
        writeln!(f, "  sent            {:6}  = {} ({})", figures.sent, figures.ended(), list(&figures.by_end))?;
        writeln!(f, "  windows         {:6}  {}", figures.windows.values().sum::<usize>(), list(&figures.windows))?;
        writeln!(f, "  SMS accepted    {:6}  of requests: {}", figures.accepted, list(&self.twilio))?;
        writeln!(
            f,
            "  commands        {:6}  {}; {} with a message in flight; not carried out: {}",
            figures.commands.values().sum::<usize>(),
            list(&figures.commands),
            figures.in_flight,
            list(&figures.not_carried_out)
        )?;
        writeln!(f, "  events          {:6}", figures.events)?;
        self.balance.faults(f)?;
        match self.verdict() {
            Verdict::Held => write!(f, "nothing lost, nothing doubled"),
            Verdict::Broken => write!(f, "{} breaches", self.balance.breaches.len()),
            Verdict::Void => write!(f, "void: this run says nothing"),
        }
    }
}

fn list<K: fmt::Display, V: fmt::Display>(counts: &BTreeMap<K, V>) -> String {
    counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}
