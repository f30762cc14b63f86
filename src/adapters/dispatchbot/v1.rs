//! The dialect `v1`: `POST /v1/conversations/analyze` (docs/contract.md, section 4).
//!
//! An answer that passes [`WIRE`]'s `read` is complete: unknown fields are ignored, but missing, unknown or impossible
//! values are rejected.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::error::{AnalyzeError, malformed};
use super::question::{Question, Said, Sender};
use super::wire::{LeftOut, Wire, Written};
use crate::adapters::http_client::describe_json;
use crate::domain::conversation::{self, Answer, Priority, Urgency};
use crate::domain::hours::{WEEKDAYS, one_span};

pub(super) const WIRE: Wire = Wire {
    path: "/v1/conversations/analyze",
    health_path: None,
    authorize: |request, key| request.bearer_auth(key.expose()),
    write,
    read,
};

#[derive(Serialize)]
struct Request<'a> {
    conversation_id: Uuid,
    window_id: Uuid,
    /// `emergency` if someone may be in danger.
    priority: Priority,
    /// Whether DispatchBot should answer at once, without a timer of its own.
    bypass_timer: bool,
    /// The conversation so far, oldest first.
    messages: Vec<Message<'a>>,
    customer_phone: &'a str,
    business: Business<'a>,
    user_settings: &'a Value,
    /// The same settings, under DispatchBot's older name.
    business_settings: &'a Value,
    business_hours: Map<String, Value>,
    job_estimates: &'a Value,
    calendar: Value,
}

#[derive(Serialize)]
struct Message<'a> {
    sender_type: &'static str,
    body: &'a str,
    media: Vec<Media<'a>>,
    sent_at: DateTime<Utc>,
}

#[derive(Serialize)]
struct Media<'a> {
    url: &'a str,
    content_type: &'a str,
}

#[derive(Serialize)]
struct Business<'a> {
    id: &'a str,
    name: &'a str,
    trade: &'static str,
    timezone: &'a str,
}

fn write(question: &Question) -> Result<Written, AnalyzeError> {
    let business = &question.business;
    let request = Request {
        conversation_id: question.conversation_id,
        window_id: question.window_id,
        priority: question.priority,
        bypass_timer: question.priority == Priority::Urgent,
        messages: question.messages.iter().map(message).collect(),
        customer_phone: question.customer.as_str(),
        business: Business {
            id: &business.id,
            name: &business.name,
            trade: business.trade.as_str(),
            timezone: &business.timezone,
        },
        user_settings: &business.user_settings,
        business_settings: &business.user_settings,
        business_hours: hours(&business.business_hours),
        job_estimates: &business.job_estimates,
        calendar: question.calendar(),
    };
    let body =
        serde_json::to_value(&request).map_err(|error| AnalyzeError::NotConfigured { why: error.to_string() })?;
    Ok(Written { body, left_out: LeftOut::default() })
}

/// The days that are named, each with one span or null.
fn hours(business_hours: &Value) -> Map<String, Value> {
    let named = WEEKDAYS.into_iter().filter_map(|day| Some((day, business_hours.get(day)?)));
    named.map(|(day, written)| (day.to_owned(), one_span(written))).collect()
}

fn message(said: &Said) -> Message<'_> {
    Message {
        sender_type: match said.sender {
            Sender::Customer => "customer",
            Sender::Ai | Sender::Service => "ai",
            Sender::Person => "user",
        },
        body: &said.body,
        media: said.media.iter().map(|m| Media { url: &m.url, content_type: &m.content_type }).collect(),
        sent_at: said.sent_at,
    }
}

#[derive(Deserialize)]
struct Analysis {
    #[serde(default)]
    job_type: Option<String>,
    urgency_level: Urgency,
    /// Whether someone may be in danger.
    emergency_detected: bool,
    message_to_customer: String,
    /// How sure DispatchBot is of its answer, from 0 to 1.
    confidence: f64,
    /// The appointment that the customer has agreed to.
    #[serde(default)]
    appointment: Option<Appointment>,
    #[serde(default)]
    conversation_complete: Option<bool>,
    #[serde(default)]
    outcome: Option<String>,
    /// The conversation in a sentence or two.
    #[serde(default)]
    summary: Option<String>,
}

#[derive(Deserialize)]
struct Appointment {
    starts_at: DateTime<Utc>,
    #[serde(default)]
    ends_at: Option<DateTime<Utc>>,
    #[serde(default)]
    notes: Option<String>,
}

#[derive(Deserialize)]
struct Verdict {
    success: bool,
}

/// The fields that an answer must have; an error names them if they are missing.
const NEEDED: &[&str] =
    &["success", "urgency_level", "emergency_detected", "message_to_customer", "confidence", "starts_at"];

