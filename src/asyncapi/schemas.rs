//! The schemas of the events: JSON Schema draft 7, as AsyncAPI has it, closed.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::domain::conversation::{Envelope, EventType, Subject};
use crate::worker::probe::{self, ProbedData};

/// Where the schemas are in the document.
const PATH: &str = "/components/schemas";

/// The schemas of the document.
pub(super) struct Schemas {
    generator: SchemaGenerator,
    own: Map<String, Value>,
}

impl Default for Schemas {
    fn default() -> Self {
        let settings = SchemaSettings::draft07().for_serialize().with(|settings| {
            settings.meta_schema = None;
            settings.definitions_path = PATH.into();
        });
        Self { generator: settings.into_generator(), own: Map::new() }
    }
}

impl Schemas {
    /// Adds a schema, and returns a reference to it.
    pub(super) fn add(&mut self, name: &str, schema: Value) -> Value {
        self.own.insert(name.to_owned(), schema);
        reference(name)
    }

    /// The envelope of a type of event, under the name of the event's message.
    pub(super) fn event(&mut self, name: &str, event_type: EventType) -> Value {
        let data = event_type.data_schema(&mut self.generator).to_value();
        let envelope = self.envelope(event_type.as_str(), event_type.summary(), event_type.subject(), data);
        self.add(&format!("{name}Event"), envelope)
    }

    /// The envelope of the event of a probe.
    pub(super) fn probed(&mut self) -> Value {
        let data = self.generator.subschema_for::<ProbedData>().to_value();
        let envelope = self.envelope(probe::EVENT_TYPE, "A probe was processed.", Subject::Service, data);
        self.add("ServiceProbedEvent", envelope)
    }

    /// The schema of the envelope, with the type of the event, its data, and what is null.
    fn envelope(&mut self, event_type: &str, description: &str, subject: Subject, data: Value) -> Value {
        let mut envelope = Envelope::json_schema(&mut self.generator).to_value();
        envelope["description"] = description.into();
        envelope["properties"]["event_type"] = json!({ "type": "string", "const": event_type });
        envelope["properties"]["data"] = data;
        if let Some(required) = envelope["required"].as_array_mut() {
            required.push("data".into());
        }
        for (field, fixed) in fixed_types(subject) {
            envelope["properties"][field]["type"] = (*fixed).into();
            if *fixed == "null"
                && let Some(schema) = envelope["properties"][field].as_object_mut()
            {
                schema.remove("format");
            }
        }
        envelope
    }

    /// All schemas, closed.
    pub(super) fn into_components(mut self) -> Value {
        let mut all = self.generator.take_definitions(true);
        all.append(&mut self.own);
        let mut all = Value::Object(all);
        close(&mut all);
        all
    }
}

/// A reference to a schema of the document.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#{PATH}/{name}") })
}

/// The fields of the envelope that are always null, or never, in events about this.
fn fixed_types(subject: Subject) -> &'static [(&'static str, &'static str)] {
    match subject {
        Subject::Conversation => &[
            ("business_id", "string"),
            ("user_id", "string"),
            ("conversation_id", "string"),
            ("customer_phone", "string"),
        ],
        Subject::Call => &[("business_id", "string"), ("user_id", "string")],
        Subject::Business => {
            &[("business_id", "string"), ("user_id", "string"), ("conversation_id", "null"), ("customer_phone", "null")]
        }
        Subject::Service => {
            &[("business_id", "null"), ("user_id", "null"), ("conversation_id", "null"), ("customer_phone", "null")]
        }
    }
}

/// Forbids fields that an object's schema does not name.
fn close(value: &mut Value) {
    match value {
        Value::Object(schema) => {
            if schema.get("type").and_then(Value::as_str) == Some("object") {
                schema.entry("additionalProperties").or_insert(false.into());
            }
            schema.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn all() -> Value {
        let mut schemas = Schemas::default();
        for event_type in EventType::ALL {
            schemas.event(event_type.as_str(), *event_type);
        }
        schemas.into_components()
    }

    #[test]
    fn every_object_is_closed_and_described() {
        for (name, schema) in all().as_object().unwrap() {
            if schema["type"] != "object" {
                continue;
            }
            assert_eq!(schema["additionalProperties"], false, "{name}");
            for (field, of) in schema["properties"].as_object().into_iter().flatten() {
                let is_plain = ["event_type", "data"].contains(&field.as_str());
                assert!(is_plain || of["description"].is_string(), "{name}.{field}");
            }
        }
    }

    #[test]
    fn a_field_that_is_always_sent_is_required_even_if_it_may_be_null() {
        let all = all();
        let failed = &all["MessageFailedData"];
        assert_eq!(failed["properties"]["why"]["type"], json!(["string", "null"]));
        for field in ["message_id", "reason", "why"] {
            assert!(failed["required"].as_array().unwrap().contains(&field.into()), "{field}: {failed}");
        }
        let optional = &all["EmergencyDetectedData"]["required"];
        assert!(!optional.as_array().unwrap().contains(&"words".into()), "{optional}");
    }

    #[test]
    fn what_an_event_is_about_decides_what_is_null() {
        let all = all();
        let of = |event: &str, field: &str| all[format!("{event}Event")]["properties"][field]["type"].clone();
        assert_eq!(of("message.sent", "conversation_id"), "string");
        assert_eq!(of("call.missed", "conversation_id"), json!(["string", "null"]));
        assert_eq!(of("call.missed", "business_id"), "string");
        assert_eq!(of("business.number_verified", "customer_phone"), "null");
        assert_eq!(of("service.degraded", "business_id"), "null");
    }
}
