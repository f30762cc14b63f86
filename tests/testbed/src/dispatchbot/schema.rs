//! Holds JSON to `openapi/dispatch-bot-ai.json`: the keywords of JSON Schema that the file uses, and no others.

use std::collections::HashMap;
use std::sync::LazyLock;

use chrono::DateTime;
use regex::Regex;
use serde_json::Value;

static FILE: LazyLock<Schemas> =
    LazyLock::new(|| Schemas::read(include_str!("../../../../openapi/dispatch-bot-ai.json")));

/// The schemas of an OpenAPI document, by name.
struct Schemas {
    schemas: Value,
    patterns: HashMap<String, Regex>,
}

/// How the value differs from the schema of that name in the file, as `field: what`; empty if it fits.
pub(super) fn problems(name: &str, value: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    match FILE.schemas.get(name) {
        Some(schema) => FILE.check(schema, value, name, &mut problems),
        None => problems.push(format!("{name}: no such schema")),
    }
    problems
}

impl Schemas {
    fn read(document: &str) -> Self {
        let document: Value = serde_json::from_str(document).unwrap_or_default();
        let schemas = document["components"]["schemas"].clone();
        let mut patterns = HashMap::new();
        collect_patterns(&schemas, &mut patterns);
        Self { schemas, patterns }
    }

    fn check(&self, schema: &Value, value: &Value, at: &str, problems: &mut Vec<String>) {
        for (keyword, rule) in schema.as_object().into_iter().flatten() {
            if let Some(what) = self.violated(keyword, rule, value) {
                problems.push(format!("{at}: {what}"));
            }
            match keyword.as_str() {
                "$ref" => match rule.as_str().and_then(|path| self.schemas.get(path.rsplit('/').next()?)) {
                    Some(schema) => self.check(schema, value, at, problems),
                    None => problems.push(format!("{at}: the schema names no other: {rule}")),
                },
                "properties" => self.check_properties(rule, value, at, problems),
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(rule, item, &format!("{at}[{index}]"), problems);
                    }
                }
                "additionalProperties" => {
                    let known = |name: &String| schema["properties"].get(name).is_some();
                    let unknown = value.as_object().into_iter().flat_map(|object| object.keys());
                    problems.extend(unknown.filter(|name| !known(name)).map(|name| format!("{at}.{name}: unknown")));
                }
                _ => {}
            }
        }
    }

    fn check_properties(&self, properties: &Value, value: &Value, at: &str, problems: &mut Vec<String>) {
        for (name, schema) in properties.as_object().into_iter().flatten() {
            if let Some(value) = value.get(name) {
                self.check(schema, value, &format!("{at}.{name}"), problems);
            }
        }
    }

    /// What is wrong by a keyword that needs nothing but its own value. Each applies only to its type, as JSON Schema has
    /// it.
    fn violated(&self, keyword: &str, rule: &Value, value: &Value) -> Option<String> {
        let length = || value.as_str().map(|text| text.chars().count() as u64);
        let fits = match keyword {
            "type" => is_of_type(rule.as_str()?, value),
            "enum" => rule.as_array()?.contains(value),
            "required" => {
                let fields = rule.as_array()?.iter().filter_map(Value::as_str);
                let missing = fields.filter(|field| value.is_object() && value.get(field).is_none());
                let missing: Vec<&str> = missing.collect();
                return (!missing.is_empty()).then(|| format!("lacks {}", missing.join(", ")));
            }
            "minLength" => length()? >= rule.as_u64()?,
            "maxLength" => length()? <= rule.as_u64()?,
            "minimum" => value.as_f64()? >= rule.as_f64()?,
            "maximum" => value.as_f64()? <= rule.as_f64()?,
            "pattern" => self.patterns.get(rule.as_str()?)?.is_match(value.as_str()?),
            "format" => rule == "date-time" && DateTime::parse_from_rfc3339(value.as_str()?).is_ok(),
            "anyOf" => rule.as_array()?.iter().any(|schema| {
                let mut problems = Vec::new();
                self.check(schema, value, "", &mut problems);
                problems.is_empty()
            }),
            "$ref" | "properties" | "items" | "additionalProperties" | "description" => true,
            _ => return Some(format!("the schema has a keyword that is not checked: {keyword}")),
        };
        (!fits).then(|| format!("{value} does not fit {keyword} {rule}"))
    }
}

fn is_of_type(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "null" => value.is_null(),
        _ => false,
    }
}

