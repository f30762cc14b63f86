//! The messages of the document: one for each type of event, as Redis and Server-Sent Events carry it, and with the headers
//! that JetStream adds.

use serde_json::{Map, Value, json};

use super::examples::{self, Example};
use super::schemas::{Schemas, reference};
use crate::domain::conversation::EventType;
use crate::worker::probe;

/// The schema of JetStream's headers.
const HEADERS: &str = "EventHeaders";
/// The schema of the fields of a Server-Sent Event besides its data.
const SSE_FIELDS: &str = "ServerSentEventFields";

/// A message, before it is written for a channel.
struct Message {
    name: String,
    event_type: &'static str,
    summary: &'static str,
    payload: Value,
    examples: Vec<Example>,
}

/// The messages of all channels.
pub(super) struct Messages {
    events: Vec<Message>,
    probed: Message,
}

impl Messages {
    /// The messages; their schemas are added to `schemas`.
    pub(super) fn of(schemas: &mut Schemas) -> Self {
        schemas.add(HEADERS, headers());
        schemas.add(SSE_FIELDS, sse_fields());
        schemas.add("LogEntryFields", log_entry_fields());
        let mut events: Vec<Message> = Vec::new();
        for event_type in EventType::ALL {
            let name = name(event_type.as_str());
            events.push(Message {
                payload: schemas.event(&name, *event_type),
                event_type: event_type.as_str(),
                summary: event_type.summary(),
                examples: examples::of(*event_type),
                name,
            });
        }
        let probed = Message {
            name: name(probe::EVENT_TYPE),
            event_type: probe::EVENT_TYPE,
            summary: "A probe was processed.",
            payload: schemas.probed(),
            examples: vec![examples::probed()],
        };
        Self { events, probed }
    }

    /// The messages that several channels carry.
    pub(super) fn components(&self) -> Value {
        let events = self.events.iter().map(|message| {
            let payload_only = |example: &Example| json!({ "name": example.name, "payload": example.payload });
            let mut value = message.value();
            value["examples"] = message.examples.iter().map(payload_only).collect();
            (message.name.clone(), value)
        });
        Value::Object(events.collect())
    }

    /// The messages of the Redis channel.
    pub(super) fn on_redis(&self) -> Value {
        self.each(|message| json!({ "$ref": format!("#/components/messages/{}", message.name) }))
    }

    /// The messages of the Redis stream.
    pub(super) fn in_the_log(&self) -> Value {
        let example = self.events.iter().find_map(|message| message.examples.first());
        let payload = example
            .map(|example| json!({ "event_id": example.payload["event_id"], "event": example.payload.to_string() }));
        json!({ "LogEntry": {
            "name": "LogEntry",
            "title": "An entry of the log",
            "summary": "An event of the channel `conversation.events`.",
            "payload": reference("LogEntryFields"),
            "examples": [{ "name": "entry", "payload": payload }],
        } })
    }

    /// The messages of JetStream, with their headers.
    pub(super) fn on_jetstream(&self) -> Value {
        self.each(Message::with_headers)
    }

    /// The message of a probe.
    pub(super) fn of_probes(&self) -> Value {
        json!({ (self.probed.name.as_str()): self.probed.with_headers() })
    }

    /// The messages of the event stream, with the fields of a Server-Sent Event.
    pub(super) fn over_http(&self) -> Value {
        self.each(|message| {
            let mut value = message.value();
            value["headers"] = reference(SSE_FIELDS);
            value
        })
    }

    /// The types of events.
    pub(super) fn event_types(&self) -> Vec<&'static str> {
        self.events.iter().map(|message| message.event_type).collect()
    }

    fn each(&self, written: impl Fn(&Message) -> Value) -> Value {
        let messages = self.events.iter().map(|message| (message.name.clone(), written(message)));
        Value::Object(messages.collect::<Map<_, _>>())
    }
}

impl Message {
    fn value(&self) -> Value {
        json!({
            "name": self.event_type,
            "title": self.event_type,
            "summary": self.summary,
            "contentType": "application/json",
            "payload": self.payload,
        })
    }

    fn with_headers(&self) -> Value {
        let mut value = self.value();
        value["headers"] = reference(HEADERS);
        let whole =
            |example: &Example| json!({ "name": example.name, "headers": example.headers, "payload": example.payload });
        value["examples"] = self.examples.iter().map(whole).collect();
        value
    }
}

/// `conversation.ai_taken` as `ConversationAiTaken`: the parts of a document have names without dots.
fn name(event_type: &str) -> String {
    let words = event_type.split(['.', '_']);
    words.map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

/// The headers that the service sets. NATS adds headers of its own, so these are not closed.
fn headers() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let fixed = |value: &str| json!({ "type": "string", "const": value });
    let properties = json!({
        "Nats-Msg-Id": { "type": "string", "format": "uuid", "description": "The `event_id`: JetStream stores it once." },
        "ce-specversion": fixed("1.0"),
        "ce-id": { "type": "string", "format": "uuid", "description": "The `event_id`." },
        "ce-source": fixed("nevermisscall"),
        "ce-type": text("The `event_type`."),
        "ce-subject": text("What `sequence` counts within: a conversation, a call, a business, a service or a probe."),
        "ce-time": { "type": "string", "format": "date-time", "description": "The `occurred_at`." },
        "ce-datacontenttype": fixed("application/json"),
        "content-type": fixed("application/json"),
        "traceparent": {
            "type": "string",
            "pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
            "description": "The trace that the event belongs to (W3C Trace Context).",
        },
    });
    let required: Vec<&String> = properties.as_object().into_iter().flat_map(Map::keys).collect();
    json!({
        "type": "object",
        "description": "CloudEvents attributes, and the trace. NATS may add headers of its own, which begin with `Nats-`.",
        "required": required,
        "properties": properties,
        "additionalProperties": true,
    })
}

fn sse_fields() -> Value {
    json!({
        "type": "object",
        "description": "The fields of a Server-Sent Event besides `data`, which has the payload.",
        "required": ["id", "event"],
        "properties": {
            "id": {
                "type": "string",
                "pattern": "^[0-9]+$",
                "description": "The position in the stream, to resume from with `Last-Event-ID`.",
            },
            "event": { "type": "string", "description": "The `event_type`." },
        },
    })
}

fn log_entry_fields() -> Value {
    json!({
        "type": "object",
        "description": "The fields of an entry of the stream.",
        "required": ["event_id", "event"],
        "properties": {
            "event_id": { "type": "string", "format": "uuid", "description": "The `event_id` of the event." },
            "event": {
                "type": "string",
                "contentMediaType": "application/json",
                "description": "The event, as it was published on `conversation.events`.",
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_named_after_its_type() {
        assert_eq!(name("conversation.ai_timer_started"), "ConversationAiTimerStarted");
        assert_eq!(name("call.missed"), "CallMissed");
    }
}
