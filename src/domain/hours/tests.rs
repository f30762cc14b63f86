//! Opening hours and daily hours at moments of the local clock, also where it is changed.

use chrono::{DateTime, Datelike, Offset, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::domain::emergency::Language;

fn moment(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn hours(written: &Value, zone: &str) -> Hours {
    Hours::of_business(written, zone.parse().unwrap()).unwrap()
}

/// Split days, a night, a holiday, and a holiday with hours of its own.
fn week() -> Value {
    let split = json!([{ "start": "08:00", "end": "12:00" }, { "start": "13:30", "end": "17:00" }]);
    json!({
        "monday": split, "tuesday": split, "wednesday": split, "thursday": split,
        "friday": [{ "start": "08:00", "end": "12:00" }, { "start": "20:00", "end": "24:00" }],
        "saturday": { "start": "00:00", "end": "02:00" }, "sunday": null,
        "holidays": { "2026-12-25": null, "2026-12-24": { "start": "08:00", "end": "10:00" } },
    })
}

/// In New York, five hours behind UTC. 30 November 2026 is a Monday.
#[rstest]
#[case::before_it_opens("2026-11-30T12:59:59Z", false, Some("2026-11-30T13:00:00Z"))]
#[case::when_it_opens("2026-11-30T13:00:00Z", true, None)]
#[case::at_lunch("2026-11-30T17:00:00Z", false, Some("2026-11-30T18:30:00Z"))]
#[case::after_lunch("2026-11-30T18:30:00Z", true, None)]
#[case::in_the_evening("2026-11-30T22:00:00Z", false, Some("2026-12-01T13:00:00Z"))]
#[case::before_midnight("2026-12-05T04:59:59Z", true, None)]
#[case::at_midnight("2026-12-05T05:00:00Z", true, None)]
#[case::after_the_night("2026-12-05T07:00:00Z", false, Some("2026-12-07T13:00:00Z"))]
#[case::on_a_day_off("2026-12-06T17:00:00Z", false, Some("2026-12-07T13:00:00Z"))]
#[case::on_a_holiday("2026-12-25T15:00:00Z", false, Some("2026-12-26T05:00:00Z"))]
#[case::on_a_holiday_with_hours("2026-12-24T14:00:00Z", true, None)]
#[case::after_the_hours_of_a_holiday("2026-12-24T15:00:00Z", false, Some("2026-12-26T05:00:00Z"))]
fn a_business_is_open_in_its_hours(#[case] at: &str, #[case] open: bool, #[case] opens: Option<&str>) {
    let hours = hours(&week(), "America/New_York");
    assert_eq!(hours.is_open(moment(at)), open);
    if !open {
        assert_eq!(hours.opens_after(moment(at)), opens.map(moment));
    }
}

#[rstest]
#[case::midnight("00:00", true)]
#[case::evening("23:59", true)]
#[case::the_end_of_the_day("24:00", true)]
#[case::after_it("24:01", false)]
#[case::no_minute("08:60", false)]
#[case::short("8:00", false)]
#[case::a_blank_before(" 8:00", false)]
#[case::a_blank_within("8: 00", false)]
#[case::a_blank_after("8:00 ", false)]
#[case::a_sign("+8:00", false)]
#[case::other_digits("\u{661}8:0", false)]
#[case::another_sign("08.00", false)]
#[case::nothing("", false)]
fn a_time_of_business_hours_has_five_characters(#[case] text: &str, #[case] is_one: bool) {
    assert_eq!(is_time(text), is_one);
}

#[test]
fn a_business_without_any_hours_never_opens() {
    let hours = hours(&json!({ "monday": null }), "America/New_York");
    assert!(!hours.is_open(moment("2026-11-30T15:00:00Z")));
    assert_eq!(hours.opens_after(moment("2026-11-30T15:00:00Z")), None);
}

/// Sunday hours on the days on which the clocks change: 8 March and 1 November 2026 in New York, 4 October 2026 and
/// 5 April 2026 on Lord Howe, whose clock is changed by half an hour; India has no change, and half an hour.
#[rstest]
#[case::skipped(
    "America/New_York",
    "02:10",
    "05:00",
    "2026-03-08T06:59:59Z",
    "2026-03-08T07:00:00Z",
    "2026-03-08T09:00:00Z"
)]
#[case::repeated(
    "America/New_York",
    "01:30",
    "02:00",
    "2026-11-01T05:29:59Z",
    "2026-11-01T05:30:00Z",
    "2026-11-01T07:00:00Z"
)]
#[case::a_day_of_23_hours(
    "America/New_York",
    "00:00",
    "24:00",
    "2026-03-08T04:59:59Z",
    "2026-03-08T05:00:00Z",
    "2026-03-09T04:00:00Z"
)]
#[case::a_day_of_25_hours(
    "America/New_York",
    "00:00",
    "24:00",
    "2026-11-01T03:59:59Z",
    "2026-11-01T04:00:00Z",
    "2026-11-02T05:00:00Z"
)]
#[case::half_an_hour_skipped(
    "Australia/Lord_Howe",
    "02:10",
    "05:00",
    "2026-10-03T15:29:59Z",
    "2026-10-03T15:30:00Z",
    "2026-10-03T18:00:00Z"
)]
#[case::half_an_hour_repeated(
    "Australia/Lord_Howe",
    "01:40",
    "02:00",
    "2026-04-04T14:39:59Z",
    "2026-04-04T14:40:00Z",
    "2026-04-04T15:30:00Z"
)]
#[case::india("Asia/Kolkata", "08:30", "17:00", "2026-11-29T02:59:59Z", "2026-11-29T03:00:00Z", "2026-11-29T11:30:00Z")]
#[case::midnight_skipped(
    "America/Havana",
    "00:00",
    "03:00",
    "2026-03-08T04:59:59Z",
    "2026-03-08T05:00:00Z",
    "2026-03-08T07:00:00Z"
)]
fn hours_are_as_long_as_the_clock_shows_them(
    #[case] zone: &str,
    #[case] start: &str,
    #[case] end: &str,
    #[case] closed: &str,
    #[case] opens: &str,
    #[case] closes: &str,
) {
    let hours = hours(&json!({ "sunday": { "start": start, "end": end } }), zone);
    assert!(!hours.is_open(moment(closed)));
    assert_eq!(hours.opens_after(moment(closed)), Some(moment(opens)));
    assert!(hours.is_open(moment(opens)));
    assert!(hours.is_open(moment(closes) - TimeDelta::seconds(1)));
    assert!(!hours.is_open(moment(closes)));
}

