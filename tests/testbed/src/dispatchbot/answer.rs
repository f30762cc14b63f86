//! Generates DispatchBot's answer: plausible, valid by the contract, and the same for the same request.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::clock::{APPOINTMENT, Clock, speak};
use super::words;

/// The parts of the request that the answer depends on.
struct Reading<'a> {
    trade: &'a str,
    name: &'a str,
    /// The customer's texts since the last reply.
    newest: String,
    /// All the customer's texts, newest first.
    said: Vec<&'a str>,
    /// Our last reply before them.
    last_reply: &'a str,
    now: DateTime<Utc>,
    clock: Clock<'a>,
}

impl<'a> Reading<'a> {
    fn of(request: &'a Value) -> Self {
        let messages = request["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let from_customer = |message: &Value| message["sender_type"] == "customer";
        let replied = messages.iter().rposition(|message| !from_customer(message));
        let body = |message: &'a Value| message["body"].as_str().unwrap_or_default();
        let newest: Vec<_> = messages[replied.map_or(0, |at| at + 1)..].iter().map(body).collect();
        let sent_at = messages.last().and_then(|message| message["sent_at"].as_str()).unwrap_or_default();
        Self {
            trade: request["business"]["trade"].as_str().unwrap_or_default(),
            name: request["business"]["name"].as_str().unwrap_or_default(),
            newest: newest.join("\n"),
            said: messages.iter().rev().filter(|message| from_customer(message)).map(body).collect(),
            last_reply: replied.map_or("", |at| body(&messages[at])),
            now: DateTime::parse_from_rfc3339(sent_at).map(|time| time.to_utc()).unwrap_or_default(),
            clock: Clock {
                timezone: request["business"]["timezone"].as_str().unwrap_or_default(),
                hours: &request["business_hours"],
                calendar: &request["calendar"],
            },
        }
    }

    /// The slot that the customer agreed to: a yes with a time in it, or a yes to a reply that offered one.
    fn agreed_slot(&self) -> Option<DateTime<chrono::FixedOffset>> {
        let offered = || self.clock.named(self.last_reply, self.now);
        let slot = self.clock.named(&self.newest, self.now).or_else(offered)?;
        words::agrees(&self.newest).then_some(slot)
    }
}

/// Answers a valid request.
pub(super) fn answer(request: &Value) -> Value {
    let reading = Reading::of(request);
    let emergency = request["priority"] == "emergency" || words::is_emergency(&reading.newest);
    let (job_type, spoken) = job(&reading, emergency);
    let urgent = reading.said.iter().any(|text| words::is_urgent(text));
    let urgency = if emergency {
        "emergency"
    } else if urgent {
        "urgent"
    } else {
        "normal"
    };
    let mut answer = json!({
        "success": true,
        "job_type": job_type,
        "urgency_level": urgency,
        "emergency_detected": emergency,
    });
    match reading.agreed_slot().filter(|_| !emergency) {
        Some(slot) => {
            let when = speak(slot, reading.clock.local(reading.now));
            let trade = words::spoken(reading.trade);
            answer["message_to_customer"] = json!(format!(
                "Perfect, your {trade} appointment is requested for {when}. {} will confirm it.",
                reading.name
            ));
            answer["confidence"] = json!(0.97);
            answer["appointment"] = json!({
                "starts_at": slot.to_rfc3339(),
                "ends_at": (slot + APPOINTMENT).to_rfc3339(),
                "notes": reading.newest,
            });
            answer["conversation_complete"] = json!(true);
            answer["outcome"] = json!("appointment_requested");
            answer["summary"] =
                json!(format!("Customer needs help with {spoken} ({job_type}); appointment requested for {when}."));
        }
        None => {
            answer["message_to_customer"] = json!(proposal(&reading, request, &job_type, spoken, emergency));
            let known = !job_type.ends_with("_service");
            answer["confidence"] = json!(if emergency {
                0.96
            } else if known {
                0.93
            } else {
                0.74
            });
        }
    }
    answer
}

fn job(reading: &Reading<'_>, emergency: bool) -> (String, &'static str) {
    let found = reading.said.iter().find_map(|text| words::job(reading.trade, text));
    let spoken = found.map_or("this", |(_, spoken)| spoken);
    let ever = emergency || reading.said.iter().any(|text| words::is_emergency(text));
    match found {
        _ if ever => (format!("{}_emergency", reading.trade), spoken),
        Some((kind, _)) => (kind.to_owned(), spoken),
        None => (format!("{}_service", reading.trade), spoken),
    }
}

fn proposal(reading: &Reading<'_>, request: &Value, job_type: &str, spoken: &str, emergency: bool) -> String {
    let slot = reading.clock.named(&reading.newest, reading.now);
    let slot = slot.unwrap_or_else(|| reading.clock.next_slot(reading.now, emergency));
    let when = speak(slot, reading.clock.local(reading.now));
    let trade = words::spoken(reading.trade);
    if emergency {
        let safety = words::safety(reading.trade, &reading.newest);
        return format!(
            "This sounds like an emergency. {safety} Our on-call {trade} technician can come {when}. Reply YES to confirm."
        );
    }
    let price = match price_range(&request["job_estimates"], job_type) {
        Some((low, high)) => format!(" That is usually ${low} to ${high}."),
        None => String::new(),
    };
    format!(
        "Thanks for reaching {}. We can help with {spoken}: our {trade} technician can come {when}.{price} Does that work?",
        reading.name
    )
}

/// The price range of the estimate for this job; estimates have the form `{job_type, min, max}` or similar.
pub(super) fn price_range(estimates: &Value, job_type: &str) -> Option<(u64, u64)> {
    let number = |estimate: &Value, keys: &[&str]| keys.iter().find_map(|key| estimate[*key].as_f64());
    let range = |estimate: &Value| {
        let low = number(estimate, &["min", "min_price", "price_min", "low", "estimate_min", "estimated_cost_min"])?;
        let high = number(estimate, &["max", "max_price", "price_max", "high", "estimate_max", "estimated_cost_max"])?;
        // The whole dollars inside the range.
        let (low, high) = (low.ceil(), high.floor());
        (0.0 <= low && low <= high).then_some((low as u64, high as u64))
    };
    let estimates = estimates.as_array()?;
    let named =
        estimates.iter().find(|estimate| ["job_type", "type", "name"].iter().any(|key| estimate[*key] == job_type));
    named.and_then(range)
}
