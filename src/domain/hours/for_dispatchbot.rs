//! The hours as DispatchBot has them. Its dialects know neither several spans of a day nor single dates: each day of the week
//! has the span from its first start to its last end, and what is closed within it takes time in the calendar.

use chrono::{DateTime, Datelike, SecondsFormat, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

use super::open::{Spans, is_time};
use super::{Hours, Span, first_moment, last_moment};

/// How many days ahead closed times are in the calendar.
const DAYS_AHEAD: usize = 60;
/// The days of the week, as a business's document names them.
pub const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// The hours of a day as one span, or null. What is no time is left out: DispatchBot would refuse it.
pub fn one_span(written: &Value) -> Value {
    let one = std::slice::from_ref(written);
    let spans = written.as_array().map_or(one, Vec::as_slice);
    let times = |name: &str| {
        spans.iter().filter_map(|span| span[name].as_str()).filter(|text| is_time(text)).collect::<Vec<_>>()
    };
    match (times("start").into_iter().min(), times("end").into_iter().max()) {
        // The format ends at 23:59.
        (Some(start), Some(end)) => json!({ "start": start, "end": if end == "24:00" { "23:59" } else { end } }),
        _ => Value::Null,
    }
}

/// A calendar with an entry for each time in which the business is closed although [`one_span`] has it open: between the spans
/// of a day, and on holidays, in the days after this moment.
pub fn with_closed_times(calendar: &Value, business_hours: &Value, timezone: &str, after: DateTime<Utc>) -> Value {
    let zone: Tz = timezone.parse().unwrap_or(Tz::UTC); // validated when the business was stored
    let hours = Hours::of_business(business_hours, zone);
    let closed = hours.iter().flat_map(|hours| hours.closed(after));
    let time = |at: DateTime<Utc>| at.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Secs, true);
    let closed = closed.map(|span| {
        json!({ "title": "Closed", "starts_at": time(span.start), "ends_at": time(span.end), "booking_type": "blocked" })
    });
    let entries = calendar.as_array().cloned().unwrap_or_default();
    Value::Array(entries.into_iter().chain(closed).collect())
}

impl Hours {
    /// The closed times within the one span of each day.
    fn closed(&self, after: DateTime<Utc>) -> Vec<Span> {
        let days = after.with_timezone(&self.zone).date_naive().iter_days().take(DAYS_AHEAD);
        let closed = days.flat_map(|date| {
            let of_the_week = &self.days[date.weekday().num_days_from_monday() as usize];
            let open = self.holidays.get(&date).unwrap_or(of_the_week);
            let moments = gaps(of_the_week, open).into_iter().map(move |(start, end)| {
                Some(Span { start: first_moment(self.zone, date, start)?, end: last_moment(self.zone, date, end)? })
            });
            moments.flatten()
        });
        closed.filter(|span| span.start < span.end && span.end > after).collect()
    }
}

/// What is not open from the first start to the last end of the usual spans.
fn gaps(usual: &Spans, open: &Spans) -> Spans {
    let (first, last) = (usual.iter().map(|span| span.0).min(), usual.iter().map(|span| span.1).max());
    let (Some(mut reached), Some(last)) = (first, last) else { return Spans::new() };
    let mut open = open.clone();
    open.sort_unstable();
    let mut gaps = Spans::new();
    for (start, end) in open.into_iter().chain([(last, TimeDelta::MAX)]) {
        if start > reached && reached < last {
            gaps.push((reached, start.min(last)));
        }
        reached = reached.max(end);
    }
    gaps
}
