//! Times in the words of customers and businesses ("3pm today"), business hours, and time zones of the United States.

use chrono::{
    DateTime, Datelike, Days, FixedOffset, NaiveDate, NaiveTime, TimeDelta, TimeZone, Timelike, Utc, Weekday,
};
use serde_json::Value;

/// The business's clock.
pub(super) struct Clock<'a> {
    pub(super) timezone: &'a str,
    pub(super) hours: &'a Value,
    pub(super) calendar: &'a Value,
}

impl Clock<'_> {
    /// The same moment in the business's time zone; zones outside the United States are treated as UTC.
    pub(super) fn local(&self, time: DateTime<Utc>) -> DateTime<FixedOffset> {
        let standard = match self.timezone {
            "America/New_York" | "America/Detroit" => -5,
            "America/Chicago" => -6,
            "America/Denver" | "America/Phoenix" => -7,
            "America/Los_Angeles" => -8,
            "America/Anchorage" => -9,
            "Pacific/Honolulu" => -10,
            _ => 0,
        };
        let summer = !matches!(standard, 0 | -10) && self.timezone != "America/Phoenix" && is_summer(time, standard);
        offset(time, standard + i32::from(summer))
    }

    /// The moment that a text names ("3pm today", "tomorrow at 9:30 am"), never before `now`; `None` if it names no
    /// time.
    pub(super) fn named(&self, text: &str, now: DateTime<Utc>) -> Option<DateTime<FixedOffset>> {
        let time = time_of_day(text)?;
        let local = self.local(now);
        let days = u64::from(text.to_lowercase().contains("tomorrow"));
        let moment = self.at(local.date_naive().checked_add_days(Days::new(days))?, time, local)?;
        if moment < local { self.at(moment.date_naive().succ_opt()?, time, local) } else { Some(moment) }
    }

    /// The next full hour at least two hours ahead, within business hours and free in the calendar; in an emergency any
    /// hour, at least one hour ahead.
    pub(super) fn next_slot(&self, now: DateTime<Utc>, emergency: bool) -> DateTime<FixedOffset> {
        let ahead = if emergency { 1 } else { 2 };
        let earliest = now + TimeDelta::hours(ahead) + TimeDelta::minutes(59);
        let first = earliest
            - TimeDelta::nanoseconds(earliest.timestamp_nanos_opt().unwrap_or_default().rem_euclid(HOUR_NANOS));
        let hours = (0..24 * 14).map(|hour| self.local(first + TimeDelta::hours(hour)));
        let good = |slot: &DateTime<FixedOffset>| emergency || (self.is_open(slot) && self.is_free(slot));
        let mut hours = hours.filter(good);
        hours.next().unwrap_or_else(|| self.local(first))
    }

    fn at(&self, date: NaiveDate, time: NaiveTime, near: DateTime<FixedOffset>) -> Option<DateTime<FixedOffset>> {
        let guess = near.offset().from_local_datetime(&date.and_time(time)).single()?;
        let offset = *self.local(guess.to_utc()).offset(); // the clocks may change in between
        offset.from_local_datetime(&date.and_time(time)).single()
    }

    fn is_open(&self, slot: &DateTime<FixedOffset>) -> bool {
        let day = match slot.weekday() {
            Weekday::Mon => "monday",
            Weekday::Tue => "tuesday",
            Weekday::Wed => "wednesday",
            Weekday::Thu => "thursday",
            Weekday::Fri => "friday",
            Weekday::Sat => "saturday",
            Weekday::Sun => "sunday",
        };
        let named = |key: &str| NaiveTime::parse_from_str(self.hours[day][key].as_str()?, "%H:%M").ok();
        match (named("start"), named("end")) {
            (Some(start), Some(end)) => start <= slot.time() && APPOINTMENT <= end - slot.time(),
            // No business hours at all: assume the usual ones.
            _ => self.hours.as_object().is_none_or(serde_json::Map::is_empty) && (8..16).contains(&slot.hour()),
        }
    }

    fn is_free(&self, slot: &DateTime<FixedOffset>) -> bool {
        let time = |entry: &Value, keys: [&str; 3]| {
            let text = keys.iter().find_map(|key| entry[*key].as_str())?;
            DateTime::parse_from_rfc3339(text).ok()
        };
        self.calendar.as_array().into_iter().flatten().all(|entry| match (time(entry, STARTS), time(entry, ENDS)) {
            (Some(start), Some(end)) => *slot + APPOINTMENT <= start || end <= *slot,
            _ => true,
        })
    }
}

/// The names of an entry's start …
const STARTS: [&str; 3] = ["starts_at", "start", "start_time"];
/// … and of its end.
const ENDS: [&str; 3] = ["ends_at", "end", "end_time"];

/// The length of an appointment.
pub(super) const APPOINTMENT: TimeDelta = TimeDelta::hours(2);

