//! The check of an answer, the same for all kinds of answers and storage.

use nmc_testbed::syscalls::{Exchange, Footprint, Kept, Trace};

/// A request and the bytes that it wrote.
#[derive(Debug)]
pub struct Operation {
    /// Occurs in its request and in no other.
    pub marker: String,
    /// What must be on disk before the answer.
    pub footprint: Footprint,
}

/// The state of each answer's footprint when the answer was sent. An operation that was requested several times has
/// several answers; an operation without an answer fails.
pub fn kept_at_the_answers(
    trace: &Trace,
    operations: &[Operation],
    is_answer: impl Fn(&Exchange) -> bool,
) -> Vec<(String, Kept)> {
    let answers: Vec<_> = trace.exchanges().into_iter().filter(is_answer).collect();
    let mut found = Vec::new();
    for operation in operations {
        let of_this = answers.iter().filter(|exchange| exchange.asks_about(operation.marker.as_bytes()));
        let kept = of_this.map(|exchange| trace.kept(&operation.footprint, exchange.answered_at));
        let before = found.len();
        found.extend(kept.map(|kept| (operation.marker.clone(), kept)));
        assert!(found.len() > before, "no answer to {} in the trace", operation.marker);
    }
    found
}

/// The answers that a power cut at the moment of the answer would have lost.
pub fn lost(kept: &[(String, Kept)]) -> Vec<&(String, Kept)> {
    kept.iter().filter(|(_, kept)| *kept != Kept::Synced).collect()
}
