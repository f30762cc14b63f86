//! The request: the conversation, and what the business's document says, in the fields and bounds of dispatch-bot-ai.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{calendar, jobs, settings};
use crate::adapters::dispatchbot::error::AnalyzeError;
use crate::adapters::dispatchbot::question::{Question, Said, Sender};
use crate::adapters::dispatchbot::wire::{LeftOut, Written};
use crate::domain::business::Profile;
use crate::domain::dispatchbot::BusinessAddress;
use crate::domain::hours::{WEEKDAYS, one_span};

/// The most characters of a text.
const MAX_TEXT: usize = 1_600;
/// The most characters of a business's name.
const MAX_NAME: usize = 255;

#[derive(Serialize)]
struct Request<'a> {
    caller_phone: &'a str,
    called_number: &'a str,
    conversation_history: Vec<HistoryItem>,
    current_message: String,
    business_name: String,
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
        business_name: business.name.chars().take(MAX_NAME).collect(),
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
    text.chars().skip(count.saturating_sub(MAX_TEXT)).collect()
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
