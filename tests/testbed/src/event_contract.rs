//! `openapi/asyncapi.yaml` as the judge of events: whether one that was received may be sent at all, with that content, on
//! that channel.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use anyhow::{Context, anyhow, bail, ensure};
use jsonschema::{Draft, Validator};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::servers::workspace_root;

/// The document that is kept, read once.
static COMMITTED: LazyLock<Result<EventContract, String>> =
    LazyLock::new(|| EventContract::read().map_err(|error| format!("{error:#}")));

/// The events that the document allows.
pub struct EventContract {
    document: Value,
    /// The schemas that were needed so far, by their reference.
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

impl EventContract {
    /// The document that is kept.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn committed() -> anyhow::Result<&'static Self> {
        COMMITTED.as_ref().map_err(|error| anyhow!("openapi/asyncapi.yaml: {error}"))
    }

    fn read() -> anyhow::Result<Self> {
        Self::of(&fs::read_to_string(workspace_root().join("openapi/asyncapi.yaml"))?)
    }

    /// The events that a document allows.
    ///
    /// # Errors
    /// If it is not YAML.
    pub fn of(document: &str) -> anyhow::Result<Self> {
        Ok(Self { document: serde_saphyr::from_str(document)?, validators: Mutex::default() })
    }

    /// The document.
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// An event in NMC_EVENTS, or on its subject.
    ///
    /// # Errors
    /// If the document does not allow it; names what is wrong.
    pub fn jetstream(&self, subject: &str, headers: &BTreeMap<String, String>, payload: &[u8]) -> anyhow::Result<()> {
        let event: Value = serde_json::from_slice(payload).with_context(|| format!("{subject}: not JSON"))?;
        let channel = if event["event_type"] == "service.probed" { "probes" } else { "jetstream" };
        let message = self.message(channel, &event).with_context(|| subject.to_owned())?;
        let about = |error: anyhow::Error| error.context(format!("{subject}: {event}"));
        self.payload(message, &event).map_err(about)?;
        self.valid(&message["headers"], &json!(headers)).map_err(about)?;
        let address = self.document["channels"][channel]["address"].as_str().context("no address")?;
        let expected = filled(address, &event);
        ensure!(subject == expected, "{subject}: the document says {expected}");
        for (header, field) in [("Nats-Msg-Id", "event_id"), ("ce-id", "event_id"), ("ce-type", "event_type")] {
            let (found, event) = (headers.get(header).map(String::as_str), event[field].as_str());
            ensure!(found == event, "{subject}: {header} is {found:?}, {field} is {event:?}");
        }
        Ok(())
    }

    /// An event on the channel of Redis.
    ///
    /// # Errors
    /// If the document does not allow it; names what is wrong.
    pub fn redis(&self, event: &Value) -> anyhow::Result<()> {
        let message = self.message("redis", event).with_context(|| event.to_string())?;
        self.payload(message, event).with_context(|| event.to_string())
    }

    /// The fields of an entry of the log of Redis.
    ///
    /// # Errors
    /// If the document does not allow it; names what is wrong.
    pub fn log_entry(&self, fields: &Value) -> anyhow::Result<()> {
        let message = &self.document["channels"]["log"]["messages"]["LogEntry"];
        self.payload(message, fields).with_context(|| fields.to_string())?;
        let event: Value = serde_json::from_str(fields["event"].as_str().unwrap_or_default())?;
        ensure!(event["event_id"] == fields["event_id"], "the entry is of another event: {fields}");
        self.redis(&event)
    }

    /// A Server-Sent Event.
    ///
    /// # Errors
    /// If the document does not allow it; names what is wrong.
    pub fn server_sent(&self, id: &str, event_type: &str, event: &Value) -> anyhow::Result<()> {
        let message = self.message("sse", event).with_context(|| event.to_string())?;
        self.payload(message, event).with_context(|| event.to_string())?;
        self.valid(&message["headers"], &json!({ "id": id, "event": event_type }))?;
        ensure!(event["event_type"] == event_type, "`event` is {event_type}: {event}");
        Ok(())
    }

