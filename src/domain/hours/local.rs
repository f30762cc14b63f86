//! Local times of a zone as moments.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// Clocks change by multiples of this.
const STEP: TimeDelta = TimeDelta::minutes(1);
/// How many steps a clock skips at most: a day, where a country changed sides of the date line.
const MOST_SKIPPED: i32 = 24 * 60;

/// The moment of a local time. Of a time that the clock shows twice, it is the first; if the clock skips it, the moment
/// of the skip. `None` beyond the calendar.
pub fn first_moment(zone: Tz, date: NaiveDate, time: TimeDelta) -> Option<DateTime<Utc>> {
    moment(zone, date, time, |found| found.earliest())
}

/// As [`first_moment`], but of a time that the clock shows twice it is the second.
pub fn last_moment(zone: Tz, date: NaiveDate, time: TimeDelta) -> Option<DateTime<Utc>> {
    moment(zone, date, time, |found| found.latest())
}

fn moment(
    zone: Tz,
    date: NaiveDate,
    time: TimeDelta,
    which: impl Fn(chrono::LocalResult<DateTime<Tz>>) -> Option<DateTime<Tz>>,
) -> Option<DateTime<Utc>> {
    let local = date.and_time(NaiveTime::MIN).checked_add_signed(time)?;
    let later = (0..=MOST_SKIPPED).map(|step| local.checked_add_signed(STEP * step));
    later.map_while(|local| local).find_map(|local| which(zone.from_local_datetime(&local))).map(|found| found.to_utc())
}
