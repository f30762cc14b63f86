//! Hours that are the same on every day, such as quiet hours.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::{Span, first_moment, last_moment};

/// How the times are written.
const FORMAT: &str = "%H:%M";

/// A time of every day by the local clock; across midnight if the end is before the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct DailyHours {
    start: NaiveTime,
    end: NaiveTime,
}

/// The format in documents: `{"start": "21:00", "end": "08:00"}`.
#[derive(Serialize, Deserialize)]
struct Written {
    start: String,
    end: String,
}

impl DailyHours {
    /// Hours from a start to an end, such as `21:00` and `08:00`.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub fn new(start: &str, end: &str) -> Result<Self, String> {
        let time = |text: &str| {
            NaiveTime::parse_from_str(text, FORMAT).map_err(|_| format!("`{text}` is not a time like 21:00"))
        };
        let hours = Self { start: time(start)?, end: time(end)? };
        if hours.start == hours.end {
            return Err("must not start when they end".to_owned());
        }
        Ok(hours)
    }

    /// When they start, as it is written.
    pub fn start(self) -> String {
        self.start.format(FORMAT).to_string()
    }

    /// When they end, as it is written.
    pub fn end(self) -> String {
        self.end.format(FORMAT).to_string()
    }

    /// When the hours in effect at `now` end; `None` if they are not in effect.
    pub fn over_at(self, now: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        let today = now.with_timezone(&zone).date_naive();
        let days = today.pred_opt().into_iter().chain([today]);
        let in_effect = days.filter_map(|day| self.on(day, zone)).filter(|span| span.start <= now && now < span.end);
        in_effect.map(|span| span.end).max()
    }

    /// Those that start on this day.
    fn on(self, day: NaiveDate, zone: Tz) -> Option<Span> {
        let last_day = if self.end < self.start { day.succ_opt()? } else { day };
        Some(Span {
            start: first_moment(zone, day, self.start - NaiveTime::MIN)?,
            end: last_moment(zone, last_day, self.end - NaiveTime::MIN)?,
        })
    }
}

impl TryFrom<Written> for DailyHours {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        Self::new(&written.start, &written.end)
    }
}

impl From<DailyHours> for Written {
    fn from(hours: DailyHours) -> Self {
        Self { start: hours.start(), end: hours.end() }
    }
}
