//! The latencies of one measure: a histogram of all, and the samples in order, for the picture.

use std::time::Duration;

use hdrhistogram::Histogram;

/// A histogram in microseconds has a precision of 0.1 % up to an hour; what is longer counts as an hour.
const DIGITS: u8 = 3;
const LONGEST: Duration = Duration::from_secs(3_600);

/// One latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    /// When it was intended to begin, counted from the beginning of the run.
    pub(super) at: Duration,
    /// How long after that it ended.
    pub(super) took: Duration,
}

/// The latencies of one measure.
#[derive(Debug, Clone, Default)]
pub(super) struct Samples(Vec<Sample>);

impl Samples {
    pub(super) fn push(&mut self, sample: Sample) {
        self.0.push(sample);
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = &Sample> {
        self.0.iter()
    }

    /// These and others together.
    pub(super) fn and(&self, others: &Self) -> Self {
        Self(self.0.iter().chain(&others.0).copied().collect())
    }

    /// A summary of all.
    pub(super) fn summary(&self) -> Summary {
        Summary::of(self.0.iter().map(|sample| sample.took))
    }

    /// Summaries of those that were intended to begin in each `width` of the run, each with its beginning; spans
    /// without samples are left out.
    pub(super) fn over_time(&self, width: Duration) -> Vec<(Duration, Summary)> {
        let span = |sample: &Sample| (sample.at.as_secs_f64() / width.as_secs_f64()) as u32;
        let mut samples = self.0.clone();
        samples.sort_by_key(|sample| sample.at);
        let spans = samples.chunk_by(|one, next| span(one) == span(next));
        spans.map(|all| (width * span(&all[0]), Summary::of(all.iter().map(|sample| sample.took)))).collect()
    }
}

/// The percentiles of a set of latencies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// The number of latencies; if it is zero, so are the others.
    pub(crate) count: u64,
    pub(crate) p50: Duration,
    pub(crate) p95: Duration,
    pub(crate) p99: Duration,
    pub(crate) max: Duration,
}

impl Summary {
    /// A summary of these.
    pub(crate) fn of(latencies: impl Iterator<Item = Duration>) -> Self {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        // Only more than five digits, or a range of less than two, would be refused.
        let Ok(mut histogram) = Histogram::<u64>::new_with_max(micros(LONGEST), DIGITS) else {
            return Self::default();
        };
        latencies.for_each(|latency| histogram.saturating_record(micros(latency)));
        let at = |quantile| Duration::from_micros(histogram.value_at_quantile(quantile));
        Self {
            count: histogram.len(),
            p50: at(0.5),
            p95: at(0.95),
            p99: at(0.99),
            max: Duration::from_micros(histogram.max()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(each: impl IntoIterator<Item = (u64, u64)>) -> Samples {
        let sample = |(at, took)| Sample { at: Duration::from_secs(at), took: Duration::from_millis(took) };
        Samples(each.into_iter().map(sample).collect())
    }

    fn is_about(found: Duration, millis: u64) -> bool {
        (found.as_secs_f64() * 1e3 - millis as f64).abs() <= millis as f64 * 0.001
    }

    #[test]
    fn percentiles_are_exact_to_a_thousandth() {
        let summary = samples((1..=1_000).map(|n| (0, n))).summary();
        assert_eq!(summary.count, 1_000);
        for (found, expected) in [(summary.p50, 500), (summary.p95, 950), (summary.p99, 990), (summary.max, 1_000)] {
            assert!(is_about(found, expected), "{found:?} for {expected}");
        }
        assert_eq!(Samples::default().summary(), Summary::default());
    }

    #[test]
    fn minutes_are_recorded_as_well_as_microseconds() {
        let summary = samples([(0, 0), (0, 3_600_000)]).summary();
        assert!(is_about(summary.max, 3_600_000), "{summary:?}");
        assert_eq!(summary.p50, Duration::ZERO);
    }

    #[test]
    fn samples_are_summed_up_by_their_intended_beginning() {
        let all = samples([(11, 30), (0, 10), (4, 20), (31, 40)]).over_time(Duration::from_secs(10));
        let found: Vec<_> = all.iter().map(|(at, summary)| (at.as_secs(), summary.count)).collect();
        assert_eq!(found, [(0, 2), (10, 1), (30, 1)]);
        assert!(is_about(all[0].1.max, 20));
    }
}