/// The same changes of the clock; hours across midnight begin on one day and end on the next.
#[rstest]
#[case::ends_where_it_is_skipped("America/New_York", "22:00", "02:30", "2026-03-08T03:00:00Z", "2026-03-08T07:00:00Z")]
#[case::ends_where_it_is_repeated("America/New_York", "22:00", "01:30", "2026-11-01T02:00:00Z", "2026-11-01T06:30:00Z")]
#[case::begins_where_it_is_skipped(
    "America/New_York",
    "02:30",
    "06:00",
    "2026-03-08T07:00:00Z",
    "2026-03-08T10:00:00Z"
)]
#[case::ends_in_the_skipped_half_hour(
    "Australia/Lord_Howe",
    "21:00",
    "02:15",
    "2026-10-03T10:30:00Z",
    "2026-10-03T15:30:00Z"
)]
#[case::ends_in_the_repeated_half_hour(
    "Australia/Lord_Howe",
    "21:00",
    "01:45",
    "2026-04-04T10:00:00Z",
    "2026-04-04T15:15:00Z"
)]
#[case::india("Asia/Kolkata", "21:00", "08:00", "2026-11-29T15:30:00Z", "2026-11-30T02:30:00Z")]
fn daily_hours_end_by_the_local_clock(
    #[case] zone: &str,
    #[case] start: &str,
    #[case] end: &str,
    #[case] begins: &str,
    #[case] over: &str,
) {
    let (daily, zone): (_, Tz) = (DailyHours::new(start, end).unwrap(), zone.parse().unwrap());
    let (begins, over) = (moment(begins), moment(over));
    assert_eq!(daily.over_at(begins - TimeDelta::seconds(1), zone), None);
    assert_eq!(daily.over_at(begins, zone), Some(over));
    assert_eq!(daily.over_at(over - TimeDelta::seconds(1), zone), Some(over));
    assert_eq!(daily.over_at(over, zone), None);
}

