//! The answer: held to its schema, and what it means for the conversation's rules.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::adapters::dispatchbot::error::{AnalyzeError, malformed};
use crate::adapters::http_client::describe_json;
use crate::domain::conversation::{Answer, Appointment, Urgency};

/// What is used of an answer. In dispatch-bot-ai's OpenAPI file every field may be absent, so only what nobody could guess
/// is required; what is not used may be anything.
#[derive(Deserialize)]
struct Response {
    extracted_info: ExtractedInfo,
    #[serde(default)]
    proposed_slot: Option<Slot>,
    next_action: NextAction,
    conversation_stage: Stage,
}

#[derive(Deserialize)]
struct ExtractedInfo {
    #[serde(default)]
    job_type: Option<String>,
    urgency_level: UrgencyLevel,
    #[serde(default)]
    urgency_confidence: Option<Confidence>,
    #[serde(default)]
    customer_address: Option<String>,
    #[serde(default)]
    customer_confirmed: Option<bool>,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum UrgencyLevel {
    Low,
    Normal,
    Urgent,
    Emergency,
}

#[derive(Deserialize)]
struct Slot {
    start_time: DateTime<Utc>,
    end_time: DateTime<Utc>,
    #[serde(default)]
    price_min: Option<f64>,
    #[serde(default)]
    price_max: Option<f64>,
    booking_type: BookingType,
}

#[derive(PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BookingType {
    Confirmed,
    Tentative,
}

#[derive(Deserialize)]
struct NextAction {
    /// The program has more of them than its schema: an unknown one is no error.
    #[serde(default)]
    action_type: Option<String>,
    message_to_customer: String,
    #[serde(default)]
    follow_up_needed: Option<bool>,
    #[serde(default)]
    follow_up_delay_minutes: Option<f64>,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    Initial,
    CollectingInfo,
    Confirming,
    Booking,
    Complete,
    Escalated,
    Rejected,
}

/// From 0 to 1.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
struct Confidence(f64);

impl TryFrom<f64> for Confidence {
    type Error = &'static str;

    fn try_from(number: f64) -> Result<Self, Self::Error> {
        if (0.0..=1.0).contains(&number) { Ok(Self(number)) } else { Err("not between 0 and 1") }
    }
}

/// The fields that are required; an error names them if they are missing.
const NEEDED: &[&str] = &[
    "extracted_info",
    "urgency_level",
    "next_action",
    "message_to_customer",
    "conversation_stage",
    "start_time",
    "end_time",
    "booking_type",
];

/// Reads an answer.
///
/// # Errors
/// If it does not fit the schema. A time without its offset does not: nobody could say which moment it is.
pub(super) fn read(body: &[u8]) -> Result<Answer, AnalyzeError> {
    let response: Response = serde_json::from_slice(body).map_err(|error| malformed(describe_json(&error, NEEDED)))?;
    Ok(meaning(response))
}

