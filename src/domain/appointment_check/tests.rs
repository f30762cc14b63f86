//! Appointments that a business can and cannot keep.

use rstest::rstest;
use serde_json::json;

use super::*;

/// Monday, 8:00 in New York.
const NOW: &str = "2026-11-23T13:00:00Z";

fn schedule(hours: &Value, calendar: &Value) -> Schedule {
    Schedule::of_business(hours, calendar, "America/New_York")
}

/// The usual hours, one day off, split days, a night and a holiday.
fn hours() -> Value {
    let usual = json!({ "start": "08:00", "end": "17:00" });
    json!({
        "monday": usual, "tuesday": usual,
        "wednesday": [{ "start": "08:00", "end": "12:00" }, { "start": "13:00", "end": "17:00" }],
        "thursday": usual, "friday": [{ "start": "20:00", "end": "24:00" }],
        "saturday": [{ "start": "00:00", "end": "04:00" }], "sunday": null,
        "holidays": { "2026-11-26": null, "2026-11-29": [{ "start": "10:00", "end": "12:00" }] },
    })
}

fn proposed(starts_at: &str, ends_at: &str) -> Proposed<'static> {
    Proposed {
        starts_at: starts_at.parse().unwrap(),
        ends_at: (!ends_at.is_empty()).then(|| ends_at.parse().unwrap()),
        customer: "+12125550100",
        agreed_at: NOW.parse().unwrap(),
        is_emergency: false,
    }
}

fn check(schedule: &Schedule, starts_at: &str, ends_at: &str) -> Result<(), Impossible> {
    schedule.check(&proposed(starts_at, ends_at))
}

#[rstest]
#[case::a_year_ago("2025-11-24T09:00:00-05:00", "", Err(Impossible::InPast))]
#[case::a_minute_ago("2026-11-23T07:59:00-05:00", "", Err(Impossible::InPast))]
#[case::this_minute("2026-11-23T08:00:00-05:00", "", Ok(()))]
#[case::in_another_zone("2026-11-23T13:30:00Z", "", Ok(()))]
#[case::next_year("2027-11-22T09:00:00-05:00", "", Ok(()))]
#[case::ending_before("2026-11-24T11:00:00-05:00", "2026-11-24T09:00:00-05:00", Err(Impossible::EndsBeforeStart))]
#[case::without_length("2026-11-24T11:00:00-05:00", "2026-11-24T11:00:00-05:00", Err(Impossible::EndsBeforeStart))]
fn an_appointment_is_in_the_future_and_ends_after_it_starts(
    #[case] starts_at: &str,
    #[case] ends_at: &str,
    #[case] expected: Result<(), Impossible>,
) {
    assert_eq!(check(&Schedule::default(), starts_at, ends_at), expected);
    assert_eq!(check(&schedule(&hours(), &json!([])), starts_at, ends_at), expected);
}

#[rstest]
#[case::when_it_opens("2026-11-24T08:00:00-05:00", "2026-11-24T10:00:00-05:00", true)]
#[case::until_it_closes("2026-11-24T15:00:00-05:00", "2026-11-24T17:00:00-05:00", true)]
#[case::beyond_that("2026-11-24T16:00:00-05:00", "2026-11-24T17:30:00-05:00", false)]
#[case::shortly_before_it_closes("2026-11-24T16:59:00-05:00", "", true)]
#[case::when_it_closes("2026-11-24T17:00:00-05:00", "", false)]
#[case::too_early("2026-11-24T07:59:00-05:00", "", false)]
#[case::at_nine_in_utc("2026-11-24T09:00:00Z", "", false)]
#[case::at_noon("2026-11-25T12:30:00-05:00", "", false)]
#[case::over_noon("2026-11-25T11:00:00-05:00", "2026-11-25T14:00:00-05:00", false)]
#[case::over_midnight("2026-11-27T23:00:00-05:00", "2026-11-28T01:00:00-05:00", true)]
#[case::a_day_off("2026-12-06T11:00:00-05:00", "", false)]
#[case::a_holiday("2026-11-26T11:00:00-05:00", "", false)]
#[case::a_day_off_that_is_an_exception("2026-11-29T11:00:00-05:00", "2026-11-29T12:00:00-05:00", true)]
#[case::a_week_long("2026-11-24T09:00:00-05:00", "2026-12-02T09:00:00-05:00", false)]
fn an_appointment_is_within_the_hours(#[case] starts_at: &str, #[case] ends_at: &str, #[case] fine: bool) {
    let expected = if fine { Ok(()) } else { Err(Impossible::OutsideHours) };
    assert_eq!(check(&schedule(&hours(), &json!([])), starts_at, ends_at), expected);
}