#[rstest]
#[case("9 pm", "08:00", "`9 pm` is not a time like 21:00")]
#[case("21:00", "24:30", "`24:30` is not a time like 21:00")]
#[case("08:00", "08:00", "must not start when they end")]
fn daily_hours_that_are_none_are_refused(#[case] start: &str, #[case] end: &str, #[case] why: &str) {
    assert_eq!(DailyHours::new(start, end), Err(why.to_owned()));
}

/// Now is Saturday, 28 November 2026, 3 in the morning in New York.
#[rstest]
#[case::today("2026-11-28T13:00:00Z", "8:00 AM", "las 8:00 a. m.")]
#[case::at_one("2026-11-28T18:00:00Z", "1:00 PM", "la 1:00 p. m.")]
#[case::on_monday("2026-11-30T13:00:00Z", "Monday 8:00 AM", "el lunes a las 8:00 a. m.")]
#[case::in_six_days("2026-12-04T18:30:00Z", "Friday 1:30 PM", "el viernes a la 1:30 p. m.")]
#[case::in_a_week(
    "2026-12-05T05:00:00Z",
    "Saturday, December 5, 12:00 AM",
    "el sábado 5 de diciembre a las 12:00 a. m."
)]
fn an_opening_is_said_as_people_say_it(#[case] opens: &str, #[case] english: &str, #[case] spanish: &str) {
    let (now, zone) = (moment("2026-11-28T08:00:00Z"), Tz::America__New_York);
    assert_eq!(opens_in_words(moment(opens), now, zone, Language::En), english);
    assert_eq!(opens_in_words(moment(opens), now, zone, Language::Es), spanish);
}

const ZONES: [Tz; 8] = [
    Tz::America__New_York,
    Tz::America__Havana,
    Tz::America__St_Johns,
    Tz::Australia__Lord_Howe,
    Tz::Asia__Kolkata,
    Tz::Africa__Casablanca,
    Tz::Pacific__Kiritimati,
    Tz::UTC,
];

/// Minutes of a day as they are written.
fn written(minutes: u32) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// Two spans that do not overlap, of the day of the week or none.
fn a_day() -> impl Strategy<Value = Value> {
    prop::collection::btree_set(0u32..=1_440, 4).prop_map(|times| {
        let times: Vec<String> = times.into_iter().map(written).collect();
        json!([{ "start": times[0], "end": times[1] }, { "start": times[2], "end": times[3] }])
    })
}

/// Whether the clock is not changed within two days of a moment.
fn is_ordinary(zone: Tz, at: DateTime<Utc>) -> bool {
    let offset = |hours| zone.offset_from_utc_datetime(&(at + TimeDelta::hours(hours)).naive_utc()).fix();
    (-48..=48).all(|hours| offset(hours) == offset(0))
}

fn is_between(time: &str, start: &Value, end: &Value) -> bool {
    start.as_str() <= Some(time) && Some(time) < end.as_str()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// At every moment of two years, in every zone: what is open says so by the local clock, what is closed opens at a
    /// moment before which it is closed all the time.
    #[test]
    fn opening_hours_agree_with_the_local_clock(
        zone in prop::sample::select(&ZONES[..]),
        days in prop::collection::vec(prop::option::weighted(0.7, a_day()), 7),
        minute in 0i64..2 * 365 * 24 * 60,
    ) {
        let names = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
        let document: Value = names.iter().zip(&days).map(|(name, day)| (name.to_string(), json!(day))).collect();
        let hours = Hours::of_business(&document, zone).unwrap();
        let at = moment("2026-01-01T00:00:30Z") + TimeDelta::minutes(minute);
        let open = hours.is_open(at);
        let local = at.with_timezone(&zone);
        let today = &days[local.weekday().num_days_from_monday() as usize];
        let time = written(local.hour() * 60 + local.minute());
        let spans = today.as_ref().and_then(Value::as_array).cloned().unwrap_or_default();
        let by_the_clock = spans.iter().any(|span| is_between(&time, &span["start"], &span["end"]));
        if is_ordinary(zone, at) {
            prop_assert_eq!(open, by_the_clock);
        }
        match hours.opens_after(at) {
            Some(opens) if !open => {
                prop_assert!(opens > at && hours.is_open(opens));
                let between = (opens - at).num_minutes().min(3 * 24 * 60);
                prop_assert!((0..between).all(|minute| !hours.is_open(at + TimeDelta::minutes(minute))));
            }
            None => prop_assert!(open || days.iter().all(Option::is_none)),
            Some(_) => {}
        }
    }

    /// Daily hours that are in effect end later, and are in effect until then.
    #[test]
    fn daily_hours_agree_with_the_local_clock(
        zone in prop::sample::select(&ZONES[..]),
        times in (0u32..1_440, 0u32..1_440).prop_filter("a time between", |(start, end)| start != end),
        minute in 0i64..2 * 365 * 24 * 60,
    ) {
        let (start, end) = (written(times.0), written(times.1));
        let daily = DailyHours::new(&start, &end).unwrap();
        prop_assert_eq!(serde_json::from_value::<DailyHours>(serde_json::to_value(daily).unwrap()).unwrap(), daily);
        let at = moment("2026-01-01T00:00:30Z") + TimeDelta::minutes(minute);
        let local = at.with_timezone(&zone);
        let time = written(local.hour() * 60 + local.minute());
        let by_the_clock =
            if start < end { start <= time && time < end } else { time >= start || time < end };
        let over = daily.over_at(at, zone);
        if is_ordinary(zone, at) {
            prop_assert_eq!(over.is_some(), by_the_clock);
        }
        if let Some(over) = over {
            prop_assert!(over > at && daily.over_at(over, zone).is_none());
            let minutes = (over - at).num_minutes();
            prop_assert!((0..=minutes).all(|minute| daily.over_at(at + TimeDelta::minutes(minute), zone) == Some(over)));
        }
    }
}

