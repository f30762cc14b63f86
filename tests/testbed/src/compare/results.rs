//! What was measured: medians, and their ratios.

use std::collections::BTreeMap;
use std::time::Duration;

use super::candidate::{Candidate, Fsync};

/// One measurement at the edge.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    /// Webhooks per second.
    pub(super) rate: f64,
    pub(super) p99: Duration,
}

/// One burst.
#[derive(Debug, Clone, Copy)]
pub(super) struct Burst {
    /// Texts accepted per second.
    pub(super) rate: f64,
    /// From the first text until every customer is answered and nothing is under way.
    pub(super) settled: Duration,
    pub(super) windows: u64,
}

/// The results of a run.
#[derive(Debug, Default)]
pub struct Results {
    edges: BTreeMap<(Candidate, Fsync), Vec<Edge>>,
    bursts: BTreeMap<Candidate, Vec<Burst>>,
    /// What could not be measured here.
    pub(super) missing: Vec<String>,
    failures: Vec<String>,
}

impl Results {
    /// Measurements that failed although everything they need is here.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    pub(super) fn missing(&mut self, why: &anyhow::Error) {
        let what = format!("not measured: {} and {}: {why:#}", Candidate::Express, Candidate::Restate);
        println!("{what}");
        self.missing.push(what);
    }

    pub(super) fn edge(&mut self, candidate: Candidate, fsync: Fsync, edge: anyhow::Result<Edge>) {
        match edge {
            Ok(edge) => self.edges.entry((candidate, fsync)).or_default().push(edge),
            Err(error) => self.failures.push(format!("edge, {fsync}, {candidate}: {error:#}")),
        }
    }

    pub(super) fn burst(&mut self, candidate: Candidate, burst: anyhow::Result<Burst>) {
        match burst {
            Ok(burst) => self.bursts.entry(candidate).or_default().push(burst),
            Err(error) => self.failures.push(format!("burst, {candidate}: {error:#}")),
        }
    }

    /// The medians at the edge, if there are any.
    pub(super) fn median_edge(&self, candidate: Candidate, fsync: Fsync) -> Option<Edge> {
        let all = self.edges.get(&(candidate, fsync))?;
        Some(Edge { rate: median(all, |edge| edge.rate)?, p99: median(all, |edge| edge.p99)? })
    }

    /// The medians of the bursts, if there are any.
    pub(super) fn median_burst(&self, candidate: Candidate) -> Option<Burst> {
        let all = self.bursts.get(&candidate)?;
        Some(Burst {
            rate: median(all, |burst| burst.rate)?,
            settled: median(all, |burst| burst.settled)?,
            windows: median(all, |burst| burst.windows)?,
        })
    }
}

/// The median of one of the figures; of an even number of them, the lower of the two in the middle.
fn median<T, F: PartialOrd + Copy>(all: &[T], figure: impl Fn(&T) -> F) -> Option<F> {
    let mut figures: Vec<F> = all.iter().map(figure).collect();
    figures.sort_by(|one, other| one.partial_cmp(other).unwrap_or(std::cmp::Ordering::Equal));
    figures.get(figures.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn each_figure_has_its_own_median() {
        let mut results = Results::default();
        for (rate, millis) in [(100.0, 30), (300.0, 10), (200.0, 90)] {
            let edge = Edge { rate, p99: Duration::from_millis(millis) };
            results.edge(Candidate::Ours, Fsync::Always, Ok(edge));
        }
        let median = results.median_edge(Candidate::Ours, Fsync::Always).map(|edge| (edge.rate, edge.p99));
        assert_eq!(median, Some((200.0, Duration::from_millis(30))));
        assert!(results.median_edge(Candidate::Ours, Fsync::Default).is_none());
    }

    #[test]
    fn the_median_of_an_even_number_is_one_that_was_measured() {
        assert_eq!(median(&[4, 1, 3, 2], |figure| *figure), Some(2));
        assert_eq!(median(&[], |figure: &i32| *figure), None);
    }

    #[test]
    fn a_failure_is_kept_and_counts_in_no_median() {
        let mut results = Results::default();
        results.burst(Candidate::Restate, Err(anyhow!("it ended")));
        assert_eq!(results.failures(), ["burst, Restate: it ended"]);
        assert!(results.median_burst(Candidate::Restate).is_none());
    }
}