    /// Holds the document's examples to its schemas. Returns how many there are.
    ///
    /// # Errors
    /// If one is not allowed.
    pub fn check_examples(&self) -> anyhow::Result<usize> {
        let mut count = 0;
        for (name, channel) in self.document["channels"].as_object().context("no channels")? {
            for message in channel["messages"].as_object().into_iter().flat_map(|all| all.values()) {
                let message = self.resolved(message)?;
                for example in message["examples"].as_array().into_iter().flatten() {
                    let at = || format!("{name}: the example {} of {}", example["name"], message["name"]);
                    self.payload(message, &example["payload"]).with_context(at)?;
                    if let Some(headers) = example.get("headers") {
                        self.valid(&message["headers"], headers).with_context(at)?;
                    }
                    count += 1;
                }
            }
        }
        Ok(count)
    }

    /// The message of a channel for an event of this type.
    fn message(&self, channel: &str, event: &Value) -> anyhow::Result<&Value> {
        let event_type = event["event_type"].as_str().context("no event_type")?;
        let messages = self.document["channels"][channel]["messages"].as_object().context("no such channel")?;
        for message in messages.values() {
            let message = self.resolved(message)?;
            if message["name"] == event_type {
                return Ok(message);
            }
        }
        bail!("the channel {channel} has no event {event_type}")
    }

    fn resolved<'a>(&'a self, value: &'a Value) -> anyhow::Result<&'a Value> {
        match value.get("$ref").and_then(Value::as_str) {
            Some(reference) => {
                self.document.pointer(reference.trim_start_matches('#')).with_context(|| format!("no {reference}"))
            }
            None => Ok(value),
        }
    }

    fn payload(&self, message: &Value, event: &Value) -> anyhow::Result<()> {
        self.valid(&message["payload"], event)
    }

    /// Validates against a schema that is referred to.
    fn valid(&self, schema: &Value, instance: &Value) -> anyhow::Result<()> {
        let reference = schema["$ref"].as_str().context("the schema has no name")?;
        let errors: Vec<String> = self
            .validator(reference)?
            .iter_errors(instance)
            .map(|error| format!("{} {error}", error.instance_path()))
            .collect();
        ensure!(errors.is_empty(), "{}", errors.join("; "));
        Ok(())
    }

    fn validator(&self, reference: &str) -> anyhow::Result<Arc<Validator>> {
        let mut known = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(validator) = known.get(reference) {
            return Ok(Arc::clone(validator));
        }
        // In draft 7, what stands beside `$ref` has no effect.
        let schema = json!({
            "components": { "schemas": self.document["components"]["schemas"] },
            "allOf": [{ "$ref": reference }],
        });
        let validator = jsonschema::options()
            .with_draft(Draft::Draft7)
            .should_validate_formats(true)
            .with_format("uuid", |text: &str| Uuid::parse_str(text).is_ok())
            .build(&schema)
            .map_err(|error| anyhow!("{reference}: {error}"))?;
        let validator = Arc::new(validator);
        known.insert(reference.to_owned(), Arc::clone(&validator));
        Ok(validator)
    }
}