#[rstest]
#[case::closed(json!(null), json!(null))]
#[case::one(json!({ "start": "08:00", "end": "18:00" }), json!({ "start": "08:00", "end": "18:00" }))]
#[case::several(json!([{ "start": "13:00", "end": "24:00" }, { "start": "08:00", "end": "12:00" }]),
    json!({ "start": "08:00", "end": "23:59" }))]
#[case::no_times(json!({ "start": " 8:00", "end": "18:00" }), Value::Null)]
fn dispatchbot_has_one_span_of_a_day(#[case] written: Value, #[case] expected: Value) {
    assert_eq!(one_span(&written), expected);
}

/// 23 December 2026 is a Wednesday; the week of holidays is [`week`].
#[test]
fn what_is_closed_within_the_one_span_of_a_day_is_in_the_calendar_of_dispatchbot() {
    let own = json!([{ "title": "Heater", "starts_at": "2026-12-23T09:00:00-05:00" }]);
    let after = moment("2026-12-23T18:00:00Z");
    let calendar = with_closed_times(&own, &week(), "America/New_York", after);
    let entries = calendar.as_array().unwrap();
    assert_eq!(entries[0], own[0]);
    let times: Vec<(&str, &str)> =
        entries[1..6].iter().map(|e| (e["starts_at"].as_str().unwrap(), e["ends_at"].as_str().unwrap())).collect();
    let expected = [
        ("2026-12-23T12:00:00-05:00", "2026-12-23T13:30:00-05:00"),
        ("2026-12-24T10:00:00-05:00", "2026-12-24T17:00:00-05:00"),
        ("2026-12-25T08:00:00-05:00", "2026-12-26T00:00:00-05:00"),
        ("2026-12-28T12:00:00-05:00", "2026-12-28T13:30:00-05:00"),
        ("2026-12-29T12:00:00-05:00", "2026-12-29T13:30:00-05:00"),
    ];
    assert_eq!(times, expected);
    assert_eq!((&entries[1]["title"], &entries[1]["booking_type"]), (&json!("Closed"), &json!("blocked")));
}

#[rstest]
#[case::not_known(json!({}))]
#[case::never_closed_within(json!({ "monday": { "start": "08:00", "end": "18:00" }, "holidays": { "2026-12-27": null } }))]
#[case::longer_on_a_holiday(json!({ "friday": { "start": "08:00", "end": "12:00" },
    "holidays": { "2026-12-25": { "start": "06:00", "end": "14:00" } } }))]
fn where_nothing_is_closed_within_the_hours_the_calendar_is_as_it_was(#[case] hours: Value) {
    let after = moment("2026-12-20T00:00:00Z");
    assert_eq!(with_closed_times(&json!([]), &hours, "America/New_York", after), json!([]));
}
