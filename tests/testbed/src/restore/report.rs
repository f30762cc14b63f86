//! What the drill has shown.

use std::fmt;
use std::time::Duration;

use super::verdict::{Before, Verdict};
use crate::drill::DrillReport;

/// The outcome of a drill.
#[derive(Debug)]
pub struct Report {
    /// How many old conversations there were.
    pub conversations: u32,
    /// How long the backup took, with its check.
    pub backup: Duration,
    /// The size of the backup and of the archived log.
    pub backup_bytes: u64,
    /// From the last commit that was restored to the disaster.
    pub lost: Duration,
    /// From the disaster until PostgreSQL was restored.
    pub restored: Duration,
    /// From the disaster until a customer was answered again.
    pub took: Duration,
    /// The restored database before the recovery.
    pub before: Before,
    /// What became of everybody.
    pub verdict: Verdict,
    /// The bound on `lost`.
    pub rpo: Duration,
    /// The bound on `took`.
    pub rto: Duration,
}

impl DrillReport for Report {
    /// Whether everything is as it must be.
    fn held(&self) -> bool {
        self.verdict.is_good() && self.lost <= self.rpo && self.took <= self.rto
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        let Before { customers, lost, pending, .. } = &self.before;
        writeln!(
            f,
            "backup   {} conversations, {} MB with the log, in {}",
            self.conversations,
            self.backup_bytes / 1_000_000,
            seconds(self.backup)
        )?;
        writeln!(
            f,
            "RPO      {} (bound: {}): {lost} of {customers} texts and calls were not in the restored database",
            seconds(self.lost),
            seconds(self.rpo)
        )?;
        writeln!(
            f,
            "RTO      {} (bound: {}): PostgreSQL after {}, a customer answered after {}",
            seconds(self.took),
            seconds(self.rto),
            seconds(self.restored),
            seconds(self.took)
        )?;
        let Verdict { missing, twice, silent, not_handed_over, recovered, opted_out, not_opted_out } = &self.verdict;
        writeln!(
            f,
            "recovery {recovered} inputs recovered, {pending} messages waited to be sent; {opted_out} opt-outs are known"
        )?;
        for (what, which) in [
            ("lost for good", missing),
            ("got an SMS twice", twice),
            ("got no answer, and no person", silent),
            ("conversations of the gap without a person", not_handed_over),
            ("opt-outs lost", not_opted_out),
        ] {
            writeln!(f, "{what}: {} {}", which.len(), which.iter().take(5).cloned().collect::<Vec<_>>().join(" "))?;
        }
        write!(f, "{}", if self.held() { "the drill has passed" } else { "THE DRILL HAS FAILED" })
    }
}