#[rstest]
#[case::no_day(json!({}))]
#[case::only_holidays(json!({ "holidays": { "2026-11-24": null } }))]
#[case::nothing(Value::Null)]
fn hours_that_nobody_has_given_hold_back_nothing(#[case] hours: Value) {
    assert_eq!(check(&schedule(&hours, &json!([])), "2026-11-24T03:00:00-05:00", ""), Ok(()));
}

#[test]
fn in_an_emergency_the_hours_do_not_matter_but_the_past_does() {
    let schedule = schedule(&hours(), &json!([]));
    let check = |starts_at: &str| schedule.check(&Proposed { is_emergency: true, ..proposed(starts_at, "") });
    assert_eq!(check("2026-11-24T03:00:00-05:00"), Ok(()));
    assert_eq!(check("2026-11-22T03:00:00-05:00"), Err(Impossible::InPast));
}

/// The clocks go forward on 14 March 2027 and back on 7 November, at two.
#[rstest]
#[case::before_summer("2027-03-13T13:00:00Z", Ok(()))]
#[case::in_summer("2027-03-15T12:00:00Z", Ok(()))]
#[case::in_summer_as_in_winter("2027-03-15T11:59:00Z", Err(Impossible::OutsideHours))]
#[case::in_the_skipped_hour("2027-03-14T06:59:00Z", Err(Impossible::OutsideHours))]
#[case::after_the_skipped_hour("2027-03-14T07:00:00Z", Ok(()))]
#[case::in_the_first_hour_that_comes_twice("2027-11-07T05:30:00Z", Ok(()))]
#[case::in_the_second("2027-11-07T06:30:00Z", Ok(()))]
#[case::after_both("2027-11-07T07:00:00Z", Err(Impossible::OutsideHours))]
#[case::in_winter("2027-11-08T13:00:00Z", Ok(()))]
#[case::in_winter_as_in_summer("2027-11-08T12:00:00Z", Err(Impossible::OutsideHours))]
fn hours_are_those_of_the_local_clock_when_it_changes(
    #[case] starts_at: &str,
    #[case] expected: Result<(), Impossible>,
) {
    let usual = json!({ "start": "08:00", "end": "17:00" });
    let hours = json!({
        "monday": usual, "saturday": usual,
        "sunday": null,
        "holidays": {
            "2027-03-14": [{ "start": "02:30", "end": "05:00" }],
            "2027-11-07": [{ "start": "01:00", "end": "02:00" }],
        },
    });
    assert_eq!(check(&schedule(&hours, &json!([])), starts_at, ""), expected);
}

#[rstest]
#[case::at_the_same_time("2026-11-24T10:00:00-05:00", "2026-11-24T11:00:00-05:00", false)]
#[case::around_it("2026-11-24T08:00:00-05:00", "2026-11-24T14:00:00-05:00", false)]
#[case::the_start_of_it("2026-11-24T09:00:00-05:00", "", false)]
#[case::just_before("2026-11-24T08:00:00-05:00", "2026-11-24T09:00:00-05:00", true)]
#[case::just_after("2026-11-24T11:00:00-05:00", "", true)]
#[case::in_a_local_time("2026-11-25T10:30:00-05:00", "", false)]
#[case::in_an_entry_without_an_end("2026-11-25T14:30:00-05:00", "", false)]
#[case::after_an_entry_without_an_end("2026-11-25T15:00:00-05:00", "", true)]
#[case::on_a_whole_day("2026-11-27T23:30:00-05:00", "", false)]
#[case::after_a_whole_day("2026-11-28T00:30:00-05:00", "", true)]
#[case::where_it_was_cancelled("2026-12-01T09:30:00-05:00", "", true)]
#[case::that_is_theirs("2026-12-02T09:30:00-05:00", "", true)]
#[case::that_is_of_another("2026-12-03T09:30:00-05:00", "", false)]
fn nothing_in_the_calendar_is_at_the_same_time(#[case] starts_at: &str, #[case] ends_at: &str, #[case] fine: bool) {
    let calendar = json!([
        { "title": "Boiler", "starts_at": "2026-11-24T09:00:00-05:00", "ends_at": "2026-11-24T11:00:00-05:00" },
        { "start": "2026-11-25T10:00:00", "end": "2026-11-25T11:00:00" },
        { "start_time": "2026-11-25T19:00:00Z" },
        { "date": "2026-11-27" },
        { "start": "2026-12-01T09:00:00-05:00", "end": "2026-12-01T10:00:00-05:00", "status": "cancelled" },
        { "start": "2026-12-02T09:00:00-05:00", "end": "2026-12-02T10:00:00-05:00", "customer_phone": "+12125550100" },
        { "start": "2026-12-03T09:00:00-05:00", "end": "2026-12-03T10:00:00-05:00", "customer_phone": "+12125550101" },
        { "title": "no time" }, 7, null,
    ]);
    let expected = if fine { Ok(()) } else { Err(Impossible::Taken) };
    assert_eq!(check(&schedule(&json!({}), &calendar), starts_at, ends_at), expected);
}

