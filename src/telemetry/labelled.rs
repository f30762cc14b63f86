//! A counter with one label.
//!
//! The Prometheus text shows it by label value, the JSON by label value or as a sum. Values are fixed texts of the
//! program, so the number of time series is bounded.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

/// Counters by the value of one label.
pub(super) type ByWord = Family<[(&'static str, &'static str); 1], Counter>;

/// A counter for each value of a label, and their sum.
#[derive(Debug)]
pub(super) struct Labelled {
    label: &'static str,
    family: ByWord,
    sum: Counter,
}

impl Labelled {
    /// Starts these values at zero; others appear when first counted.
    pub(super) fn new(label: &'static str, words: impl Iterator<Item = &'static str>) -> Self {
        let family = ByWord::default();
        for word in words {
            drop(family.get_or_create(&[(label, word)]));
        }
        Self { label, family, sum: Counter::default() }
    }

    /// The counters, for registration.
    pub(super) fn family(&self) -> ByWord {
        self.family.clone()
    }

    pub(super) fn inc(&self, word: &'static str) {
        self.inc_by(word, 1);
    }

    pub(super) fn inc_by(&self, word: &'static str, count: u64) {
        self.family.get_or_create(&[(self.label, word)]).inc_by(count);
        self.sum.inc_by(count);
    }

    pub(super) fn get(&self, word: &'static str) -> u64 {
        self.family.get_or_create(&[(self.label, word)]).get()
    }

    /// The sum over all values.
    pub(super) fn sum(&self) -> u64 {
        self.sum.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted_apart_and_together() {
        let counter = Labelled::new("result", ["hit", "miss"].into_iter());
        counter.inc("hit");
        counter.inc("hit");
        counter.inc("new");
        let counts = ["hit", "miss", "new"].map(|word| counter.get(word));
        assert_eq!((counts, counter.sum()), ([2, 0, 1], 3));
    }
}
