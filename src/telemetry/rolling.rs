//! Counts and latencies of the last hour.
//!
//! For the JSON of `/metrics`. A ring of sixty one-minute slots has fixed memory and cost, and drops an observation 59
//! to 60 minutes after it was made. Percentiles come from a logarithmic histogram and are at most a quarter too high;
//! averages and maxima are exact.

use std::time::{Duration, Instant};

const MINUTES: usize = 60;

/// Latency buckets: the first ends at 0.1 ms, each next bound is the previous one times the cube root of two, up to
/// three hours.
const BUCKETS: usize = 81;
const FIRST_BOUND_SECONDS: f64 = 0.000_1;
const BUCKETS_PER_DOUBLING: f64 = 3.0;

/// The observations of the last hour, minute by minute.
#[derive(Debug, Clone)]
pub struct Rolling {
    epoch: Instant,
    ring: Vec<Slot>,
}

/// One minute of the ring; `minute` counts from the epoch and distinguishes a current slot from an old one.
#[derive(Debug, Clone)]
struct Slot {
    minute: u64,
    summary: Summary,
}

/// The observations in a span of time, summed up.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The number of observations.
    pub count: u64,
    /// How many of them failed.
    pub errors: u64,
    total: Duration,
    longest: Duration,
    buckets: [u32; BUCKETS],
}

impl Rolling {
    /// Starts empty. No observation may be older than the epoch.
    pub fn new(epoch: Instant) -> Self {
        let empty = Slot { minute: 0, summary: Summary::default() };
        Self { epoch, ring: vec![empty; MINUTES] }
    }

    /// Adds an observation made at `now`.
    pub fn record(&mut self, now: Instant, took: Duration, failed: bool) {
        let minute = self.minute(now);
        let slot = (minute % MINUTES as u64) as usize;
        if let Some(slot) = self.ring.get_mut(slot) {
            if slot.minute != minute {
                *slot = Slot { minute, summary: Summary::default() };
            }
            slot.summary.record(took, failed);
        }
    }

    /// Sums up the hour that ends at `now`.
    pub fn summary(&self, now: Instant) -> Summary {
        let oldest = (self.minute(now) + 1).saturating_sub(MINUTES as u64);
        let recent = self.ring.iter().filter(|slot| slot.minute >= oldest);
        recent.fold(Summary::default(), |sum, slot| sum.merge(&slot.summary))
    }

    fn minute(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.epoch).as_secs() / 60
    }
}

impl Summary {
    /// The sum of both.
    #[must_use]
    pub fn merge(mut self, other: &Self) -> Self {
        self.count += other.count;
        self.errors += other.errors;
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine = mine.saturating_add(*theirs);
        }
        self
    }

    /// The share of failures; zero if nothing was observed.
    pub fn error_rate(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.errors as f64 / self.count as f64 }
    }

    /// The average latency in milliseconds; zero if nothing was observed.
    pub fn avg_ms(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.total.as_secs_f64() * 1e3 / self.count as f64 }
    }

    /// The 95th percentile of the latency in milliseconds; zero if nothing was observed.
    pub fn p95_ms(&self) -> f64 {
        let rank = (self.count as f64 * 0.95).ceil();
        let mut below = 0.0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            let count = f64::from(*count);
            if count > 0.0 && below + count >= rank {
                let longest = self.longest.as_secs_f64();
                if bucket == BUCKETS - 1 {
                    return longest * 1e3;
                }
                let (lower, upper) = (lower_bound(bucket), lower_bound(bucket + 1));
                let estimate = lower + (upper - lower) * (rank - below) / count;
                return estimate.min(longest) * 1e3;
            }
            below += count;
        }
        0.0
    }

    fn record(&mut self, took: Duration, failed: bool) {
        self.count += 1;
        self.errors += u64::from(failed);
        self.total += took;
        self.longest = self.longest.max(took);
        if let Some(count) = self.buckets.get_mut(bucket_of(took)) {
            *count = count.saturating_add(1);
        }
    }
}

impl Default for Summary {
    fn default() -> Self {
        Self { count: 0, errors: 0, total: Duration::ZERO, longest: Duration::ZERO, buckets: [0; BUCKETS] }
    }
}

