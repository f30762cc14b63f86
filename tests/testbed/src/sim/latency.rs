//! How long a simulator takes for an answer: a log-normal distribution, as the answers of real services have.

use std::f64::consts::TAU;
use std::time::Duration;

use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::millis;

/// The 99th percentile of the standard normal distribution.
const Z99: f64 = 2.326_347_9;

/// A log-normal distribution, given by two of its percentiles; JSON `{"p50_ms":120,"p99_ms":600}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// Half of the answers take at most this long.
    #[serde(rename = "p50_ms", with = "millis")]
    pub p50: Duration,
    /// All but one in a hundred take at most this long; if it is less than `p50`, every answer takes `p50`.
    #[serde(rename = "p99_ms", with = "millis")]
    pub p99: Duration,
}

impl Latency {
    /// Always exactly this long.
    pub fn exactly(time: Duration) -> Self {
        Self { p50: time, p99: time }
    }

    /// Draws a time.
    pub fn draw(&self, random: &mut impl RngExt) -> Duration {
        // Box and Muller's method; `1 - x` is never zero.
        let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
        self.at(radius * (TAU * random.random::<f64>()).cos())
    }

    /// The time that is this many standard deviations above the median.
    fn at(&self, deviations: f64) -> Duration {
        if self.p50.is_zero() || self.p99 <= self.p50 {
            return self.p50;
        }
        let sigma = (self.p99.as_secs_f64() / self.p50.as_secs_f64()).ln() / Z99;
        Duration::try_from_secs_f64(self.p50.as_secs_f64() * (sigma * deviations).exp()).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    const TWILIO: Latency = Latency { p50: Duration::from_millis(120), p99: Duration::from_millis(600) };

    #[test]
    fn draws_have_the_percentiles_that_were_asked_for() {
        let mut random = StdRng::seed_from_u64(1);
        let mut times: Vec<_> = (0..100_000).map(|_| TWILIO.draw(&mut random).as_secs_f64()).collect();
        times.sort_by(f64::total_cmp);
        assert!((times[50_000] - 0.12).abs() < 0.003, "{}", times[50_000]);
        assert!((times[99_000] - 0.6).abs() < 0.03, "{}", times[99_000]);
    }

    #[test]
    fn equal_percentiles_give_that_time_and_zero_none() {
        let mut random = StdRng::seed_from_u64(2);
        assert_eq!(Latency::exactly(Duration::from_secs(3)).draw(&mut random), Duration::from_secs(3));
        assert_eq!(Latency { p50: Duration::ZERO, ..TWILIO }.draw(&mut random), Duration::ZERO);
    }

    #[test]
    fn a_latency_is_read_from_json() -> serde_json::Result<()> {
        let read: Latency = serde_json::from_str(r#"{"p50_ms":120,"p99_ms":600}"#)?;
        assert_eq!(read, TWILIO);
        Ok(())
    }
}
