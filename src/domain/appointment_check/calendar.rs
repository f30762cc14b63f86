//! What is in the owner's calendar.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::Value;

use super::local::{first_moment, last_moment};
use super::{Span, Taken};

/// How long an entry without an end takes.
const WITHOUT_END: TimeDelta = TimeDelta::hours(1);

/// The times that are taken. The entries are the App Server's own, so the usual names of their fields are all read;
/// those that were cancelled take no time.
pub(super) fn taken(calendar: &Value, zone: Tz) -> Vec<Taken> {
    let entries = calendar.as_array().into_iter().flatten().filter(|entry| !is_cancelled(entry));
    let customer = |entry: &Value| entry["customer_phone"].as_str().map(str::to_owned);
    entries.filter_map(|entry| Some(Taken { span: span(entry, zone)?, customer: customer(entry) })).collect()
}

fn is_cancelled(entry: &Value) -> bool {
    let status = ["status", "booking_type"].iter().find_map(|name| entry[*name].as_str());
    status.is_some_and(|status| matches!(status.to_lowercase().as_str(), "cancelled" | "canceled" | "free"))
}

fn span(entry: &Value, zone: Tz) -> Option<Span> {
    let named = |names: &[&str]| names.iter().find_map(|name| time(&entry[*name], zone));
    let start = named(&["starts_at", "start_time", "start", "date"])?;
    let end = named(&["ends_at", "end_time", "end"]).map(|end| end.start);
    Some(Span { start: start.start, end: end.filter(|end| *end > start.start).unwrap_or(start.end) })
}

/// A moment, or a local time, or a whole day; with the end if there is no other.
fn time(written: &Value, zone: Tz) -> Option<Span> {
    let text = written.as_str()?.trim();
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return of_an_hour(at.to_utc());
    }
    if let Some(at) = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
    {
        return of_an_hour(first_moment(zone, at.date(), at.time() - NaiveTime::MIN)?);
    }
    let day: NaiveDate = text.parse().ok()?;
    Some(Span {
        start: first_moment(zone, day, TimeDelta::zero())?,
        end: last_moment(zone, day.succ_opt()?, TimeDelta::zero())?,
    })
}

fn of_an_hour(start: DateTime<Utc>) -> Option<Span> {
    Some(Span { start, end: start.checked_add_signed(WITHOUT_END)? })
}
