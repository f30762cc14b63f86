//! Appointments: whether the business could keep the one that DispatchBot has agreed on with a customer.
//!
//! An answer with an impossible appointment is not sent: the customer would wait for somebody who does not come.

mod calendar;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::Value;

use crate::domain::hours::{Hours, Span};

/// Earlier than this before it was agreed on is in the past. Times are often given in full minutes.
const JUST_NOW: TimeDelta = TimeDelta::minutes(1);

/// Why an appointment cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Impossible {
    /// It starts in the past.
    InPast,
    /// It ends before it starts, or when it starts.
    EndsBeforeStart,
    /// It is not within the business's hours.
    OutsideHours,
    /// Something in the calendar is at the same time.
    Taken,
}

/// When a business works, and what it has to do already.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Schedule {
    hours: Option<Hours>,
    taken: Vec<Taken>,
}

/// Something in the calendar.
#[derive(Debug, Clone, PartialEq)]
struct Taken {
    span: Span,
    /// The phone of the customer for whom it is, if the entry names it.
    customer: Option<String>,
}

/// An entry of a calendar that takes time.
#[derive(Debug, Clone, Copy)]
pub struct CalendarEntry<'a> {
    /// The entry, as the App Server wrote it.
    pub entry: &'a Value,
    /// From when until when; `None` if that cannot be read.
    pub time: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

/// The entries of a business's calendar that take time, in their order; read like those of a [`Schedule`].
pub fn calendar_entries<'a>(calendar: &'a Value, timezone: &str) -> Vec<CalendarEntry<'a>> {
    let zone: Tz = timezone.parse().unwrap_or(Tz::UTC); // validated when the business was stored
    let entries = calendar::entries(calendar, zone);
    entries.map(|(entry, span)| CalendarEntry { entry, time: span.map(|span| (span.start, span.end)) }).collect()
}

/// An appointment to be checked.
#[derive(Debug, Clone, Copy)]
pub struct Proposed<'a> {
    /// When it starts.
    pub starts_at: DateTime<Utc>,
    /// When it ends, if known.
    pub ends_at: Option<DateTime<Utc>>,
    /// The phone of the customer. What the calendar already has for them is not in the way.
    pub customer: &'a str,
    /// When it was agreed on.
    pub agreed_at: DateTime<Utc>,
    /// In an emergency the hours do not matter.
    pub is_emergency: bool,
}

impl Schedule {
    /// The schedule of a business's document. Hours without any day mean that they are not known. What cannot be read in
    /// the calendar, which the App Server writes as it likes, is left out.
    pub fn of_business(business_hours: &Value, calendar: &Value, timezone: &str) -> Self {
        let zone: Tz = timezone.parse().unwrap_or(Tz::UTC); // validated when the business was stored
        Self { hours: Hours::of_business(business_hours, zone), taken: calendar::taken(calendar, zone) }
    }

    /// Whether the business is open at this moment. One whose hours are not known always is.
    pub fn is_open(&self, at: DateTime<Utc>) -> bool {
        self.hours.as_ref().is_none_or(|hours| hours.is_open(at))
    }

    /// When the business opens after this moment at which it is closed, if that is known.
    pub fn opens_after(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.hours.as_ref().and_then(|hours| hours.opens_after(at))
    }

    /// Checks an appointment.
    ///
    /// # Errors
    /// Why it cannot be kept.
    pub fn check(&self, proposed: &Proposed<'_>) -> Result<(), Impossible> {
        let Proposed { starts_at, ends_at, customer, agreed_at, is_emergency } = *proposed;
        let is_in_the_way = |taken: &Taken, span| taken.customer.as_deref() != Some(customer) && taken.span.meets(span);
        // Without an end, only the start is known to be needed.
        let span = Span { start: starts_at, end: ends_at.unwrap_or(starts_at) };
        if ends_at.is_some_and(|end| end <= starts_at) {
            Err(Impossible::EndsBeforeStart)
        } else if agreed_at.signed_duration_since(starts_at) >= JUST_NOW {
            Err(Impossible::InPast)
        } else if !is_emergency && self.hours.as_ref().is_some_and(|hours| !hours.contain(span)) {
            Err(Impossible::OutsideHours)
        } else if self.taken.iter().any(|taken| is_in_the_way(taken, span)) {
            Err(Impossible::Taken)
        } else {
            Ok(())
        }
    }
}