fn meaning(response: Response) -> Answer {
    let Response { extracted_info: found, proposed_slot: slot, next_action: action, conversation_stage: stage } =
        response;
    let is_emergency = found.urgency_level == UrgencyLevel::Emergency;
    let prices = slot.iter().flat_map(|slot| [slot.price_min, slot.price_max]).flatten().collect();
    let is_booked = matches!(stage, Stage::Booking | Stage::Complete);
    let is_confirmed = found.customer_confirmed == Some(true);
    let agreed = slot.filter(|slot| is_booked && (slot.booking_type == BookingType::Confirmed || is_confirmed));
    let outcome = match stage {
        Stage::Complete => Some("appointment_requested"),
        Stage::Rejected => Some("rejected"),
        _ => None,
    };
    Answer {
        job_type: found.job_type,
        urgency: match found.urgency_level {
            UrgencyLevel::Low | UrgencyLevel::Normal => Urgency::Normal,
            UrgencyLevel::Urgent => Urgency::Urgent,
            UrgencyLevel::Emergency => Urgency::Emergency,
        },
        emergency_detected: is_emergency,
        text: action.message_to_customer,
        // The threshold is for verdicts of emergency alone. Below it the text is not sent, and the emergency is one. A
        // verdict that does not say how sure it is has no confidence.
        confidence: is_emergency.then(|| found.urgency_confidence.map_or(0.0, |confidence| confidence.0)),
        appointment: agreed.map(|slot| Appointment {
            starts_at: slot.start_time,
            ends_at: Some(slot.end_time),
            notes: found.customer_address,
        }),
        complete: outcome.is_some(),
        outcome: outcome.map(str::to_owned),
        summary: None,
        prices,
        is_escalated: stage == Stage::Escalated || action.action_type.as_deref() == Some("escalate_to_human"),
        follow_up_minutes: action.follow_up_delay_minutes.filter(|_| action.follow_up_needed == Some(true)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::adapters::dispatchbot::read_answer;
    use crate::config::Dialect;

    fn answer() -> Value {
        json!({
            "extracted_info": {
                "job_type": "drain_cleaning", "job_confidence": 0.9, "urgency_level": "normal",
                "urgency_confidence": 0.2, "customer_address": "1 Main St", "address_verified": false,
                "preferred_date": null, "customer_confirmed": false,
            },
            "validation": {
                "service_area_valid": true, "trade_supported": true, "job_type_supported": true,
                "within_business_hours": true, "capacity_available": true, "address_reachable": true,
                "validation_errors": [],
            },
            "proposed_slot": {
                "slot_id": "s1", "start_time": "2026-01-05T14:00:00-05:00", "end_time": "2026-01-05T21:00:00Z",
                "duration_minutes": 120, "price_min": 120, "price_max": 250.5, "booking_type": "tentative",
                "travel_time_minutes": 15, "requires_confirmation": true,
            },
            "next_action": {
                "action_type": "request_confirmation", "message_to_customer": "How about 2 pm?",
                "follow_up_needed": true, "follow_up_delay_minutes": 30,
            },
            "conversation_stage": "confirming",
            "needs_geocoding": false,
            "geocoding_query": null,
            "confidence_scores": {
                "job_type_confidence": 0.9, "urgency_confidence": 0.2, "address_confidence": 0,
                "overall_confidence": 0.0,
            },
        })
    }

    fn with(pointer: &str, value: Value) -> Value {
        let mut answer = answer();
        *answer.pointer_mut(pointer).unwrap() = value;
        answer
    }

    fn without(pointer: &str) -> Value {
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        let mut answer = answer();
        answer.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(field);
        answer
    }

    fn read(answer: &Value) -> Result<Answer, AnalyzeError> {
        read_answer(Dialect::DispatchBotAi, answer.to_string().as_bytes())
    }

    #[test]
    fn a_proposal_is_a_text_with_prices_and_no_appointment() {
        let answer = read(&answer()).unwrap();
        assert_eq!((answer.text.as_str(), answer.job_type.as_deref()), ("How about 2 pm?", Some("drain_cleaning")));
        assert_eq!((answer.urgency, answer.emergency_detected, answer.confidence), (Urgency::Normal, false, None));
        assert_eq!((answer.appointment, answer.complete, answer.outcome), (None, false, None));
        assert_eq!((answer.prices, answer.is_escalated), (vec![120.0, 250.5], false));
        assert_eq!(answer.follow_up_minutes, Some(30.0));
    }

    #[rstest]
    #[case("low", Urgency::Normal)]
    #[case("normal", Urgency::Normal)]
    #[case("urgent", Urgency::Urgent)]
    fn urgency_is_in_our_words(#[case] theirs: &str, #[case] ours: Urgency) {
        let answer = read(&with("/extracted_info/urgency_level", json!(theirs))).unwrap();
        assert_eq!((answer.urgency, answer.emergency_detected, answer.confidence), (ours, false, None));
    }

    /// The rules then see the emergency whatever the confidence, and send the text only above the threshold.
    #[test]
    fn a_verdict_of_emergency_has_its_own_confidence() {
        let answer = read(&with("/extracted_info/urgency_level", json!("emergency"))).unwrap();
        assert_eq!((answer.urgency, answer.emergency_detected), (Urgency::Emergency, true));
        assert_eq!(answer.confidence, Some(0.2));
    }

    #[rstest]
    #[case::booked("booking", "confirmed", false, true)]
    #[case::complete("complete", "confirmed", false, true)]
    #[case::agreed_on("booking", "tentative", true, true)]
    #[case::not_agreed_on("complete", "tentative", false, false)]
    #[case::too_early("confirming", "confirmed", true, false)]
    #[case::with_a_person("escalated", "confirmed", true, false)]
    fn an_appointment_is_a_slot_that_is_confirmed_at_the_end(
        #[case] stage: &str,
        #[case] booking_type: &str,
        #[case] customer_confirmed: bool,
        #[case] is_one: bool,
    ) {
        let mut answer = answer();
        answer["conversation_stage"] = json!(stage);
        answer["proposed_slot"]["booking_type"] = json!(booking_type);
        answer["extracted_info"]["customer_confirmed"] = json!(customer_confirmed);
        let appointment = read(&answer).unwrap().appointment;
        assert_eq!(appointment.is_some(), is_one);
        if let Some(appointment) = appointment {
            assert_eq!(appointment.starts_at.to_rfc3339(), "2026-01-05T19:00:00+00:00");
            assert_eq!(appointment.ends_at.unwrap().to_rfc3339(), "2026-01-05T21:00:00+00:00");
            assert_eq!(appointment.notes.as_deref(), Some("1 Main St"));
        }
    }

    #[test]
    fn without_a_slot_there_is_no_appointment_and_no_price() {
        let mut answer = without("/proposed_slot");
        answer["conversation_stage"] = json!("booking");
        let answer = read(&answer).unwrap();
        assert_eq!((answer.appointment, answer.prices), (None, Vec::new()));
    }

    #[rstest]
    #[case("complete", Some("appointment_requested"))]
    #[case("rejected", Some("rejected"))]
    #[case("booking", None)]
    #[case("escalated", None)]
    fn two_stages_end_the_conversation(#[case] stage: &str, #[case] outcome: Option<&str>) {
        let answer = read(&with("/conversation_stage", json!(stage))).unwrap();
        assert_eq!((answer.complete, answer.outcome.as_deref()), (outcome.is_some(), outcome));
    }

    #[rstest]
    #[case::by_stage(with("/conversation_stage", json!("escalated")), true)]
    #[case::by_action(with("/next_action/action_type", json!("escalate_to_human")), true)]
    #[case::by_an_action_of_the_program_alone(with("/next_action/action_type", json!("continue_conversation")), false)]
    fn what_is_for_a_person_is_escalated(#[case] answer: Value, #[case] is_escalated: bool) {
        assert_eq!(read(&answer).unwrap().is_escalated, is_escalated);
    }

    #[rstest]
    #[case::no_urgency(without("/extracted_info/urgency_level"))]
    #[case::an_unknown_urgency(with("/extracted_info/urgency_level", json!("whenever")))]
    #[case::an_unknown_stage(with("/conversation_stage", json!("asleep")))]
    #[case::no_message(without("/next_action/message_to_customer"))]
    #[case::a_blank_message(with("/next_action/message_to_customer", json!(" \n")))]
    #[case::more_than_sure(with("/extracted_info/urgency_confidence", json!(1.5)))]
    #[case::a_time_without_its_offset(with("/proposed_slot/start_time", json!("2026-01-05T14:00:00")))]
    #[case::a_slot_without_its_start(without("/proposed_slot/start_time"))]
    #[case::a_slot_without_its_end(without("/proposed_slot/end_time"))]
    #[case::a_slot_without_its_booking_type(without("/proposed_slot/booking_type"))]
    #[case::a_price_in_words(with("/proposed_slot/price_max", json!("about 250")))]
    #[case::another_booking_type(with("/proposed_slot/booking_type", json!("blocked")))]
    #[case::a_truth_in_words(with("/extracted_info/customer_confirmed", json!("yes")))]
    #[case::no_stage(without("/conversation_stage"))]
    #[case::an_answer_of_the_other_dialect(json!({ "success": true, "message_to_customer": "Hi" }))]
    #[case::an_error(json!({ "detail": [] }))]
    fn an_answer_that_does_not_fit_the_schema_is_malformed(#[case] answer: Value) {
        assert_eq!(read(&answer).unwrap_err().reason().as_str(), "malformed");
    }

    #[rstest]
    #[case::no_validation(without("/validation"))]
    #[case::no_scores(without("/confidence_scores"))]
    #[case::no_word_about_geocoding(without("/needs_geocoding"))]
    #[case::no_certainty_of_the_job(without("/extracted_info/job_confidence"))]
    #[case::no_word_about_the_address(without("/extracted_info/address_verified"))]
    #[case::a_slot_without_an_id(without("/proposed_slot/slot_id"))]
    #[case::a_slot_without_its_way(without("/proposed_slot/travel_time_minutes"))]
    #[case::a_verdict_in_words(with("/validation", json!("fine")))]
    #[case::scores_in_percent(with("/confidence_scores/overall_confidence", json!(85)))]
    #[case::no_certainty_of_the_urgency(without("/extracted_info/urgency_confidence"))]
    #[case::no_consent(without("/extracted_info/customer_confirmed"))]
    #[case::no_action(without("/next_action/action_type"))]
    fn what_is_not_used_may_be_absent_or_anything(#[case] changed: Value) {
        assert_eq!(read(&changed).unwrap(), read(&answer()).unwrap());
    }

    /// dispatch-bot-ai's OpenAPI file allows no delay of 0, so a program without a follow-up leaves it out.
    #[rstest]
    #[case::not_needed(json!({ "message_to_customer": "Hi", "follow_up_needed": false }), None)]
    #[case::not_named(json!({ "message_to_customer": "Hi" }), None)]
    #[case::null(json!({ "message_to_customer": "Hi", "follow_up_needed": null, "follow_up_delay_minutes": null }), None)]
    #[case::not_needed_with_a_delay(
        json!({ "message_to_customer": "Hi", "follow_up_needed": false, "follow_up_delay_minutes": 5 }),
        None
    )]
    #[case::needed(
        json!({ "message_to_customer": "Hi", "follow_up_needed": true, "follow_up_delay_minutes": 5 }),
        Some(5.0)
    )]
    fn a_follow_up_is_recorded_if_it_is_needed(#[case] action: Value, #[case] minutes: Option<f64>) {
        assert_eq!(read(&with("/next_action", action)).unwrap().follow_up_minutes, minutes);
    }

    #[rstest]
    #[case::no_lowest("/proposed_slot/price_min", &[250.5])]
    #[case::no_highest("/proposed_slot/price_max", &[120.0])]
    fn a_slot_has_the_prices_that_it_names(#[case] absent: &str, #[case] prices: &[f64]) {
        assert_eq!(read(&without(absent)).unwrap().prices, prices);
    }

    /// The rules then alert people, and do not send its text.
    #[test]
    fn an_emergency_that_does_not_say_how_sure_it_is_has_no_confidence() {
        let mut answer = without("/extracted_info/urgency_confidence");
        answer["extracted_info"]["urgency_level"] = json!("emergency");
        let answer = read(&answer).unwrap();
        assert_eq!((answer.emergency_detected, answer.confidence), (true, Some(0.0)));
    }

    #[test]
    fn what_is_wrong_with_an_answer_is_told_without_quoting_it() {
        let error = read(&with("/extracted_info/urgency_level", json!("call 2125551234"))).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("2125551234"), "{error}");
    }

    /// A text that is too long is held back by the rules, which see an emergency in the answer before.
    #[test]
    fn a_text_that_is_too_long_is_left_to_the_rules() {
        let long = with("/next_action/message_to_customer", json!("a".repeat(1_601)));
        assert_eq!(read(&long).unwrap().text.len(), 1_601);
    }
}
