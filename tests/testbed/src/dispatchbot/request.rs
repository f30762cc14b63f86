//! Checks a request against the contract's shape and lists all problems, so that mistakes of our client show.

use chrono::{DateTime, NaiveTime};
use serde_json::{Map, Value};

/// The trades defined by the contract.
pub(super) const TRADES: [&str; 5] = ["plumbing", "electrical", "hvac", "locksmith", "garage_door"];

const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

const FIELDS: [&str; 12] = [
    "conversation_id",
    "window_id",
    "priority",
    "bypass_timer",
    "messages",
    "customer_phone",
    "business",
    "user_settings",
    "business_settings",
    "business_hours",
    "job_estimates",
    "calendar",
];

/// All missing or wrong fields, as `field: what`; empty if the request is valid.
pub(super) fn problems(request: &Value) -> Vec<String> {
    let Some(object) = request.as_object() else {
        return vec!["body: not an object".to_owned()];
    };
    let mut check = Check { problems: Vec::new() };
    for field in object.keys().filter(|field| !FIELDS.contains(&field.as_str())) {
        check.wrong(field, "not part of the contract");
    }
    check.text(object, "conversation_id", "");
    check.text(object, "window_id", "");
    check.one_of(object, "priority", "", &["normal", "emergency"]);
    check.that(object, "bypass_timer", "", "a boolean", Value::is_boolean);
    check.that(object, "customer_phone", "", "an E.164 number", |value| value.as_str().is_some_and(is_e164));
    check.that(object, "job_estimates", "", "an array of objects", is_object_array);
    check.that(object, "calendar", "", "an array of objects", is_object_array);
    check.messages(object);
    check.business(object);
    check.settings(object);
    check.hours(object);
    check.problems
}

struct Check {
    problems: Vec<String>,
}

impl Check {
    fn wrong(&mut self, field: &str, what: &str) {
        self.problems.push(format!("{field}: {what}"));
    }

    fn that(&mut self, object: &Map<String, Value>, field: &str, at: &str, is: &str, good: impl Fn(&Value) -> bool) {
        match object.get(field) {
            None => self.wrong(&format!("{at}{field}"), "missing"),
            Some(value) if !good(value) => self.wrong(&format!("{at}{field}"), &format!("is not {is}")),
            Some(_) => {}
        }
    }

    fn text(&mut self, object: &Map<String, Value>, field: &str, at: &str) {
        self.that(object, field, at, "a non-empty text", |value| value.as_str().is_some_and(|text| !text.is_empty()));
    }

    fn one_of(&mut self, object: &Map<String, Value>, field: &str, at: &str, allowed: &[&str]) {
        let good = |value: &Value| value.as_str().is_some_and(|text| allowed.contains(&text));
        self.that(object, field, at, &format!("one of {}", allowed.join(", ")), good);
    }

    fn messages(&mut self, object: &Map<String, Value>) {
        let non_empty = |value: &Value| value.as_array().is_some_and(|messages| !messages.is_empty());
        self.that(object, "messages", "", "a non-empty array", non_empty);
        for (index, message) in object.get("messages").and_then(Value::as_array).into_iter().flatten().enumerate() {
            let at = format!("messages[{index}].");
            let Some(message) = message.as_object() else {
                self.wrong(at.trim_end_matches('.'), "is not an object");
                continue;
            };
            self.one_of(message, "sender_type", &at, &["customer", "ai", "user"]);
            self.that(message, "body", &at, "a text", Value::is_string);
            self.that(message, "media", &at, "an array of {url, content_type}", |value| {
                let good = |item: &Value| item["url"].is_string() && item["content_type"].is_string();
                value.as_array().is_some_and(|items| items.iter().all(good))
            });
            self.that(message, "sent_at", &at, "an RFC 3339 time", |value| {
                value.as_str().is_some_and(|time| DateTime::parse_from_rfc3339(time).is_ok())
            });
        }
    }

    fn business(&mut self, object: &Map<String, Value>) {
        self.that(object, "business", "", "an object", Value::is_object);
        if let Some(business) = object.get("business").and_then(Value::as_object) {
            self.text(business, "id", "business.");
            self.text(business, "name", "business.");
            self.text(business, "timezone", "business.");
            self.one_of(business, "trade", "business.", &TRADES);
        }
    }

    fn settings(&mut self, object: &Map<String, Value>) {
        self.that(object, "user_settings", "", "an object", Value::is_object);
        self.that(object, "business_settings", "", "an object", Value::is_object);
        if object.get("user_settings") != object.get("business_settings") {
            self.wrong("business_settings", "does not equal user_settings");
        }
    }

    fn hours(&mut self, object: &Map<String, Value>) {
        self.that(object, "business_hours", "", "an object", Value::is_object);
        for (day, hours) in object.get("business_hours").and_then(Value::as_object).into_iter().flatten() {
            let at = format!("business_hours.{day}");
            if !DAYS.contains(&day.as_str()) {
                self.wrong(&at, "is not a day of the week");
            }
            let time =
                |key: &str| hours[key].as_str().is_some_and(|text| NaiveTime::parse_from_str(text, "%H:%M").is_ok());
            let good = hours.is_null() || (time("start") && time("end"));
            if !good {
                self.wrong(&at, "is neither null nor {start, end} as HH:MM");
            }
        }
    }
}

fn is_object_array(value: &Value) -> bool {
    value.as_array().is_some_and(|items| items.iter().all(Value::is_object))
}

fn is_e164(number: &str) -> bool {
    let Some(digits) = number.strip_prefix('+') else {
        return false;
    };
    (7..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit())
}
