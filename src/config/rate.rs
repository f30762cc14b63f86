//! A rate: a count per time unit, written `30/h`.
//!
//! Used by the API's rate limiter, the send rate and the limit on AI replies. Neither the count nor the interval is
//! ever zero.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// At most `count` in any period of length `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// At least one if parsed.
    pub count: u32,
    pub per: Duration,
}

/// Why a text is not a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a rate: must be a whole number above zero, a slash and one of s, min, h, d")]
pub struct RateError;

impl Rate {
    /// The time between two events that are spread evenly.
    pub fn interval(&self) -> Duration {
        self.per / self.count.max(1)
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (count, unit) = text.split_once('/').ok_or(RateError)?;
        let rate = Self {
            count: count.trim().parse().map_err(|_| RateError)?,
            per: unit_length(unit.trim()).ok_or(RateError)?,
        };
        if rate.count == 0 || rate.interval().is_zero() {
            return Err(RateError);
        }
        Ok(rate)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.per.as_secs() {
            1 => write!(f, "{}/s", self.count),
            60 => write!(f, "{}/min", self.count),
            3_600 => write!(f, "{}/h", self.count),
            86_400 => write!(f, "{}/d", self.count),
            seconds => write!(f, "{} in {seconds} s", self.count),
        }
    }
}

fn unit_length(unit: &str) -> Option<Duration> {
    let seconds = match unit {
        "s" | "sec" | "second" => 1,
        "m" | "min" | "minute" => 60,
        "h" | "hour" => 3_600,
        "d" | "day" => 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::per_second("1/s", 1, 1)]
    #[case::per_second_in_three_letters("5/sec", 5, 1)]
    #[case::per_minute("1000/min", 1000, 60)]
    #[case::per_minute_in_one_letter("2/m", 2, 60)]
    #[case::per_hour("30/h", 30, 3_600)]
    #[case::per_hour_in_full("30/hour", 30, 3_600)]
    #[case::per_day("9/d", 9, 86_400)]
    #[case::with_blanks("3 / s", 3, 1)]
    fn a_rate_is_read_from_count_and_unit(#[case] text: &str, #[case] count: u32, #[case] seconds: u64) {
        let per = Duration::from_secs(seconds);
        assert_eq!(text.parse(), Ok(Rate { count, per }));
    }

    #[rstest]
    #[case::zero("0/s")]
    #[case::negative("-1/s")]
    #[case::fraction("0.5/s")]
    #[case::no_unit("1")]
    #[case::empty_unit("1/")]
    #[case::unknown_unit("1/fortnight")]
    #[case::no_count("/s")]
    #[case::two_units("1/s/h")]
    #[case::faster_than_a_nanosecond("4000000000/s")]
    fn anything_else_is_not_a_rate(#[case] text: &str) {
        assert_eq!(text.parse::<Rate>(), Err(RateError));
    }

    #[test]
    fn the_interval_spreads_the_count_evenly() {
        assert_eq!("4/s".parse::<Rate>().unwrap().interval(), Duration::from_millis(250));
        assert_eq!("30/h".parse::<Rate>().unwrap().interval(), Duration::from_secs(120));
    }

    #[rstest]
    #[case::second("1/s")]
    #[case::minute("1000/min")]
    #[case::hour("30/h")]
    #[case::day("2/d")]
    fn a_rate_is_shown_as_it_is_written(#[case] text: &str) {
        assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
    }
}
