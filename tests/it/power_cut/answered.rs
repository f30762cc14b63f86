//! The judgement, the same for whatever is answered and wherever it is kept.

use nmc_testbed::syscalls::{Exchange, Footprint, Kept, Trace};

/// What was asked for, and what it left behind.
#[derive(Debug)]
pub struct Operation {
    /// Stands in its request and in no other's.
    pub marker: String,
    /// What has to be on disk before the answer.
    pub footprint: Footprint,
}

/// How far each answer's footprint had come when the answer was sent. An operation that was asked for several times has as
/// many answers, and one without any fails.
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

/// Those that a power cut at the moment of the answer would have lost.
pub fn lost(kept: &[(String, Kept)]) -> Vec<&(String, Kept)> {
    kept.iter().filter(|(_, kept)| *kept != Kept::Synced).collect()
}
