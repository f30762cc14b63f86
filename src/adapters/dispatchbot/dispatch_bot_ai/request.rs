//! The request: the conversation, and what the business's document says, in the fields and bounds of dispatch-bot-ai.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::bounds::{self, cut};
use super::{calendar, jobs, settings};
use crate::adapters::dispatchbot::error::AnalyzeError;
use crate::adapters::dispatchbot::question::{Question, Said, Sender};
use crate::adapters::dispatchbot::wire::{LeftOut, Written};
use crate::domain::business::Profile;
use crate::domain::dispatchbot::BusinessAddress;
use crate::domain::hours::{WEEKDAYS, one_span};

#[derive(Serialize)]
struct Request<'a> {
    caller_phone: &'a str,
    called_number: &'a str,
    conversation_history: Vec<HistoryItem>,
    current_message: String,
    business_name: &'a str,
    trade_type: &'static str,
    business_hours: Map<String, Value>,
    phone_hours: Value,
    business_address: Value,
    job_estimates: Vec<Value>,
    business_settings: Value,
    existing_calendar: Vec<Value>,
}

#[derive(Serialize)]
struct HistoryItem {
    timestamp: DateTime<Utc>,
    sender: &'static str,
    message: String,
    message_type: &'static str,
}

/// Writes a question.
///
/// # Errors
/// If the business has no address.
pub(super) fn write(question: &Question) -> Result<Written, AnalyzeError> {
    let business = &*question.business;
    let lacks = |why: String| AnalyzeError::NotConfigured { why: format!("user_settings.business_address {why}") };
    let address = BusinessAddress::of_settings(&business.user_settings).map_err(lacks)?;
    let (job_estimates, jobs_left_out) = jobs::written(&business.job_estimates);
    let (existing_calendar, entries_left_out) =
        calendar::written(&question.calendar(), &business.timezone, &question.customer);
    let request = Request {
        caller_phone: question.customer.as_str(),
        called_number: question.business_phone.as_str(),
        conversation_history: question.messages.iter().filter(|said| !said.in_window).filter_map(history).collect(),
        current_message: current_message(&question.messages),
        business_name: cut(&business.name, bounds::NAME),
        trade_type: business.trade.as_str(),
        business_hours: hours(business),
        phone_hours: json!({ "always_available": settings::is_always_available(&business.user_settings) }),
        business_address: written(&address),
        job_estimates,
        business_settings: settings::written(business),
        existing_calendar,
    };
    let body =
        serde_json::to_value(&request).map_err(|error| AnalyzeError::NotConfigured { why: error.to_string() })?;
    let left_out = LeftOut { job_estimates: jobs_left_out, calendar: entries_left_out };
    Ok(Written { body, left_out })
}

/// The texts of the window, joined by line breaks. Of a longer text the end is kept: it is the newest.
fn current_message(messages: &[Said]) -> String {
    let texts: Vec<String> = messages.iter().filter(|said| said.in_window).filter_map(text).collect();
    newest(&texts.join("\n"))
}

fn history(said: &Said) -> Option<HistoryItem> {
    let sender = match said.sender {
        Sender::Customer => "customer",
        Sender::Ai => "ai",
        Sender::Service => "system",
        Sender::Person => "human",
    };
    let message = newest(&text(said)?);
    Some(HistoryItem { timestamp: said.sent_at, sender, message, message_type: "sms" })
}

/// The text of a message. The dialect has no attachments, so one without a text says what it is; one with neither is left
/// out.
fn text(said: &Said) -> Option<String> {
    if !said.body.trim().is_empty() {
        return Some(said.body.clone());
    }
    let kinds: Vec<&str> = said.media.iter().map(|media| media.content_type.as_str()).collect();
    (!kinds.is_empty()).then(|| format!("[attachment: {}]", kinds.join(", ")))
}

/// The last characters of a text that is too long.
fn newest(text: &str) -> String {
    let count = text.chars().count();
    text.chars().skip(count.saturating_sub(bounds::MESSAGE)).collect()
}