fn bucket_of(took: Duration) -> usize {
    let doublings = (took.as_secs_f64() / FIRST_BOUND_SECONDS).log2();
    // The cast saturates: a value below the first bound becomes zero.
    ((doublings * BUCKETS_PER_DOUBLING).ceil() as usize).min(BUCKETS - 1)
}

fn lower_bound(bucket: usize) -> f64 {
    match bucket {
        0 => 0.0,
        _ => FIRST_BOUND_SECONDS * ((bucket - 1) as f64 / BUCKETS_PER_DOUBLING).exp2(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use rstest::rstest;

    const MINUTE: Duration = Duration::from_secs(60);

    fn observed(latencies_ms: impl IntoIterator<Item = u64>) -> Summary {
        let epoch = Instant::now();
        let mut rolling = Rolling::new(epoch);
        for latency in latencies_ms {
            rolling.record(epoch, Duration::from_millis(latency), false);
        }
        rolling.summary(epoch)
    }

    #[test]
    fn nothing_observed_is_zero_everywhere() {
        let summary = observed([]);
        assert_eq!((summary.count, summary.errors), (0, 0));
        assert_eq!((summary.avg_ms(), summary.p95_ms(), summary.error_rate()), (0.0, 0.0, 0.0));
    }

    #[rstest]
    #[case::at_once(0, 1)]
    #[case::half_an_hour_later(30, 1)]
    #[case::fifty_nine_minutes_later(59, 1)]
    #[case::an_hour_later(60, 0)]
    #[case::a_day_later(1440, 0)]
    fn an_observation_counts_for_an_hour(#[case] minutes: u32, #[case] count: u64) {
        let epoch = Instant::now();
        let mut rolling = Rolling::new(epoch);
        let start = epoch + 17 * MINUTE;
        rolling.record(start, MINUTE, true);
        let summary = rolling.summary(start + minutes * MINUTE);
        assert_eq!((summary.count, summary.errors), (count, count));
    }

    #[test]
    fn a_minute_of_the_ring_is_used_again_after_an_hour() {
        let epoch = Instant::now();
        let mut rolling = Rolling::new(epoch);
        for minute in 0..200 {
            rolling.record(epoch + minute * MINUTE, Duration::from_millis(1), false);
        }
        assert_eq!(rolling.summary(epoch + 199 * MINUTE).count, 60);
    }

    #[rstest]
    #[case::one(&[100], 100.0)]
    #[case::all_alike(&[7; 50], 7.0)]
    #[case::a_slow_one_in_twenty_is_beyond(&[10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 900], 10.0)]
    #[case::two_slow_ones_in_twenty_are_not(&[10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 900, 900], 900.0)]
    #[case::half_an_hour(&[1_800_000], 1_800_000.0)]
    #[case::beyond_the_last_bucket(&[36_000_000], 36_000_000.0)]
    fn the_95th_percentile_is_near_the_true_one(#[case] latencies: &[u64], #[case] expected: f64) {
        let p95 = observed(latencies.iter().copied()).p95_ms();
        assert!(p95 > expected * 0.79 && p95 <= expected * 1.27, "{p95}");
    }

    #[test]
    fn a_percentile_within_a_spread_is_close() {
        let p95 = observed(1..=1000).p95_ms();
        assert!((p95 - 950.0).abs() < 30.0, "{p95}");
    }

    #[test]
    fn averages_and_error_rates_are_exact() {
        let epoch = Instant::now();
        let mut rolling = Rolling::new(epoch);
        rolling.record(epoch, Duration::from_millis(10), false);
        rolling.record(epoch + MINUTE, Duration::from_millis(30), true);
        let summary = rolling.summary(epoch + MINUTE);
        assert!((summary.avg_ms() - 20.0).abs() < 1e-9);
        assert!((summary.error_rate() - 0.5).abs() < 1e-9);
    }

    #[test]
    fn merging_adds_up() {
        let merged = observed([1, 2]).merge(&observed([30]));
        assert_eq!(merged.count, 3);
        assert!((merged.avg_ms() - 11.0).abs() < 1e-9);
    }
}
