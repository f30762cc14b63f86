//! What is in the owner's calendar.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::Value;

use super::Taken;
use crate::domain::hours::{Span, first_moment, last_moment};

/// How long an entry without an end takes.
const WITHOUT_END: TimeDelta = TimeDelta::hours(1);

/// The times that are taken. The entries are the App Server's own, so the usual names of their fields are all read;
/// those that were cancelled take no time.
pub(super) fn taken(calendar: &Value, zone: Tz) -> Vec<Taken> {
    let customer = |entry: &Value| entry["customer_phone"].as_str().map(str::to_owned);
    entries(calendar, zone).filter_map(|(entry, span)| Some(Taken { span: span?, customer: customer(entry) })).collect()
}

/// The entries that take time, each with its time, if that can be read.
pub(super) fn entries(calendar: &Value, zone: Tz) -> impl Iterator<Item = (&Value, Option<Span>)> {
    let entries = calendar.as_array().into_iter().flatten().filter(|entry| !is_cancelled(entry));
    entries.map(move |entry| (entry, span(entry, zone)))
}

/// Whether an entry takes no time: cancelled, declined, or marked as free.
fn is_cancelled(entry: &Value) -> bool {
    let says = |name: &str, words: &[&str]| {
        entry[name].as_str().is_some_and(|said| words.iter().any(|word| word.eq_ignore_ascii_case(said)))
    };
    let no_time = ["cancelled", "canceled", "declined", "free"];
    ["status", "booking_type", "show_as", "showAs"].iter().any(|name| says(name, &no_time))
        || says("transparency", &["transparent"])
        || entry["busy"] == Value::Bool(false)
        || entry["cancelled"] == Value::Bool(true)
}

const STARTS: &[&str] =
    &["starts_at", "start_at", "start_time", "startTime", "startDateTime", "start", "begin", "from"];
const ENDS: &[&str] = &["ends_at", "end_at", "end_time", "endTime", "endDateTime", "end", "to", "until"];
const DATES: &[&str] = &["date", "day"];
const MINUTES: &[&str] = &["duration_minutes", "duration"];

fn span(entry: &Value, zone: Tz) -> Option<Span> {
    let date = DATES.iter().find_map(|name| entry[*name].as_str()?.trim().parse().ok());
    let named = |names: &[&str]| names.iter().find_map(|name| time(&entry[*name], date, zone));
    let start = named(STARTS).or_else(|| whole_day(date?, zone))?;
    let minutes = MINUTES.iter().find_map(|name| entry[*name].as_i64()).and_then(TimeDelta::try_minutes);
    let after = |minutes| start.start.checked_add_signed(minutes);
    let end = named(ENDS).map(|end| end.start).or_else(|| minutes.and_then(after));
    Some(Span { start: start.start, end: end.filter(|end| *end > start.start).unwrap_or(start.end) })
}

/// A moment, a local time, a time of the entry's date, or a whole day; with the end if there is no other. Calendars of
/// Google and Microsoft write them as objects, others as seconds since 1970.
fn time(written: &Value, date: Option<NaiveDate>, zone: Tz) -> Option<Span> {
    let text = match written {
        Value::Object(_) => {
            let own = written["timeZone"].as_str().and_then(|name| name.parse().ok()).unwrap_or(zone);
            return ["dateTime", "date"]
                .iter()
                .find_map(|name| time(&Value::from(written[*name].as_str()?), date, own));
        }
        Value::Number(number) => return of_an_hour(since_1970(number.as_f64()?)?),
        written => written.as_str()?.trim(),
    };
    if let Some(at) = MOMENTS.iter().find_map(|form| DateTime::parse_from_str(text, form).ok()) {
        return of_an_hour(at.to_utc());
    }
    if let Some(at) = LOCAL_TIMES.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok()) {
        return of_an_hour(first_moment(zone, at.date(), at.time() - NaiveTime::MIN)?);
    }
    if let Some(at) = TIMES_OF_DAY.iter().find_map(|form| NaiveTime::parse_from_str(text, form).ok()) {
        return of_an_hour(first_moment(zone, date?, at - NaiveTime::MIN)?);
    }
    whole_day(text.parse().ok()?, zone)
}

const MOMENTS: &[&str] =
    &["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f %#z"];
const LOCAL_TIMES: &[&str] = &["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"];
const TIMES_OF_DAY: &[&str] = &["%H:%M:%S", "%H:%M", "%I:%M %p", "%I:%M%p"];
/// Larger numbers are milliseconds.
const MOST_SECONDS: f64 = 1e11;

fn since_1970(number: f64) -> Option<DateTime<Utc>> {
    let milliseconds = if number < MOST_SECONDS { number * 1_000.0 } else { number };
    #[allow(clippy::cast_possible_truncation, reason = "beyond its range there is no date")]
    DateTime::from_timestamp_millis(milliseconds as i64)
}

fn whole_day(day: NaiveDate, zone: Tz) -> Option<Span> {
    Some(Span {
        start: first_moment(zone, day, TimeDelta::zero())?,
        end: last_moment(zone, day.succ_opt()?, TimeDelta::zero())?,
    })
}

fn of_an_hour(start: DateTime<Utc>) -> Option<Span> {
    Some(Span { start, end: start.checked_add_signed(WITHOUT_END)? })
}
