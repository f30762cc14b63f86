//! The hours of a business, of its quiet hours, and of its owner's: whether they are in effect at a moment, and until when.
//!
//! All of them are times of the local clock. Where a clock change skips or repeats a time, they are as long as they can be:
//! they begin at the first moment of their start and end at the last one of their end (`local`).

mod daily;
mod for_dispatchbot;
mod in_words;
mod local;
mod open;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use chrono::{DateTime, Utc};

pub use daily::DailyHours;
pub use for_dispatchbot::{WEEKDAYS, one_span, with_closed_times};
pub use in_words::opens_in_words;
pub use local::{first_moment, last_moment};
pub use open::{Hours, is_time};

/// A time from its start until before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Its first moment.
    pub start: DateTime<Utc>,
    /// The first moment after it.
    pub end: DateTime<Utc>,
}

impl Span {
    /// Whether both have a moment in common. A span without a length has the moment of its start.
    pub fn meets(self, other: Self) -> bool {
        let is_before = |first: Self, second: Self| first.end <= second.start && first.start < second.start;
        !(is_before(self, other) || is_before(other, self))
    }
}
