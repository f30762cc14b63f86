//! Applies faults to a valid answer.

use chrono::{TimeDelta, Utc};
use poem::http::StatusCode;
use poem::{IntoResponse, Response};
use serde_json::{Value, json};

use super::faults::Fault;
use super::http::Dialect;

/// Length of a message that is far too long, in characters.
const LONG: usize = 2000;

/// An answer of `v1` after all faults that change its fields; the last one that changes a field wins.
pub(super) fn spoiled(mut answer: Value, faults: &[Fault], request: &Value) -> Value {
    for fault in faults {
        match fault {
            Fault::EmptyMessage => answer["message_to_customer"] = json!(""),
            Fault::LongMessage => answer["message_to_customer"] = json!(long(&answer)),
            Fault::LowConfidence => answer["confidence"] = json!(0.1),
            Fault::PriceOutOfRange => {
                let price = highest(&request["job_estimates"]).max(0.0) as u64 * 10 + 9_999;
                answer["message_to_customer"] = json!(format!("We can come today. That will be ${price} in all."));
            }
            Fault::PastAppointment => {
                let starts_at = Utc::now() - TimeDelta::days(365);
                answer["message_to_customer"] = json!("Your appointment is confirmed.");
                answer["appointment"] = json!({ "starts_at": starts_at.to_rfc3339() });
                answer["conversation_complete"] = json!(true);
            }
            Fault::Obey => {
                let newest = request["messages"].as_array().and_then(|messages| messages.last());
                let words = newest.and_then(|message| message["body"].as_str()).unwrap_or_default();
                answer["message_to_customer"] = json!(words);
                answer["conversation_complete"] = json!(words.contains("done"));
            }
            _ => {}
        }
    }
    answer
}

/// Sends the answer, or what the faults make of it.
pub(super) fn respond(answer: &Value, faults: &[Fault], dialect: &Dialect) -> Response {
    let mut body = answer.to_string();
    for fault in faults {
        match fault {
            Fault::Respond(status) => {
                return (dialect.error)(*status, "INJECTED", "Injected by the simulator", &[]);
            }
            Fault::InvalidJson => body = dialect.half.to_owned(),
            Fault::WrongTypes => body = (dialect.wrong_types)().to_string(),
            _ => {}
        }
    }
    Response::builder().content_type("application/json").body(body)
}

/// An answer of `v1` with values of other types.
pub(super) fn wrong_types() -> Value {
    json!({"success": "yes", "job_type": 7, "urgency_level": [], "emergency_detected": "maybe",
        "message_to_customer": {"text": "Hi"}, "confidence": "high"})
}

/// The same of dispatch-bot-ai.
pub(super) fn wrong_types_of_dispatch_bot_ai() -> Value {
    json!({"extracted_info": {"urgency_level": 7, "urgency_confidence": "high", "customer_confirmed": "yes"},
        "next_action": {"action_type": [], "message_to_customer": {"text": "Hi"}}, "conversation_stage": 3})
}

/// The error body of dispatch-bot-ai, and FastAPI's own for a request that does not fit.
pub(super) fn error_of_dispatch_bot_ai(status: u16, code: &str, message: &str, details: &[String]) -> Response {
    let detail = |text: &String| json!({"loc": ["body"], "msg": text, "type": "value_error"});
    let body = match details {
        [] => json!({"code": code, "message": message, "details": {}}),
        details => json!({"detail": details.iter().map(detail).collect::<Vec<_>>()}),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    body.to_string().with_content_type("application/json").with_status(status).into_response()
}

/// The error body of `v1`.
pub(super) fn error(status: u16, code: &str, message: &str, details: &[String]) -> Response {
    let body = json!({"error": {"code": code, "message": message, "details": details}}).to_string();
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    body.with_content_type("application/json").with_status(status).into_response()
}

fn long(answer: &Value) -> String {
    let message = format!("{} ", answer["message_to_customer"].as_str().unwrap_or("Hello."));
    message.chars().cycle().take(LONG).collect()
}

/// The highest number anywhere in the estimates.
fn highest(value: &Value) -> f64 {
    match value {
        Value::Number(number) => number.as_f64().unwrap_or_default(),
        Value::Array(items) => items.iter().map(highest).fold(0.0, f64::max),
        Value::Object(fields) => fields.values().map(highest).fold(0.0, f64::max),
        _ => 0.0,
    }
}
