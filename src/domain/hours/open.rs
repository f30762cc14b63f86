//! The opening hours of a business: whether it is open at a moment, and when it opens next.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc, Weekday};
use chrono_tz::Tz;
use serde_json::{Map, Value};

use super::{Span, first_moment, last_moment};

/// No appointment is longer: whatever is longer is a mistake.
const LONGEST: TimeDelta = TimeDelta::days(7);
/// How many days ahead the next opening is looked for.
const LOOK_AHEAD: usize = 366;

/// Times of a local day, counted from midnight.
pub(super) type Spans = Vec<(TimeDelta, TimeDelta)>;

/// When a business is open. A day may have several spans; hours across midnight are one that ends at 24:00 and one on the
/// next day that starts at 00:00.
#[derive(Debug, Clone, PartialEq)]
pub struct Hours {
    pub(super) zone: Tz,
    /// By days from Monday; a day that is not named is a day off.
    pub(super) days: [Spans; 7],
    /// They replace those of the day of the week.
    pub(super) holidays: BTreeMap<NaiveDate, Spans>,
}

impl Hours {
    /// The hours of a business's document; `None` if it names no day.
    pub fn of_business(business_hours: &Value, zone: Tz) -> Option<Self> {
        let named = business_hours.as_object()?;
        let mut hours = Self { zone, days: Default::default(), holidays: BTreeMap::new() };
        let mut is_known = false;
        for (day, written) in named {
            if let Ok(day) = day.parse::<Weekday>() {
                is_known = true;
                hours.days[day.num_days_from_monday() as usize] = spans(written);
            }
        }
        let no_holidays = Map::new();
        let holidays = named.get("holidays").and_then(Value::as_object).unwrap_or(&no_holidays);
        hours.holidays =
            holidays.iter().filter_map(|(date, written)| Some((date.parse().ok()?, spans(written)))).collect();
        is_known.then_some(hours)
    }

    /// Whether the business is open at this moment.
    pub fn is_open(&self, at: DateTime<Utc>) -> bool {
        self.contain(Span { start: at, end: at })
    }

    /// When the business opens after this moment at which it is closed; `None` if it does not within a year.
    pub fn opens_after(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let days = self.date(at).iter_days().take(LOOK_AHEAD);
        let opens = |day| self.on(day).into_iter().map(|hours| hours.start).filter(|start| *start > at).min();
        days.into_iter().find_map(opens)
    }

    /// Whether the business is open all the time of a span.
    pub fn contain(&self, span: Span) -> bool {
        if span.end - span.start > LONGEST {
            return false;
        }
        // A clock change at midnight may lengthen the hours of a day into the next one.
        let first = self.date(span.start);
        let (first, last) = (first.pred_opt().unwrap_or(first), self.date(span.end));
        let mut open: Vec<Span> =
            first.iter_days().take_while(|day| *day <= last).flat_map(|day| self.on(day)).collect();
        open.sort_unstable();
        // Hours that follow one another without a gap, such as those around midnight, are one time.
        let mut reached = span.start;
        let mut is_open = false;
        for hours in open.iter().filter(|hours| hours.end > span.start) {
            if hours.start > reached {
                break;
            }
            is_open = true;
            reached = reached.max(hours.end);
        }
        is_open && reached >= span.end
    }

    fn date(&self, at: DateTime<Utc>) -> NaiveDate {
        at.with_timezone(&self.zone).date_naive()
    }

    /// The hours of a day. Those that the clock skips are left out.
    fn on(&self, date: NaiveDate) -> Vec<Span> {
        let of_the_week = &self.days[date.weekday().num_days_from_monday() as usize];
        let spans = self.holidays.get(&date).unwrap_or(of_the_week);
        let moments = spans.iter().map(|(start, end)| {
            Some(Span { start: first_moment(self.zone, date, *start)?, end: last_moment(self.zone, date, *end)? })
        });
        moments.flatten().filter(|hours| hours.start < hours.end).collect()
    }
}

/// Null, one span, or several.
fn spans(written: &Value) -> Spans {
    let one = std::slice::from_ref(written);
    let spans = written.as_array().map_or(one, Vec::as_slice);
    spans.iter().filter_map(|span| Some((time(span.get("start")?)?, time(span.get("end")?)?))).collect()
}

/// Whether this is a time of business hours: `00:00` to `24:00`, in five characters.
pub fn is_time(text: &str) -> bool {
    since_midnight(text).is_some()
}

fn time(written: &Value) -> Option<TimeDelta> {
    since_midnight(written.as_str()?)
}

fn since_midnight(text: &str) -> Option<TimeDelta> {
    let &[h, hh, b':', m, mm] = text.as_bytes() else { return None };
    let number = |tens: u8, ones: u8| {
        let are_digits = tens.is_ascii_digit() && ones.is_ascii_digit();
        are_digits.then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
    };
    let (hours, minutes) = (number(h, hh)?, number(m, mm)?);
    let is_of_a_day = minutes < 60 && hours * 60 + minutes <= 24 * 60;
    is_of_a_day.then(|| TimeDelta::minutes(hours * 60 + minutes))
}