fn read(body: &[u8]) -> Result<Answer, AnalyzeError> {
    let not_json = |error: serde_json::Error| malformed(describe_json(&error, NEEDED));
    let Verdict { success } = serde_json::from_slice(body).map_err(not_json)?;
    if !success {
        return Err(AnalyzeError::NotSuccessful);
    }
    let analysis: Analysis = serde_json::from_slice(body).map_err(not_json)?;
    Ok(Answer {
        job_type: analysis.job_type,
        urgency: analysis.urgency_level,
        emergency_detected: analysis.emergency_detected,
        text: analysis.message_to_customer,
        confidence: Some(analysis.confidence),
        appointment: analysis.appointment.map(|a| conversation::Appointment {
            starts_at: a.starts_at,
            ends_at: a.ends_at,
            notes: a.notes,
        }),
        complete: analysis.conversation_complete.unwrap_or(false),
        outcome: analysis.outcome,
        summary: analysis.summary,
        prices: Vec::new(),
        is_escalated: false,
        follow_up_minutes: None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::adapters::dispatchbot::read_answer;
    use crate::config::Dialect;

    fn answer() -> Value {
        json!({
            "success": true, "job_type": "drain", "urgency_level": "urgent", "emergency_detected": false,
            "message_to_customer": "How about 2 pm?", "confidence": 0.9,
        })
    }

    fn with(field: &str, value: Value) -> Value {
        let mut answer = answer();
        answer[field] = value;
        answer
    }

    fn without(field: &str) -> Value {
        let mut answer = answer();
        answer.as_object_mut().unwrap().remove(field);
        answer
    }

    fn read(answer: &Value) -> Result<Answer, AnalyzeError> {
        read_answer(Dialect::V1, answer.to_string().as_bytes())
    }

    #[rstest]
    #[case::as_agreed(answer())]
    #[case::with_a_field_of_tomorrow(with("mood", json!("good")))]
    #[case::without_a_job_type(without("job_type"))]
    #[case::with_nulls(with("appointment", Value::Null))]
    #[case::quite_sure(with("confidence", json!(1)))]
    fn a_complete_answer_is_read(#[case] answer: Value) {
        let analysis = read(&answer).unwrap();
        assert_eq!(analysis.urgency, Urgency::Urgent);
        assert_eq!((analysis.appointment, analysis.complete), (None, false));
    }

    /// Otherwise the answer could not be stored, and the customer would get no answer.
    #[rstest]
    #[case("job_type", json!("a\u{0}b"))]
    #[case("message_to_customer", json!("a\u{0}b"))]
    #[case("outcome", json!("a\u{0}b"))]
    #[case("summary", json!("a\u{0}b"))]
    #[case("appointment", json!({"starts_at": "2026-01-05T14:00:00Z", "notes": "a\u{0}b"}))]
    fn what_postgresql_cannot_keep_is_replaced(#[case] field: &str, #[case] value: Value) {
        let analysis = serde_json::to_string(&read(&with(field, value)).unwrap()).unwrap();
        assert!(analysis.contains("a\u{fffd}b") && !analysis.contains("u0000"), "{analysis}");
    }

    #[test]
    fn an_answer_beyond_all_measure_is_none() {
        let error = read(&with("summary", json!("so ".repeat(100_000)))).unwrap_err();
        assert!(error.to_string().contains("bytes"), "{error}");
    }

    #[rstest]
    #[case::an_unknown_urgency(with("urgency_level", json!("whenever")), "unexpected")]
    #[case::no_urgency(without("urgency_level"), "urgency_level")]
    #[case::no_message(without("message_to_customer"), "message_to_customer")]
    #[case::a_blank_message(with("message_to_customer", json!(" \n")), "blank")]
    #[case::more_than_sure(with("confidence", json!(1.1)), "confidence")]
    #[case::less_than_unsure(with("confidence", json!(-0.1)), "confidence")]
    #[case::a_time_without_a_zone(with("appointment", json!({"starts_at": "2026-01-05T14:00:00"})), "")]
    #[case::no_success(without("success"), "success")]
    #[case::no_object(json!([]), "")]
    fn an_incomplete_or_impossible_answer_is_malformed(#[case] answer: Value, #[case] named: &str) {
        let error = read(&answer).unwrap_err();
        assert_eq!(error.reason().as_str(), "malformed");
        assert!(error.to_string().contains(named), "{error}");
    }

    /// The error is logged.
    #[rstest]
    #[case::for_a_word(with("urgency_level", json!("call 2125551234")))]
    #[case::for_a_truth(with("emergency_detected", json!("call 2125551234")))]
    #[case::for_a_date(with("appointment", json!({"starts_at": "call 2125551234"})))]
    #[case::for_a_number(with("confidence", json!(2_125_551_234_u64)))]
    #[case::for_everything(json!("call 2125551234"))]
    fn what_is_wrong_with_an_answer_is_told_without_quoting_it(#[case] answer: Value) {
        let error = read(&answer).unwrap_err();
        let (told, shown) = (error.to_string(), format!("{error:?}"));
        assert!(!told.contains("2125551234") && !told.contains("call"), "{told}");
        assert!(!shown.contains("2125551234"), "{shown}");
    }

    #[test]
    fn an_answer_without_success_needs_nothing_else() {
        assert!(matches!(read(&json!({"success": false})), Err(AnalyzeError::NotSuccessful)));
    }

    #[test]
    fn an_appointment_is_read_in_utc() {
        let appointment = json!({"starts_at": "2026-01-05T14:00:00-05:00", "notes": "ring twice"});
        let read = read(&with("appointment", appointment)).unwrap().appointment.unwrap();
        assert_eq!(read.starts_at.to_rfc3339(), "2026-01-05T19:00:00+00:00");
        assert_eq!((read.ends_at, read.notes.as_deref()), (None, Some("ring twice")));
    }
}
