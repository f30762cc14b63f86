//! `business_settings` and `phone_hours`, from the keys of the same names in `user_settings`, within the dialect's bounds.

use serde_json::{Map, Value, json};

use crate::domain::business::Profile;

/// How many jobs a day a business takes that does not say so.
const JOBS_PER_DAY: i64 = 8;
/// How far a business goes that does not say so, in miles.
const SERVICE_RADIUS: i64 = 25;

/// Whole numbers that may be absent, each with its bounds.
const OPTIONAL_NUMBERS: [(&str, i64, i64); 2] =
    [("min_buffer_between_jobs", 15, 120), ("max_travel_time_minutes", 15, 180)];
const MULTIPLIERS: [&str; 4] = [
    "emergency_multiplier",
    "work_hours_emergency_multiplier",
    "evening_emergency_multiplier",
    "night_emergency_multiplier",
];

/// The settings of a business. A number out of bounds becomes the nearest within them.
pub(super) fn written(business: &Profile) -> Value {
    let settings = &business.user_settings;
    let truth = |name: &str| settings.get(name).and_then(Value::as_bool);
    let accepts = truth("accept_emergencies").unwrap_or_else(|| business.emergencies().accepted);
    let mut written = Map::new();
    let mut put = |name: &str, value: Value| written.insert(name.to_owned(), value);
    put("accept_emergencies", json!(accepts));
    put("emergency_service_enabled", json!(truth("emergency_service_enabled").unwrap_or(accepts)));
    put("max_jobs_per_day", json!(whole(settings, "max_jobs_per_day", 1, 50).unwrap_or(JOBS_PER_DAY)));
    put("service_radius_miles", json!(whole(settings, "service_radius_miles", 1, 100).unwrap_or(SERVICE_RADIUS)));
    if let Some(away) = truth("out_of_office") {
        put("out_of_office", json!(away));
    }
    for (name, least, most) in OPTIONAL_NUMBERS {
        if let Some(number) = whole(settings, name, least, most) {
            put(name, json!(number));
        }
    }
    for name in MULTIPLIERS {
        let multiplier = settings.get(name).and_then(Value::as_f64);
        if let Some(multiplier) = multiplier.filter(|multiplier| *multiplier >= 1.0) {
            put(name, json!(multiplier));
        }
    }
    Value::Object(written)
}

/// Whether the phone is answered at all hours: `phone_hours.always_available`, true unless it says otherwise.
pub(super) fn is_always_available(user_settings: &Value) -> bool {
    user_settings["phone_hours"]["always_available"].as_bool().unwrap_or(true)
}

fn whole(settings: &Value, name: &str, least: i64, most: i64) -> Option<i64> {
    let number = settings.get(name)?.as_f64()?;
    #[allow(clippy::cast_possible_truncation, reason = "the cast saturates, and the number is bounded then")]
    let whole = number.round() as i64;
    Some(whole.clamp(least, most))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rstest::rstest;

    use super::*;
    use crate::adapters::dispatchbot::examples::question;

    fn of(settings: Value) -> Value {
        let mut business = Arc::unwrap_or_clone(question(json!([])).business);
        business.user_settings = settings;
        written(&business)
    }

    #[rstest]
    #[case::too_many(json!({ "max_jobs_per_day": 60 }), "max_jobs_per_day", json!(50))]
    #[case::none(json!({ "max_jobs_per_day": 0 }), "max_jobs_per_day", json!(1))]
    #[case::a_word(json!({ "max_jobs_per_day": "many" }), "max_jobs_per_day", json!(8))]
    #[case::a_fraction(json!({ "service_radius_miles": 12.6 }), "service_radius_miles", json!(13))]
    #[case::too_short(json!({ "min_buffer_between_jobs": 5 }), "min_buffer_between_jobs", json!(15))]
    #[case::travel(json!({ "max_travel_time_minutes": 45 }), "max_travel_time_minutes", json!(45))]
    #[case::no_travel(json!({}), "max_travel_time_minutes", Value::Null)]
    #[case::a_multiplier(json!({ "night_emergency_multiplier": 2.5 }), "night_emergency_multiplier", json!(2.5))]
    #[case::a_discount(json!({ "emergency_multiplier": 0.5 }), "emergency_multiplier", Value::Null)]
    #[case::away(json!({ "out_of_office": true }), "out_of_office", json!(true))]
    #[case::no_emergencies(json!({ "emergencies": { "accepted": false } }), "accept_emergencies", json!(false))]
    #[case::nor_a_service(json!({ "emergencies": { "accepted": false } }), "emergency_service_enabled", json!(false))]
    #[case::said_so(json!({ "accept_emergencies": false }), "accept_emergencies", json!(false))]
    fn settings_are_within_the_bounds_of_the_dialect(#[case] settings: Value, #[case] name: &str, #[case] is: Value) {
        assert_eq!(of(settings)[name], is);
    }

    #[rstest]
    #[case::not_said(json!({}), true)]
    #[case::not(json!({ "phone_hours": { "always_available": false } }), false)]
    #[case::something_else(json!({ "phone_hours": "9 to 5" }), true)]
    fn the_phone_is_always_answered_unless_it_is_not(#[case] settings: Value, #[case] always: bool) {
        assert_eq!(is_always_available(&settings), always);
    }
}
