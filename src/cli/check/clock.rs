//! How far our clock is from another.

use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::now;

/// More than this is too much: windows close by the clock of the edge that received the texts, and leases last 2 s.
pub(super) const MOST: TimeDelta = TimeDelta::seconds(1);

/// The reading of another clock, between two of ours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    begun: DateTime<Utc>,
    ended: DateTime<Utc>,
    theirs: DateTime<Utc>,
    /// Their clock may show this much more than the reading.
    precision: TimeDelta,
}

impl Reading {
    /// Reads another clock.
    pub(super) async fn of<E>(
        precision: TimeDelta,
        read: impl Future<Output = Result<DateTime<Utc>, E>>,
    ) -> Result<Self, E> {
        let begun = now();
        let theirs = read.await?;
        Ok(Self { begun, ended: now(), theirs, precision })
    }

    /// How far our clock is ahead of theirs (negative: behind), at least: what the reading's duration and precision
    /// leave open is not counted.
    pub(super) fn skew(&self) -> TimeDelta {
        let ahead = self.begun - (self.theirs + self.precision);
        let behind = self.ended - self.theirs;
        if ahead > TimeDelta::zero() {
            ahead
        } else if behind < TimeDelta::zero() {
            behind
        } else {
            TimeDelta::zero()
        }
    }

    pub(super) fn is_off(&self) -> bool {
        self.skew().abs() > MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// Ours is read at 10 s and at 10.4 s.
    #[rstest]
    #[case::the_same(10_200, 0, 0)]
    #[case::cut_off_to_the_second(10_000, 1_000, 0)]
    #[case::the_second_before(9_000, 1_000, 0)]
    #[case::ours_is_ahead(7_000, 0, 3_000)]
    #[case::ours_is_ahead_of_a_second(7_000, 1_000, 2_000)]
    #[case::ours_is_behind(12_000, 1_000, -1_600)]
    fn only_what_is_certain_counts(#[case] theirs: i64, #[case] precision: i64, #[case] skew: i64) {
        let at = |millis| DateTime::from_timestamp_millis(millis).unwrap_or_default();
        let precision = TimeDelta::milliseconds(precision);
        let reading = Reading { begun: at(10_000), ended: at(10_400), theirs: at(theirs), precision };
        assert_eq!(reading.skew(), TimeDelta::milliseconds(skew));
        assert_eq!(reading.is_off(), skew.abs() > 1_000);
    }
}
