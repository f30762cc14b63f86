//! The AsyncAPI document: every event as it is sent on JetStream, on Redis and as a Server-Sent Event (docs/contract.md,
//! section 5). `nevermisscall asyncapi` prints it; `openapi/asyncapi.yaml` is the copy that is kept.
//!
//! Schemas and examples come from the types that are published, so the document cannot say less or more than they do.
//! Schemas are closed: a field that is not in the document is an error to a validator.

mod channels;
mod examples;
mod messages;
mod schemas;
mod yaml;

use serde_json::{Value, json};

use messages::Messages;
use schemas::Schemas;

/// The document, as YAML.
pub fn asyncapi() -> String {
    yaml::document(&parts())
}

/// The parts of the document, in the order in which a person reads them.
fn parts() -> Vec<(&'static str, Value)> {
    let mut schemas = Schemas::default();
    let messages = Messages::of(&mut schemas);
    vec![
        ("asyncapi", "3.0.0".into()),
        ("info", info()),
        ("defaultContentType", "application/json".into()),
        ("servers", channels::servers()),
        ("channels", channels::channels(&messages)),
        ("operations", channels::operations()),
        (
            "components",
            json!({
                "securitySchemes": { "apiKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A key that `nevermisscall keys create` has printed.",
                } },
                "messages": messages.components(),
                "schemas": schemas.into_components(),
            }),
        ),
    ]
}

fn info() -> Value {
    json!({
        "title": "NeverMissCall: events",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "What became of each call and text. The same envelope is sent on JetStream, on Redis and as a \
            Server-Sent Event. Delivery is at least once: a subscriber knows an event again by its `event_id`. Types \
            and fields are added within a major version, never removed: ignore those that you do not know.",
        "license": { "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" },
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_to_something() {
        let document = Value::Object(parts().into_iter().map(|(name, part)| (name.to_owned(), part)).collect());
        let mut references = Vec::new();
        collect(&document, &mut references);
        assert!(references.len() > 100, "{}", references.len());
        for reference in references {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    fn collect(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                into.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|field| collect(field, into));
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
            _ => {}
        }
    }

    #[test]
    fn what_the_document_describes_is_used() {
        let parts = parts();
        let text = yaml::document(&parts);
        let (_, components) = parts.into_iter().find(|(name, _)| *name == "components").unwrap();
        for kind in ["messages", "schemas"] {
            for name in components[kind].as_object().unwrap().keys() {
                assert!(text.contains(&format!("\"#/components/{kind}/{name}\"")), "{kind}: {name} is not used");
            }
        }
    }
}
