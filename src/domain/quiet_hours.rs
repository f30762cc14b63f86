//! Quiet hours: when a business starts no conversation by SMS. They never hold back answers.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::Deserialize;
use serde_json::Value;

use crate::domain::hours::DailyHours;

/// Quiet hours in the business's time zone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuietHours {
    hours: DailyHours,
    zone: Tz,
    /// Whether the missed-call text also waits. By default it does not (docs/contract.md, section 3).
    pub missed_call: bool,
}

/// The format in a business's `user_settings`.
#[derive(Deserialize)]
struct Written {
    start: String,
    end: String,
    #[serde(default)]
    missed_call: bool,
}

impl QuietHours {
    /// The `quiet_hours` of a business's settings: `{"start": "21:00", "end": "08:00", "missed_call": true}`.
    ///
    /// # Errors
    /// What is wrong with them, in words. Missing quiet hours are not an error.
    pub fn of_settings(settings: &Value, timezone: &str) -> Result<Option<Self>, String> {
        let written = match settings.get("quiet_hours") {
            None | Some(Value::Null) => return Ok(None),
            Some(written) => Written::deserialize(written).map_err(|error| error.to_string())?,
        };
        let zone = timezone.parse().map_err(|_| "the time zone is unknown".to_owned())?;
        let hours = DailyHours::new(&written.start, &written.end)?;
        Ok(Some(Self { hours, zone, missed_call: written.missed_call }))
    }

    /// When the quiet hours in effect at `now` end; `None` if none are in effect.
    pub fn over_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.hours.over_at(now, self.zone)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn over_at(start: &str, end: &str, now: &str) -> Option<String> {
        let settings = json!({ "quiet_hours": { "start": start, "end": end } });
        let quiet = QuietHours::of_settings(&settings, "America/New_York").unwrap().unwrap();
        quiet.over_at(now.parse().unwrap()).map(|end| end.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
    }

    #[rstest]
    #[case::in_the_evening("21:00", "08:00", "2026-11-24T03:30:00Z", Some("2026-11-24T13:00:00Z"))]
    #[case::in_the_morning("21:00", "08:00", "2026-11-24T12:59:00Z", Some("2026-11-24T13:00:00Z"))]
    #[case::at_their_end("21:00", "08:00", "2026-11-24T13:00:00Z", None)]
    #[case::at_noon("21:00", "08:00", "2026-11-24T17:00:00Z", None)]
    #[case::within_a_day("12:00", "13:00", "2026-11-24T17:15:00Z", Some("2026-11-24T18:00:00Z"))]
    #[case::where_the_clock_goes_forward("22:00", "02:30", "2026-03-08T05:00:00Z", Some("2026-03-08T07:00:00Z"))]
    fn quiet_hours_end_in_the_businesss_own_time(
        #[case] start: &str,
        #[case] end: &str,
        #[case] now: &str,
        #[case] over: Option<&str>,
    ) {
        assert_eq!(over_at(start, end, now).as_deref(), over);
    }

    #[rstest]
    #[case::none(json!({}), true)]
    #[case::switched_off(json!({ "quiet_hours": null }), true)]
    #[case::no_end(json!({ "quiet_hours": { "start": "21:00" } }), false)]
    #[case::no_time(json!({ "quiet_hours": { "start": "9 pm", "end": "08:00" } }), false)]
    #[case::no_time_between(json!({ "quiet_hours": { "start": "08:00", "end": "08:00" } }), false)]
    fn settings_that_cannot_be_read_are_told(#[case] settings: Value, #[case] fine: bool) {
        assert_eq!(QuietHours::of_settings(&settings, "America/New_York").is_ok(), fine);
    }
}