/// The address of an event, with its parameters.
fn filled(address: &str, event: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("_").to_owned();
    address
        .replace("{event_type}", &text(&event["event_type"]))
        .replace("{conversation_id}", &text(&event["conversation_id"]))
        .replace("{probe_id}", &text(&event["data"]["probe_id"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract() -> anyhow::Result<&'static EventContract> {
        EventContract::committed()
    }

    /// An example of the document, with its headers and the subject that they belong to.
    fn example(message: &str) -> anyhow::Result<(String, BTreeMap<String, String>, Value)> {
        let channel = &contract()?.document()["channels"]["jetstream"];
        let example = &channel["messages"][message]["examples"][0];
        let event = example["payload"].clone();
        let headers = serde_json::from_value(example["headers"].clone())?;
        Ok((filled(channel["address"].as_str().context("an address")?, &event), headers, event))
    }

    fn judged(change: impl FnOnce(&mut String, &mut BTreeMap<String, String>, &mut Value)) -> anyhow::Result<String> {
        let (mut subject, mut headers, mut event) = example("MessageSent")?;
        change(&mut subject, &mut headers, &mut event);
        let judged = contract()?.jetstream(&subject, &headers, event.to_string().as_bytes());
        Ok(judged.map_or_else(|error| format!("{error:#}"), |()| "allowed".to_owned()))
    }

    #[test]
    fn the_documents_own_examples_are_allowed() -> anyhow::Result<()> {
        assert!(contract()?.check_examples()? >= 40);
        assert_eq!(judged(|_, _, _| {})?, "allowed");
        Ok(())
    }

    #[test]
    fn what_the_document_does_not_name_is_not_allowed() -> anyhow::Result<()> {
        let unknown_field = judged(|_, _, event| event["data"]["colour"] = "red".into())?;
        assert!(unknown_field.contains("colour"), "{unknown_field}");
        let in_the_envelope = judged(|_, _, event| event["version"] = 2.into())?;
        assert!(in_the_envelope.contains("version"), "{in_the_envelope}");
        let unknown_type = judged(|_, _, event| event["event_type"] = "message.lost".into())?;
        assert!(unknown_type.contains("no event message.lost"), "{unknown_type}");
        let unknown_word = judged(|_, _, event| event["data"]["kind"] = "greeting".into())?;
        assert!(unknown_word.contains("greeting"), "{unknown_word}");
        Ok(())
    }

    #[test]
    fn what_is_missing_or_of_another_form_is_not_allowed() -> anyhow::Result<()> {
        let without_customer = judged(|_, _, event| event["customer_phone"] = Value::Null)?;
        assert!(without_customer.contains("customer_phone"), "{without_customer}");
        let no_id = judged(|_, _, event| event["event_id"] = "one".into())?;
        assert!(no_id.contains("uuid"), "{no_id}");
        let no_time = judged(|_, _, event| event["occurred_at"] = "yesterday".into())?;
        assert!(no_time.contains("date-time"), "{no_time}");
        let nothing = judged(|_, _, event| *event = json!({}))?;
        assert!(nothing.contains("no event_type"), "{nothing}");
        Ok(())
    }

    #[test]
    fn subject_and_headers_agree_with_the_event() -> anyhow::Result<()> {
        let elsewhere = judged(|subject, _, _| *subject = "nmc.event.message.sent._".to_owned())?;
        assert!(elsewhere.contains("the document says"), "{elsewhere}");
        let no_type = judged(|_, headers, _| drop(headers.remove("ce-type")))?;
        assert!(no_type.contains("ce-type"), "{no_type}");
        let of_another = judged(|_, headers, _| drop(headers.insert("ce-id".to_owned(), Uuid::nil().to_string())))?;
        assert!(of_another.contains("ce-id"), "{of_another}");
        Ok(())
    }

    #[test]
    fn an_entry_of_the_log_holds_one_event_of_the_same_id() -> anyhow::Result<()> {
        let (_, _, event) = example("CallMissed")?;
        let contract = contract()?;
        let entry = json!({ "event_id": event["event_id"], "event": event.to_string() });
        contract.log_entry(&entry)?;
        let of_another = json!({ "event_id": Uuid::nil(), "event": event.to_string() });
        assert!(contract.log_entry(&of_another).is_err());
        contract.server_sent("7", "call.missed", &event)?;
        assert!(contract.server_sent("seven", "call.missed", &event).is_err());
        assert!(contract.server_sent("7", "call.answered", &event).is_err());
        Ok(())
    }
}
