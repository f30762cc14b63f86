//! The dialect dispatch-bot-ai: the same conversation as in `v1`, in other words.
//!
//! A request is held to its schema, and so is each answer that is neither scripted nor spoiled.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use super::answer::price_range;
use super::clock::APPOINTMENT;
use super::schema;

/// The same question in the words of `v1`, as far as the answer depends on it.
pub(super) fn in_v1(request: &Value) -> Value {
    let message = |item: &Value| {
        let sender_type = match item["sender"].as_str() {
            Some("customer") => "customer",
            Some("human") => "user",
            _ => "ai",
        };
        json!({"sender_type": sender_type, "body": item["message"], "media": [], "sent_at": item["timestamp"]})
    };
    let mut messages: Vec<Value> =
        request["conversation_history"].as_array().into_iter().flatten().map(message).collect();
    let now = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
    messages.push(json!({"sender_type": "customer", "body": request["current_message"], "media": [], "sent_at": now}));
    json!({
        "priority": "normal",
        "messages": messages,
        "customer_phone": request["caller_phone"],
        "business": {
            "name": request["business_name"],
            "trade": request["trade_type"],
            "timezone": timezone(request["business_address"]["state"].as_str().unwrap_or_default()),
        },
        "business_hours": request["business_hours"],
        "job_estimates": request["job_estimates"],
        "calendar": request["existing_calendar"],
    })
}

/// The dialect has no time zone; the program finds it by the address.
fn timezone(state: &str) -> &'static str {
    match state {
        "CA" | "OR" | "WA" | "NV" => "America/Los_Angeles",
        "CO" | "UT" | "NM" | "MT" => "America/Denver",
        "AZ" => "America/Phoenix",
        "IL" | "TX" | "MN" | "WI" | "MO" => "America/Chicago",
        _ => "America/New_York",
    }
}

/// An answer of `v1` in the words of this dialect.
pub(super) fn of_v1(answer: &Value, request: &Value) -> Value {
    let confidence = answer["confidence"].as_f64().unwrap_or_default();
    let is_complete = answer["conversation_complete"] == true;
    let slot = slot(answer, request);
    let is_emergency = answer["emergency_detected"] == true;
    let (action, stage) = match (&slot, is_complete) {
        (_, true) => ("schedule_appointment", "complete"),
        (Some(_), false) => ("schedule_appointment", "booking"),
        (None, false) if is_emergency => ("request_emergency_choice", "confirming"),
        (None, false) => ("request_confirmation", "confirming"),
    };
    json!({
        "extracted_info": {
            "job_type": answer["job_type"],
            "job_confidence": confidence,
            "urgency_level": answer["urgency_level"],
            "urgency_confidence": confidence,
            "customer_address": null,
            "address_verified": false,
            "preferred_date": null,
            "customer_confirmed": slot.is_some(),
        },
        "validation": {
            "service_area_valid": true,
            "trade_supported": true,
            "job_type_supported": true,
            "within_business_hours": true,
            "capacity_available": true,
            "address_reachable": true,
            "validation_errors": [],
        },
        "proposed_slot": slot,
        "next_action": {
            "action_type": action,
            "message_to_customer": answer["message_to_customer"],
            "follow_up_needed": false,
        },
        "conversation_stage": stage,
        "needs_geocoding": false,
        "geocoding_query": null,
        "confidence_scores": {
            "job_type_confidence": confidence,
            "urgency_confidence": confidence,
            "address_confidence": 0,
            "overall_confidence": confidence / 2.0,
        },
    })
}

fn slot(answer: &Value, request: &Value) -> Option<Value> {
    let time = |name: &str| DateTime::parse_from_rfc3339(answer["appointment"][name].as_str()?).ok();
    let start = time("starts_at")?;
    let end = time("ends_at").unwrap_or(start + APPOINTMENT);
    let job_type = answer["job_type"].as_str().unwrap_or_default();
    let (low, high) = price_range(&request["job_estimates"], job_type).unwrap_or_default();
    Some(json!({
        "slot_id": format!("slot-{}", start.timestamp()),
        "start_time": start.to_rfc3339(),
        "end_time": end.to_rfc3339(),
        "duration_minutes": (end - start).num_minutes(),
        "price_min": low,
        "price_max": high,
        "booking_type": "tentative",
        "travel_time_minutes": TimeDelta::minutes(15).num_minutes(),
        "requires_confirmation": false,
    }))
}

/// What is wrong with a request.
pub(super) fn problems(request: &Value) -> Vec<String> {
    schema::problems("DispatchRequest", request)
}

/// What is wrong with an answer.
pub(super) fn problems_of_answer(answer: &Value) -> Vec<String> {
    schema::problems("DispatchResponse", answer)
}

/// How it is.
pub(super) fn health(is_unhealthy: bool) -> Value {
    json!({
        "status": if is_unhealthy { "unhealthy" } else { "healthy" },
        "version": "simulated",
        "timestamp": Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
        "services": {"database": "healthy", "geocoding": "healthy", "llm": "healthy", "traffic": "healthy"},
        "uptime_seconds": 1,
    })
}