/// Every pattern of the schemas. One that is not a regular expression stays out, and then fits nothing.
fn collect_patterns(schema: &Value, patterns: &mut HashMap<String, Regex>) {
    match schema {
        Value::Object(fields) => {
            if let Some(pattern) = fields.get("pattern").and_then(Value::as_str)
                && let Ok(regex) = Regex::new(pattern)
            {
                patterns.insert(pattern.to_owned(), regex);
            }
            fields.values().for_each(|schema| collect_patterns(schema, patterns));
        }
        Value::Array(schemas) => schemas.iter().for_each(|schema| collect_patterns(schema, patterns)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A request that fits, with all that may be absent.
    fn request() -> Value {
        json!({
            "caller_phone": "+12125551234", "called_number": "+15555551111",
            "conversation_history": [
                {"timestamp": "2026-01-05T14:00:00Z", "sender": "system", "message": "Hi", "message_type": "sms"},
            ],
            "current_message": "My sink leaks", "business_name": "Pipes", "trade_type": "plumbing",
            "business_hours": {"monday": {"start": "08:00", "end": "18:00"}, "sunday": null},
            "phone_hours": {"always_available": true},
            "business_address": {"street_address": "1 Main St", "city": "Albany", "state": "NY", "postal_code": "12207"},
            "job_estimates": [
                {"job_type": "leak", "description": "A leak", "estimated_hours": 2, "estimated_cost_min": 100,
                 "estimated_cost_max": 200.5, "requires_parts": true, "buffer_minutes": 30},
            ],
            "business_settings": {
                "accept_emergencies": true, "max_jobs_per_day": 8, "service_radius_miles": 25,
                "emergency_service_enabled": true, "emergency_multiplier": 1.5,
            },
            "existing_calendar": [
                {"event_id": "e1", "start_time": "2026-01-05T14:00:00Z", "end_time": "2026-01-05T15:00:00-05:00",
                 "location_address": "12 Elm Street", "job_type": "leak", "booking_type": "blocked"},
            ],
            "weather_conditions": "Clear",
        })
    }

    #[test]
    fn a_request_by_the_schema_has_no_problems() {
        assert_eq!(problems("DispatchRequest", &request()), Vec::<String>::new());
    }

    #[test]
    fn each_mistake_is_found_where_it_is() {
        for (pointer, wrong, found) in [
            ("/caller_phone", json!("2125551234"), "caller_phone"),
            ("/current_message", json!("a".repeat(1601)), "current_message"),
            ("/trade_type", json!("roofing"), "trade_type"),
            ("/conversation_history/0/timestamp", json!("2026-01-05 14:00"), "conversation_history[0].timestamp"),
            ("/conversation_history/0/sender", json!("user"), "sender"),
            ("/business_hours/monday", json!({"start": "8:00", "end": "24:00"}), "business_hours.monday"),
            ("/business_address/state", json!("New York"), "state"),
            ("/business_address", json!({}), "lacks street_address, city, state, postal_code"),
            ("/job_estimates/0/estimated_hours", json!(0.25), "estimated_hours"),
            ("/job_estimates/0/buffer_minutes", json!(30.5), "buffer_minutes"),
            ("/business_settings/max_jobs_per_day", json!(51), "max_jobs_per_day"),
            ("/phone_hours", json!({"always_available": true, "from": "8"}), "from: unknown"),
            ("/business_settings/emergency_multiplier", json!(0.5), "emergency_multiplier"),
            ("/existing_calendar", json!({}), "existing_calendar"),
            ("/existing_calendar/0/event_id", json!("a".repeat(101)), "event_id"),
            ("/existing_calendar/0/location_address", json!("a".repeat(501)), "location_address"),
            ("/existing_calendar/0/job_type", json!("a".repeat(101)), "existing_calendar[0].job_type"),
            ("/job_estimates/0/job_type", json!("a".repeat(101)), "job_estimates[0].job_type"),
            ("/job_estimates/0/description", json!("a".repeat(501)), "description"),
            ("/business_address/street_address", json!("a".repeat(256)), "street_address"),
            ("/business_address/city", json!("a".repeat(101)), "city"),
            ("/business_address/postal_code", json!("12207-12345"), "postal_code"),
            ("/weather_conditions", json!({}), "weather_conditions"),
        ] {
            let mut request = request();
            *request.pointer_mut(pointer).unwrap() = wrong;
            let problems = problems("DispatchRequest", &request).join("; ");
            assert!(problems.contains(found), "{pointer}: {problems}");
        }
    }

    /// A keyword that nobody checks would be a promise that nobody keeps.
    #[test]
    fn every_schema_uses_only_keywords_that_are_checked() {
        fn walk(schema: &Value, seen: &mut Vec<String>) {
            for (keyword, rule) in schema.as_object().into_iter().flatten() {
                seen.push(keyword.clone());
                match keyword.as_str() {
                    "properties" => rule.as_object().into_iter().flatten().for_each(|(_, schema)| walk(schema, seen)),
                    "items" => walk(rule, seen),
                    "anyOf" => rule.as_array().into_iter().flatten().for_each(|schema| walk(schema, seen)),
                    _ => {}
                }
            }
        }
        let mut seen = Vec::new();
        FILE.schemas.as_object().into_iter().flatten().for_each(|(_, schema)| walk(schema, &mut seen));
        assert!(seen.len() > 200, "the file is read wrongly");
        for keyword in seen {
            let complaint = FILE.violated(&keyword, &Value::Null, &Value::Null).unwrap_or_default();
            assert!(!complaint.contains("not checked"), "{complaint}");
        }
        assert_eq!(FILE.patterns.len(), 3);
    }
}
