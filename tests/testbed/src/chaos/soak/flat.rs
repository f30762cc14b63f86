//! When a figure is flat: a straight line through its samples of the second half (least squares) rises by no more than a
//! tenth of their mean, or by an amount that is noise for this figure.

use std::fmt;
use std::time::Duration;

/// The part of its mean by which a flat figure may rise.
const TOLERANCE: f64 = 0.10;

/// How a figure developed in the second half of a run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Trend {
    what: String,
    unit: &'static str,
    mean: f64,
    rise: f64,
    noise: f64,
}

impl Trend {
    /// The trend of these samples, of which an amount of `noise` says nothing.
    #[expect(clippy::cast_precision_loss, reason = "a trend need not be exact")]
    pub(super) fn of(what: String, unit: &'static str, noise: f64, samples: &[(Duration, f64)]) -> Self {
        let count = samples.len().max(1) as f64;
        let mean = |values: &dyn Fn(&(Duration, f64)) -> f64| samples.iter().map(values).sum::<f64>() / count;
        let (at, value) = (mean(&|sample| sample.0.as_secs_f64()), mean(&|sample| sample.1));
        let covariance = mean(&|sample| (sample.0.as_secs_f64() - at) * (sample.1 - value));
        let variance = mean(&|sample| (sample.0.as_secs_f64() - at).powi(2));
        let span = samples.first().zip(samples.last()).map_or(0.0, |(first, last)| (last.0 - first.0).as_secs_f64());
        let slope = if variance > 0.0 { covariance / variance } else { 0.0 };
        Self { what, unit, mean: value, rise: slope * span, noise }
    }

    /// Whether the figure does not grow.
    pub(super) fn is_flat(&self) -> bool {
        self.rise <= self.noise.max(TOLERANCE * self.mean)
    }
}

impl fmt::Display for Trend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, unit, mean, rise, .. } = self;
        write!(f, "{what:<34} mean {mean:10.1} {unit:<9} {rise:+8.1} in the second half")?;
        if self.is_flat() { Ok(()) } else { f.write_str("  GROWS") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trend(value: impl Fn(u64) -> f64) -> Trend {
        let samples: Vec<_> = (0..60).map(|second| (Duration::from_secs(second), value(second))).collect();
        Trend::of("figure".to_owned(), "MB", 1.0, &samples)
    }

    #[test]
    fn what_stays_or_falls_or_only_shakes_is_flat() {
        assert!(trend(|_| 100.0).is_flat());
        assert!(trend(|second| 200.0 - second as f64).is_flat());
        assert!(trend(|second| if second % 2 == 0 { 80.0 } else { 120.0 }).is_flat());
        assert!(trend(|second| second as f64 / 60.0).is_flat(), "noise");
    }

    #[test]
    fn what_grows_is_not() {
        assert!(!trend(|second| 100.0 + second as f64).is_flat());
        let saw = trend(|second| second as f64 + if second % 2 == 0 { 10.0 } else { -10.0 });
        assert!(!saw.is_flat(), "{saw}");
    }
}