/// All seven days, each with one span: of several, from the first start to the last end. A day without hours is null, and
/// so is every day of a business whose hours are not known, so that no appointment is promised.
fn hours(business: &Profile) -> Map<String, Value> {
    WEEKDAYS.into_iter().map(|day| (day.to_owned(), one_span(&business.business_hours[day]))).collect()
}

fn written(address: &BusinessAddress) -> Value {
    let mut written = json!({
        "street_address": address.street_address,
        "city": address.city,
        "state": address.state,
        "postal_code": address.postal_code,
    });
    for (name, degrees) in [("latitude", address.latitude), ("longitude", address.longitude)] {
        if let Some(degrees) = degrees {
            written[name] = json!(degrees);
        }
    }
    written
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use nmc_testbed::dispatchbot::problems_of_request;
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::adapters::dispatchbot::examples;

    fn address() -> Value {
        json!({ "street_address": "1 Main St", "city": "Albany", "state": "NY", "postal_code": "12207" })
    }

    fn question(change: impl FnOnce(&mut Profile)) -> Question {
        let mut question = examples::question(json!([]));
        let mut business = (*question.business).clone();
        business.user_settings = json!({ "business_address": address() });
        change(&mut business);
        question.business = Arc::new(business);
        question
    }

    fn body(question: &Question) -> Value {
        write(question).unwrap().body
    }

    #[test]
    fn a_request_has_all_fields_of_the_dialect() {
        let body = body(&question(|_| {}));
        assert_eq!(
            body,
            json!({
                "caller_phone": "+15550001111", "called_number": "+15555551111", "conversation_history": [],
                "current_message": "My sink leaks", "business_name": "Pipes", "trade_type": "plumbing",
                "business_hours": {
                    "monday": null, "tuesday": null, "wednesday": null, "thursday": null, "friday": null,
                    "saturday": null, "sunday": null,
                },
                "phone_hours": { "always_available": true },
                "business_address": address(),
                "job_estimates": [],
                "business_settings": {
                    "accept_emergencies": true, "max_jobs_per_day": 8, "service_radius_miles": 25,
                    "emergency_service_enabled": true,
                },
                "existing_calendar": [],
            })
        );
    }

    #[test]
    fn what_was_said_before_the_window_is_history_by_its_writer() {
        let mut question = question(|_| {});
        let senders = [Sender::Customer, Sender::Ai, Sender::Service, Sender::Person];
        let before = senders.map(|sender| Said { sender, in_window: false, ..examples::said("Hm") });
        question.messages.splice(0..0, before);
        let written = body(&question);
        let history = written["conversation_history"].as_array().unwrap();
        let named: Vec<_> = history.iter().map(|item| item["sender"].as_str().unwrap()).collect();
        assert_eq!(named, ["customer", "ai", "system", "human"]);
        assert_eq!(
            (&history[0]["timestamp"], &history[0]["message_type"]),
            (&json!("2026-01-05T14:00:00Z"), &json!("sms"))
        );
        assert_eq!(written["current_message"], "My sink leaks");
    }

    #[test]
    fn of_a_long_window_the_newest_texts_stay() {
        let mut question = question(|_| {});
        question.messages = (0..40).map(|n| examples::said(&format!("{n:02}{}", "ñ".repeat(58)))).collect();
        question.messages.push(examples::said("THE END"));
        let written = body(&question);
        let current = written["current_message"].as_str().unwrap();
        assert_eq!(current.chars().count(), 1_600);
        assert!(current.ends_with("ñ\nTHE END") && !current.contains("00ñ"), "{current}");
    }

    #[test]
    fn a_long_name_is_cut() {
        let question = question(|business| business.name = "ñ".repeat(256));
        assert_eq!(body(&question)["business_name"], "ñ".repeat(255));
    }

    /// A text that may be longer than any bound.
    fn words() -> impl Strategy<Value = String> {
        ("[a-z ñ🚿]{0,12}", prop_oneof![Just(1_usize), 1..60_usize]).prop_map(|(words, times)| words.repeat(times))
    }

    /// A value that an App Server may put where a number is expected.
    fn number() -> impl Strategy<Value = Value> {
        prop_oneof![
            (-10..300_i64).prop_map(Value::from),
            (-10.0..300.0_f64).prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            words().prop_map(Value::from),
            Just(Value::Null),
        ]
    }

    fn job() -> impl Strategy<Value = Value> {
        (words(), words(), prop::array::uniform5(number()), any::<bool>()).prop_map(
            |(kind, description, [hours, low, high, multiplier, buffer], parts)| {
                json!({
                    "job_type": kind, "description": description, "estimated_hours": hours, "estimated_cost_min": low,
                    "estimated_cost_max": high, "requires_parts": parts, "urgency_multiplier": multiplier,
                    "buffer_minutes": buffer,
                })
            },
        )
    }

    fn appointment() -> impl Strategy<Value = Value> {
        (words(), words(), words(), prop::array::uniform2(number())).prop_map(
            |(id, kind, place, [latitude, longitude])| {
                json!({
                    "id": id, "job_type": kind, "location": place, "start_time": "2026-01-05T09:00:00-05:00",
                    "location_latitude": latitude, "location_longitude": longitude,
                })
            },
        )
    }

    const SETTINGS: [&str; 8] = [
        "max_jobs_per_day",
        "service_radius_miles",
        "min_buffer_between_jobs",
        "max_travel_time_minutes",
        "emergency_multiplier",
        "night_emergency_multiplier",
        "out_of_office",
        "accept_emergencies",
    ];

    proptest! {
        #[test]
        fn whatever_a_business_says_the_request_fits_the_schema(
            name in words(),
            said in words(),
            jobs in prop::collection::vec(job(), 0..4),
            calendar in prop::collection::vec(appointment(), 0..4),
            hours in (words(), words()),
            settings in prop::array::uniform8(number()),
        ) {
            let mut question = question(|business| {
                business.name = name;
                business.job_estimates = json!(jobs);
                business.calendar = json!(calendar);
                business.business_hours = json!({ "friday": { "start": hours.0, "end": hours.1 } });
                for (name, setting) in SETTINGS.into_iter().zip(settings) {
                    business.user_settings[name] = setting;
                }
            });
            question.messages.push(Said { in_window: false, ..examples::said(&said) });
            question.messages.push(examples::said(&said));
            prop_assert_eq!(problems_of_request(&body(&question)), Vec::<String>::new());
        }
    }

    #[test]
    fn a_picture_without_a_text_is_named() {
        let mut question = question(|_| {});
        question.messages[0].body = String::new();
        assert_eq!(body(&question)["current_message"], "[attachment: image/png]");
        question.messages[0].media.clear();
        assert_eq!(body(&question)["current_message"], "");
    }

    #[rstest]
    #[case::closed(json!(null), json!(null))]
    #[case::one(json!({ "start": "08:00", "end": "18:00" }), json!({ "start": "08:00", "end": "18:00" }))]
    #[case::split(json!([{ "start": "13:00", "end": "17:00" }, { "start": "08:00", "end": "12:00" }]),
        json!({ "start": "08:00", "end": "17:00" }))]
    #[case::until_midnight(json!({ "start": "18:00", "end": "24:00" }), json!({ "start": "18:00", "end": "23:59" }))]
    #[case::no_span(json!([]), json!(null))]
    fn a_day_has_one_span(#[case] hours: Value, #[case] expected: Value) {
        let question = question(|business| business.business_hours = json!({ "friday": hours }));
        assert_eq!(body(&question)["business_hours"]["friday"], expected);
    }

    #[test]
    fn without_an_address_nothing_is_asked() {
        let error = write(&question(|business| business.user_settings = json!({}))).err().unwrap();
        assert_eq!(error.reason().as_str(), "not_configured");
        assert!(error.to_string().contains("business_address"), "{error}");
    }
}
