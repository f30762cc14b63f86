//! Requests to DispatchBot, and its answers.
//!
//! An answer that passes [`read_answer`] is complete: unknown fields are ignored, but missing, unknown or impossible
//! values are rejected.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::client::AnalyzeError;
use crate::adapters::http_client::describe_json;
use crate::domain::conversation::{Priority, Urgency};
use crate::domain::invisible::is_blank;

/// A closed window, with everything needed to answer it.
#[derive(Clone, PartialEq, Serialize)]
pub struct AnalyzeRequest {
    /// The conversation.
    pub conversation_id: Uuid,
    /// The window; also the idempotency key, so that a second try is not a second request.
    pub window_id: Uuid,
    /// How soon the answer is needed; `emergency` if someone may be in danger.
    pub priority: Priority,
    /// Whether DispatchBot should answer at once, without a timer of its own.
    pub bypass_timer: bool,
    /// The conversation so far, oldest first.
    pub messages: Vec<WindowMessage>,
    /// The customer's number.
    pub customer_phone: String,
    /// The business that the customer wrote to.
    pub business: BusinessProfile,
    /// The business's settings.
    pub user_settings: Value,
    /// The same settings, under DispatchBot's older name.
    pub business_settings: Value,
    /// When the business is open.
    pub business_hours: Value,
    /// The duration and price of jobs.
    pub job_estimates: Value,
    /// The appointments that are already booked.
    pub calendar: Value,
}

/// A message of the conversation.
#[derive(Clone, PartialEq, Serialize)]
pub struct WindowMessage {
    /// Who wrote it.
    pub sender_type: SenderType,
    /// The text.
    pub body: String,
    /// The attachments.
    pub media: Vec<Media>,
    /// When it arrived at the edge, or was sent.
    pub sent_at: DateTime<Utc>,
}

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SenderType {
    /// The customer.
    Customer,
    /// An automatic text, whether DispatchBot's or a template's.
    Ai,
    /// A person of the business.
    User,
}

/// An attachment of a message.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Media {
    /// Its URL at Twilio.
    pub url: String,
    /// Its MIME type.
    pub content_type: String,
}

/// The business data that DispatchBot gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BusinessProfile {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `plumbing`, `electrical`, `hvac`, `locksmith` or `garage_door`.
    pub trade: String,
    /// Its IANA time zone.
    pub timezone: String,
}

/// DispatchBot's analysis of a window.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Analysis {
    /// The kind of job, if known.
    #[serde(default)]
    pub job_type: Option<String>,
    /// How urgent it is.
    pub urgency_level: Urgency,
    /// Whether someone may be in danger.
    pub emergency_detected: bool,
    /// The proposed answer to the customer; never blank.
    pub message_to_customer: String,
    /// How sure DispatchBot is of its answer, from 0 to 1.
    pub confidence: f64,
    /// The appointment that the customer has agreed to.
    #[serde(default)]
    pub appointment: Option<Appointment>,
    /// Whether the conversation is complete.
    #[serde(default)]
    pub conversation_complete: Option<bool>,
    /// The outcome of the conversation.
    #[serde(default)]
    pub outcome: Option<String>,
    /// The conversation in a sentence or two.
    #[serde(default)]
    pub summary: Option<String>,
}

/// Omits every text, because DispatchBot may put the customer's data into any of them.
impl std::fmt::Debug for Analysis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Analysis")
            .field("urgency_level", &self.urgency_level)
            .field("confidence", &self.confidence)
            .finish_non_exhaustive()
    }
}

/// An appointment that the customer has agreed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appointment {
    /// When it starts.
    pub starts_at: DateTime<Utc>,
    /// When it ends, if known.
    #[serde(default)]
    pub ends_at: Option<DateTime<Utc>>,
    /// Notes about it.
    #[serde(default)]
    pub notes: Option<String>,
}

/// The maximum size of an answer. An answer is a few sentences, and what is made of it goes through streams with a
/// limit of one megabyte. A larger answer is not read.
pub(super) const MAX_ANSWER: usize = 256 * 1024;

impl Analysis {
    /// Replaces NUL, which PostgreSQL cannot store: an answer that could not be stored would be lost.
    fn make_storable(&mut self) {
        let notes = self.appointment.as_mut().and_then(|appointment| appointment.notes.as_mut());
        let optional = [self.job_type.as_mut(), self.outcome.as_mut(), self.summary.as_mut(), notes];
        for text in optional.into_iter().flatten().chain([&mut self.message_to_customer]) {
            if text.contains('\0') {
                *text = text.replace('\0', "\u{fffd}");
            }
        }
    }
}

#[derive(Deserialize)]
struct Verdict {
    success: bool,
}

/// The fields that an answer must have; an error names them if they are missing.
const NEEDED: &[&str] =
    &["success", "urgency_level", "emergency_detected", "message_to_customer", "confidence", "starts_at"];

/// Reads the body of a successful answer.
///
/// # Errors
/// If it is not an answer, or lacks something that the conversation's rules need.
pub fn read_answer(body: &[u8]) -> Result<Analysis, AnalyzeError> {
    let malformed = |error: serde_json::Error| AnalyzeError::Malformed { why: describe_json(&error, NEEDED) };
    if body.len() > MAX_ANSWER {
        return Err(AnalyzeError::Malformed { why: format!("{} bytes, the limit is {MAX_ANSWER}", body.len()) });
    }
    let Verdict { success } = serde_json::from_slice(body).map_err(malformed)?;
    if !success {
        return Err(AnalyzeError::NotSuccessful);
    }
    let mut analysis: Analysis = serde_json::from_slice(body).map_err(malformed)?;
    analysis.make_storable();
    if is_blank(&analysis.message_to_customer) {
        return Err(AnalyzeError::Malformed { why: "message_to_customer is blank".to_owned() });
    }
    if !(0.0..=1.0).contains(&analysis.confidence) {
        return Err(AnalyzeError::Malformed { why: "confidence is not between 0 and 1".to_owned() });
    }
    Ok(analysis)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

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

    fn read(answer: &Value) -> Result<Analysis, AnalyzeError> {
        read_answer(answer.to_string().as_bytes())
    }

    #[rstest]
    #[case::as_agreed(answer())]
    #[case::with_a_field_of_tomorrow(with("mood", json!("good")))]
    #[case::without_a_job_type(without("job_type"))]
    #[case::with_nulls(with("appointment", Value::Null))]
    #[case::quite_sure(with("confidence", json!(1)))]
    fn a_complete_answer_is_read(#[case] answer: Value) {
        let analysis = read(&answer).unwrap();
        assert_eq!(analysis.urgency_level, Urgency::Urgent);
        assert_eq!((analysis.appointment, analysis.conversation_complete), (None, None));
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

    #[test]
    fn the_names_in_a_request_are_those_agreed() {
        let named = json!([Priority::Normal, Priority::Urgent, SenderType::Customer, SenderType::Ai, SenderType::User]);
        assert_eq!(named, json!(["normal", "emergency", "customer", "ai", "user"]));
    }
}
