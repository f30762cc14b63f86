//! What happened in a run, in order: as a hash always, as text where it is asked for.

use std::hash::{Hash, Hasher};

use rustc_hash::FxHasher;

/// More than this never happens, unless something goes round in circles.
const MOST: u64 = 200_000;

/// The trace of a run.
#[derive(Default)]
pub struct Trace {
    hash: FxHasher,
    /// Where it is kept, each line.
    pub lines: Option<Vec<String>>,
    /// How many events there were.
    pub events: u64,
}

impl Trace {
    /// A trace that keeps its lines, if it is to.
    pub fn new(kept: bool) -> Self {
        Self { lines: kept.then(Vec::new), ..Self::default() }
    }

    /// Something happened; `number` tells it from others of its kind, `text` says more.
    pub fn note(&mut self, at_ms: u64, who: u32, what: &'static str, number: u64, text: impl FnOnce() -> String) {
        (at_ms, who, what, number).hash(&mut self.hash);
        self.events += 1;
        assert!(self.events < MOST, "too much happens: {:?}", self.lines.as_ref().map(|l| &l[l.len() - 60..]));
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>9.3} s  {who:>3}  {what} {}", at_ms as f64 / 1_000.0, text()));
        }
    }

    /// The same for the same run.
    pub fn hash(&self) -> u64 {
        self.hash.finish()
    }
}
