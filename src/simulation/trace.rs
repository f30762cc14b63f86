//! What happened in a run, in order: always as a hash, and as text on request.

use std::hash::{Hash, Hasher};

use rustc_hash::FxHasher;

/// More events than this occur only if something loops.
const MOST: u64 = 200_000;

/// The trace of a run.
#[derive(Default)]
pub struct Trace {
    hash: FxHasher,
    /// The lines, if they are kept.
    pub lines: Option<Vec<String>>,
    /// The number of events.
    pub events: u64,
}

impl Trace {
    /// A trace, which keeps its lines if `kept`.
    pub fn new(kept: bool) -> Self {
        Self { lines: kept.then(Vec::new), ..Self::default() }
    }

    /// Records an event; `number` distinguishes it from others of its kind, `text` gives details.
    pub fn note(&mut self, at_ms: u64, who: u32, what: &'static str, number: u64, text: impl FnOnce() -> String) {
        (at_ms, who, what, number).hash(&mut self.hash);
        self.events += 1;
        assert!(self.events < MOST, "too many events: {:?}", self.lines.as_ref().map(|l| &l[l.len() - 60..]));
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>9.3} s  {who:>3}  {what} {}", at_ms as f64 / 1_000.0, text()));
        }
    }

    /// Equal for equal runs.
    pub fn hash(&self) -> u64 {
        self.hash.finish()
    }
}
