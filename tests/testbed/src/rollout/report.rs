//! What came of the rollouts, as a table.

use std::fmt;
use std::time::Duration;

use crate::drill::DrillReport;

/// One rollout.
#[derive(Debug)]
pub struct Row {
    pub(super) release: &'static str,
    /// `in place`, or the step in which it was rolled back and why.
    pub(super) end: String,
    pub(super) took: Duration,
    /// Webhooks meanwhile, those that were not answered 200, and those that took longer than the bound.
    pub(super) webhooks: usize,
    pub(super) failed: usize,
    pub(super) slow: usize,
    /// What should have been otherwise.
    pub(super) wrong: Vec<String>,
}

/// The result of a drill.
#[derive(Debug)]
pub struct Report {
    pub(super) rows: Vec<Row>,
    pub(super) webhooks: usize,
    /// Customers without exactly one answer, with the number of theirs.
    pub(super) unanswered: Vec<(String, usize)>,
}

impl DrillReport for Report {
    /// Whether everything was as it must be.
    fn held(&self) -> bool {
        self.unanswered.is_empty() && self.rows.iter().all(|row| row.wrong.is_empty())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{:<20} {:>6} {:>9} {:>7} {:>6}  end", "release", "took", "webhooks", "failed", "slow")?;
        for row in &self.rows {
            let Row { release, end, took, webhooks, failed, slow, wrong } = row;
            writeln!(f, "{release:<20} {:>4} s {webhooks:>9} {failed:>7} {slow:>6}  {end}", took.as_secs())?;
            for wrong in wrong {
                writeln!(f, "    WRONG: {wrong}")?;
            }
        }
        let (webhooks, unanswered) = (self.webhooks, self.unanswered.len());
        writeln!(
            f,
            "{webhooks} customers wrote; {unanswered} of those whose text was accepted did not get exactly one answer"
        )?;
        for (customer, count) in self.unanswered.iter().take(10) {
            writeln!(f, "    WRONG: {customer} got {count}")?;
        }
        write!(f, "{}", if self.held() { "the drill held" } else { "the drill FAILED" })
    }
}