const HOUR_NANOS: i64 = 3_600_000_000_000;

/// Formats a slot: "today at 3:00 PM", "tomorrow at 9:00 AM", "Mon 12 Jan at 9:00 AM".
pub(super) fn speak(slot: DateTime<FixedOffset>, now: DateTime<FixedOffset>) -> String {
    let day = match (slot.date_naive() - now.date_naive()).num_days() {
        0 => "today".to_owned(),
        1 => "tomorrow".to_owned(),
        _ => slot.format("%a %-d %b").to_string(),
    };
    format!("{day} at {}", slot.format("%-I:%M %p"))
}

/// The first time in a text, such as "3pm", "3:30 PM" or "11 a.m.".
pub(super) fn time_of_day(text: &str) -> Option<NaiveTime> {
    let text = text.to_lowercase().replace("a.m", "am").replace("p.m", "pm");
    let starts = text.char_indices().filter(|(at, digit)| {
        digit.is_ascii_digit() && !text[..*at].ends_with(|before: char| before.is_ascii_digit() || before == ':')
    });
    starts.map(|(at, _)| at).find_map(|at| {
        let number = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>();
        let hour = number(&text[at..]);
        let mut rest = &text[at + hour.len()..];
        let mut minute = String::from("0");
        if let Some(after) = rest.strip_prefix(':') {
            minute = number(after);
            rest = &after[minute.len()..];
        }
        let afternoon = match rest.trim_start() {
            half if half.starts_with("pm") => 12,
            half if half.starts_with("am") => 0,
            _ => return None,
        };
        let hour = hour.parse::<u32>().ok().filter(|hour| (1..=12).contains(hour))?;
        NaiveTime::from_hms_opt(hour % 12 + afternoon, minute.parse().ok()?, 0)
    })
}

/// Whether daylight saving time applies: from the second Sunday of March to the first of November, at 2 a.m.
fn is_summer(time: DateTime<Utc>, standard: i32) -> bool {
    let local = offset(time, standard).naive_local();
    let sunday = |month, nth| NaiveDate::from_weekday_of_month_opt(local.year(), month, Weekday::Sun, nth);
    let (Some(start), Some(end)) = (sunday(3, 2), sunday(11, 1)) else {
        return false;
    };
    let at = |date: NaiveDate, hour| date.and_time(NaiveTime::MIN) + TimeDelta::hours(hour);
    (at(start, 2)..at(end, 1)).contains(&local)
}

fn offset(time: DateTime<Utc>, hours: i32) -> DateTime<FixedOffset> {
    FixedOffset::east_opt(hours * 3600).map_or_else(|| time.fixed_offset(), |offset| time.with_timezone(&offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock<'a>(hours: &'a Value, calendar: &'a Value) -> Clock<'a> {
        Clock { timezone: "America/New_York", hours, calendar }
    }

    #[test]
    fn a_named_time_is_read_on_the_businesss_clock_and_never_in_the_past() -> anyhow::Result<()> {
        let none = Value::Null;
        let clock = clock(&none, &none);
        let now: DateTime<Utc> = "2026-07-01T15:00:00Z".parse()?;
        let named = |text, now| clock.named(text, now).map(|time| time.to_rfc3339());
        assert_eq!(named("Yes, 3pm today works", now).as_deref(), Some("2026-07-01T15:00:00-04:00"));
        assert_eq!(named("tomorrow 9:30 a.m. please", now).as_deref(), Some("2026-07-02T09:30:00-04:00"));
        assert_eq!(named("10am", now).as_deref(), Some("2026-07-02T10:00:00-04:00"));
        assert_eq!(named("no time in 2 rooms", now), None);
        let winter: DateTime<Utc> = "2026-12-01T15:00:00Z".parse()?;
        assert_eq!(named("12pm", winter).as_deref(), Some("2026-12-01T12:00:00-05:00"));
        Ok(())
    }

    #[test]
    fn slots_keep_to_business_hours_and_calendar() -> anyhow::Result<()> {
        let hours = serde_json::json!({"wednesday": {"start": "08:00", "end": "18:00"}, "thursday": {"start": "08:00", "end": "18:00"}});
        let calendar =
            serde_json::json!([{"starts_at": "2026-07-01T13:00:00-04:00", "ends_at": "2026-07-01T15:30:00-04:00"}]);
        let clock = clock(&hours, &calendar);
        let slot = |now: &str, emergency| anyhow::Ok(clock.next_slot(now.parse()?, emergency).to_rfc3339());
        assert_eq!(slot("2026-07-01T14:59:00Z", false)?, "2026-07-01T16:00:00-04:00");
        assert_eq!(slot("2026-07-01T21:30:00Z", false)?, "2026-07-02T08:00:00-04:00");
        assert_eq!(slot("2026-07-01T21:30:00Z", true)?, "2026-07-01T19:00:00-04:00");
        Ok(())
    }
}