#[rstest]
#[case::of_google(json!({ "start": { "dateTime": "2026-11-24T11:00:00-05:00" }, "end": { "dateTime": "2026-11-24T12:00:00-05:00" } }))]
#[case::of_microsoft(json!({
    "start": { "dateTime": "2026-11-24T16:00:00.0000000", "timeZone": "UTC" },
    "end": { "dateTime": "2026-11-24T17:00:00.0000000", "timeZone": "UTC" },
}))]
#[case::milliseconds(json!({ "starts_at": "2026-11-24T16:00:00.000Z", "ends_at": "2026-11-24T17:00:00.000Z" }))]
#[case::no_seconds(json!({ "starts_at": "2026-11-24T16:00Z", "ends_at": "2026-11-24T17:00Z" }))]
#[case::an_offset_without_a_colon(json!({ "start": "2026-11-24T11:00:00-0500", "end": "2026-11-24T12:00:00-0500" }))]
#[case::a_date_and_local_times(json!({ "date": "2026-11-24", "start": "11:00", "end": "12:00" }))]
#[case::a_date_and_times_of_twelve_hours(json!({ "date": "2026-11-24", "start_time": "11:00 AM", "end_time": "12:00 PM" }))]
#[case::seconds_since_1970(json!({ "start": 1_795_536_000, "end": 1_795_539_600 }))]
#[case::milliseconds_since_1970(json!({ "start": 1_795_536_000_000_i64, "end": 1_795_539_600_000_i64 }))]
#[case::a_duration(json!({ "start": "2026-11-24T16:00:00Z", "duration_minutes": 60 }))]
#[case::no_end(json!({ "start": "2026-11-24T16:00:00Z" }))]
#[case::an_end_before_the_start(json!({ "start": "2026-11-24T16:00:00Z", "end": "2026-11-24T15:00:00Z" }))]
fn an_hour_in_the_calendar_is_known_in_the_forms_of_calendars(#[case] entry: Value) {
    let schedule = schedule(&json!({}), &json!([entry]));
    let at = |starts_at: &str| check(&schedule, starts_at, "");
    assert_eq!(at("2026-11-24T10:59:00-05:00"), Ok(()));
    assert_eq!(at("2026-11-24T11:00:00-05:00"), Err(Impossible::Taken));
    assert_eq!(at("2026-11-24T11:59:00-05:00"), Err(Impossible::Taken));
    assert_eq!(at("2026-11-24T12:00:00-05:00"), Ok(()));
}

#[rstest]
#[case::declined(json!({ "status": "Declined" }))]
#[case::free(json!({ "showAs": "free" }))]
#[case::transparent(json!({ "transparency": "transparent" }))]
#[case::not_busy(json!({ "busy": false }))]
fn an_entry_that_leaves_the_owner_free_takes_no_time(#[case] mut entry: Value) {
    entry["start"] = json!("2026-11-24T16:00:00Z");
    entry["end"] = json!("2026-11-24T17:00:00Z");
    assert_eq!(check(&schedule(&json!({}), &json!([entry])), "2026-11-24T16:30:00Z", ""), Ok(()));
}

/// Half-hour and quarter-hour zones, zones at both ends of the date line, and a clock that changes by half an hour.
#[rstest]
#[case::india("Asia/Kolkata", "2026-11-24T02:30:00Z")]
#[case::nepal("Asia/Kathmandu", "2026-11-24T02:15:00Z")]
#[case::newfoundland("America/St_Johns", "2026-11-24T11:30:00Z")]
#[case::south_australia_in_summer("Australia/Adelaide", "2026-11-23T21:30:00Z")]
#[case::lord_howe_in_summer("Australia/Lord_Howe", "2026-11-23T21:00:00Z")]
#[case::lord_howe_in_winter("Australia/Lord_Howe", "2027-07-05T21:30:00Z")]
#[case::kiribati("Pacific/Kiritimati", "2026-11-23T18:00:00Z")]
#[case::hawaii("Pacific/Honolulu", "2026-11-24T18:00:00Z")]
fn hours_begin_by_the_clock_of_the_zone(#[case] zone: &str, #[case] opens: DateTime<Utc>) {
    let usual = json!({ "start": "08:00", "end": "17:00" });
    let schedule = Schedule::of_business(&json!({ "tuesday": usual }), &json!([]), zone);
    let check = |starts_at| schedule.check(&Proposed { starts_at, ..proposed(NOW, "") });
    assert_eq!(check(opens), Ok(()));
    assert_eq!(check(opens - TimeDelta::minutes(1)), Err(Impossible::OutsideHours));
}
