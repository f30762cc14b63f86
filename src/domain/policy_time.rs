//! Times in a business's own settings, written like the service's own: `90s`, `10m`, `72h`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A time of at least `LEAST` and at most `MOST` seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PolicyTime<const LEAST: u64, const MOST: u64>(Duration);

impl<const LEAST: u64, const MOST: u64> From<PolicyTime<LEAST, MOST>> for Duration {
    fn from(PolicyTime(time): PolicyTime<LEAST, MOST>) -> Self {
        time
    }
}

impl<const LEAST: u64, const MOST: u64> FromStr for PolicyTime<LEAST, MOST> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (least, most) = (Duration::from_secs(LEAST), Duration::from_secs(MOST));
        humantime::parse_duration(text)
            .ok()
            .filter(|time| (least..=most).contains(time))
            .map(Self)
            .ok_or_else(|| format!("must be a time from {} to {}", Shown(least), Shown(most)))
    }
}

impl<const LEAST: u64, const MOST: u64> TryFrom<String> for PolicyTime<LEAST, MOST> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl<const LEAST: u64, const MOST: u64> From<PolicyTime<LEAST, MOST>> for String {
    fn from(time: PolicyTime<LEAST, MOST>) -> Self {
        time.to_string()
    }
}

impl<const LEAST: u64, const MOST: u64> fmt::Display for PolicyTime<LEAST, MOST> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown(self.0).fmt(f)
    }
}

/// A time in the largest unit of which it is a multiple.
pub struct Shown(pub Duration);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, milliseconds) = (self.0.as_secs(), self.0.as_millis());
        match (seconds, milliseconds) {
            (_, ms) if ms % 1_000 != 0 => write!(f, "{ms}ms"),
            (0, _) => f.write_str("0s"),
            (s, _) if s % 3_600 == 0 => write!(f, "{}h", s / 3_600),
            (s, _) if s % 60 == 0 => write!(f, "{}m", s / 60),
            (s, _) => write!(f, "{s}s"),
        }
    }
}

/// When the owner is reminded of a customer who waits for a person: after a time, or never (`off`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RemindAfter {
    /// Never.
    Off,
    /// After this time, of a minute to a day.
    Time(PolicyTime<60, 86_400>),
}

/// How [`RemindAfter::Off`] is written.
const OFF: &str = "off";

impl FromStr for RemindAfter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == OFF {
            return Ok(Self::Off);
        }
        text.parse().map(Self::Time).map_err(|error| format!("{error}, or {OFF}"))
    }
}

impl TryFrom<String> for RemindAfter {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<RemindAfter> for String {
    fn from(after: RemindAfter) -> Self {
        match after {
            RemindAfter::Off => OFF.to_owned(),
            RemindAfter::Time(time) => time.to_string(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("5m", Ok("5m"))]
    #[case("300s", Ok("5m"))]
    #[case("90m", Ok("90m"))]
    #[case("1h 500ms", Ok("3600500ms"))]
    #[case("4m", Err("must be a time from 5m to 2h"))]
    #[case("3h", Err("must be a time from 5m to 2h"))]
    #[case("soon", Err("must be a time from 5m to 2h"))]
    fn a_time_is_within_its_bounds(#[case] written: &str, #[case] shown: Result<&str, &str>) {
        let time = written.parse::<PolicyTime<300, 7_200>>().map(|time| time.to_string());
        assert_eq!(time, shown.map(str::to_owned).map_err(str::to_owned));
    }

    #[test]
    fn no_time_is_shown_in_seconds() {
        assert_eq!("0s".parse::<PolicyTime<0, 60>>().unwrap().to_string(), "0s");
    }

    #[rstest]
    #[case("off", Ok("off"))]
    #[case("10m", Ok("10m"))]
    #[case("30s", Err("must be a time from 1m to 24h, or off"))]
    #[case("never", Err("must be a time from 1m to 24h, or off"))]
    fn reminders_come_after_a_time_or_never(#[case] written: &str, #[case] shown: Result<&str, &str>) {
        let after = written.parse::<RemindAfter>().map(String::from);
        assert_eq!(after, shown.map(str::to_owned).map_err(str::to_owned));
    }
}
