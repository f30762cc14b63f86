//! Outside the business's hours: how long a person has, what a caller is told, and when the owner may be texted.

use rstest::rstest;
use serde_json::json;

use super::*;

/// The talks of these tests begin on Friday, 15 January 2027, at 8:00 UTC.
fn closed(after_hours: &serde_json::Value) -> Talk {
    let mut talk = Talk::new();
    let hours =
        json!({ "friday": { "start": "12:00", "end": "17:00" }, "monday": { "start": "08:00", "end": "17:00" } });
    talk.business.schedule = Schedule::of_business(&hours, &json!([]), "UTC");
    talk.business.policy.after_hours = serde_json::from_value(after_hours.clone()).unwrap();
    talk
}

#[rstest]
#[case::not_set(json!(null), 60.0)]
#[case::at_quiet(json!({}), 2.0)]
#[case::after_a_hold_of_its_own(json!({ "hold": "10s" }), 10.0)]
#[case::never_after_max(json!({ "hold": "1h" }), 90.0)]
fn outside_the_hours_the_ai_answers_after_another_hold(#[case] after_hours: serde_json::Value, #[case] closes: f64) {
    let mut talk = closed(&after_hours);
    talk.text("my sink is blocked");
    assert_eq!(talk.deadline(), Some(closes));
}

#[test]
fn within_the_hours_and_without_any_the_hold_is_the_usual_one() {
    let mut talk = closed(&json!({ "hold": "0s" }));
    talk.later(4.0 * 3_600.0).text("my sink is blocked");
    assert_eq!(talk.deadline(), Some(4.0 * 3_600.0 + 60.0), "open");
    let mut talk = closed(&json!({ "hold": "0s" }));
    talk.business.schedule = Schedule::default();
    talk.text("my sink is blocked");
    assert_eq!(talk.deadline(), Some(60.0), "always open");
}

#[test]
fn a_window_keeps_the_hold_of_the_time_when_it_opened() {
    let mut talk = closed(&json!({ "hold": "30s" }));
    talk.later(4.0 * 3_600.0 - 10.0).text("my sink is blocked");
    assert_eq!(talk.deadline(), Some(4.0 * 3_600.0 + 20.0));
    talk.later(11.0).text("please hurry");
    assert_eq!(talk.deadline(), Some(4.0 * 3_600.0 + 20.0));
}

fn told(talk: &mut Talk) -> String {
    talk.call_missed().messages[0].body.clone()
}

#[test]
fn a_caller_is_told_when_the_business_opens() {
    let template = json!({ "template": "We are closed until {opens}. Text us here. {opt_out}" });
    let mut talk = closed(&template);
    assert_eq!(told(&mut talk), "We are closed until 12:00 PM. Text us here. Reply STOP to opt out.");
    let mut talk = closed(&template);
    talk.later(10.0 * 3_600.0);
    assert_eq!(told(&mut talk), "We are closed until Monday 8:00 AM. Text us here. Reply STOP to opt out.");
    let mut talk = closed(&template);
    talk.later(5.0 * 3_600.0);
    assert!(told(&mut talk).starts_with("Hi! I missed your call"), "open");
}

#[rstest]
#[case::no_template(json!({}))]
#[case::only_in_spanish(json!({ "es": { "template": "Cerrado hasta {opens}." } }))]
fn without_a_template_a_caller_gets_the_usual_text(#[case] after_hours: serde_json::Value) {
    assert!(told(&mut closed(&after_hours)).starts_with("Hi! I missed your call"));
}

#[test]
fn a_time_that_is_not_known_is_not_told() {
    let mut talk = closed(&json!({ "template": "Closed until {opens}." }));
    talk.business.schedule = Schedule::of_business(&json!({ "monday": null }), &json!([]), "UTC");
    assert!(told(&mut talk).starts_with("Hi! I missed your call"));
    let mut talk = closed(&json!({ "template": "We are closed." }));
    talk.business.schedule = Schedule::of_business(&json!({ "monday": null }), &json!([]), "UTC");
    assert_eq!(told(&mut talk), "We are closed.");
}

#[test]
fn a_text_that_waits_for_the_end_of_quiet_hours_says_what_is_true_then() {
    let mut talk = closed(&json!({ "template": "Closed until {opens}." }));
    let quiet = json!({ "quiet_hours": { "start": "21:00", "end": "12:30", "missed_call": true } });
    talk.business.quiet_hours = crate::domain::quiet_hours::QuietHours::of_settings(&quiet, "UTC").unwrap();
    assert!(told(&mut talk).starts_with("Hi! I missed your call"), "it is sent when the business is open");
}

#[test]
fn the_owner_is_texted_outside_their_quiet_hours() {
    let mut talk = closed(&json!({}));
    assert!(talk.business.owner_may_be_texted(talk.now));
    talk.business.policy.owner_quiet_hours =
        serde_json::from_value(json!({ "start": "22:00", "end": "09:00" })).unwrap();
    assert!(!talk.business.owner_may_be_texted(talk.now));
    assert_eq!(talk.business.owner_quiet_until(talk.now), Some(talk.now + TimeDelta::hours(1)));
    assert!(talk.business.owner_may_be_texted(talk.now + TimeDelta::hours(1)));
}
