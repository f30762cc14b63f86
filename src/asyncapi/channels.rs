//! The servers, channels and operations of the document. Actions are those of the service: it sends.

use serde_json::{Value, json};

use super::messages::Messages;
use crate::adapters::redis::{CHANNEL, LOG};

/// The servers are the operator's: their addresses are examples.
pub(super) fn servers() -> Value {
    json!({
        "nats": {
            "host": "localhost:4222",
            "protocol": "nats",
            "description": "The NATS servers of `NATS_URL`, with JetStream.",
        },
        "redis": {
            "host": "localhost:6379",
            "protocol": "redis",
            "description": "The Redis of `REDIS_URL`.",
        },
        "edge": {
            "host": "localhost:3701",
            "protocol": "http",
            "description": "The service itself, as `openapi.json` describes it.",
            "security": [{ "$ref": "#/components/securitySchemes/apiKey" }],
        },
    })
}

/// Where events are sent.
pub(super) fn channels(messages: &Messages) -> Value {
    json!({
        "jetstream": {
            "address": "nmc.event.{event_type}.{conversation_id}",
            "title": "The stream NMC_EVENTS of JetStream",
            "description": "Kept for 30 days. A durable consumer of your own misses no event.",
            "servers": [{ "$ref": "#/servers/nats" }],
            "parameters": {
                "event_type": {
                    "description": "The type of the event, two tokens of the subject.",
                    "enum": messages.event_types(),
                },
                "conversation_id": { "description": "The id of the conversation; `_` if there is none." },
            },
            "messages": messages.on_jetstream(),
        },
        "probes": {
            "address": "nmc.event.service.probed.{probe_id}",
            "title": "The answers to probes, in the same stream",
            "description": "They are deleted soon, and are on no other channel. A subscriber ignores them.",
            "servers": [{ "$ref": "#/servers/nats" }],
            "parameters": { "probe_id": { "description": "The `MessageSid` of the probe." } },
            "messages": messages.of_probes(),
        },
        "redis": {
            "address": CHANNEL,
            "title": "The channel of Redis",
            "description": "Each event is published once, those of a conversation in the order of `sequence`. Nobody \
                hears what is published while they are away: the log has it.",
            "servers": [{ "$ref": "#/servers/redis" }],
            "messages": messages.on_redis(),
        },
        "log": {
            "address": LOG,
            "title": "The stream of Redis that keeps the events",
            "description": "About 100,000 entries, none older than 30 days.",
            "servers": [{ "$ref": "#/servers/redis" }],
            "messages": messages.in_the_log(),
        },
        "sse": {
            "address": "/events",
            "title": "The event stream of the REST API",
            "description": "Server-Sent Events: new ones, or those after `Last-Event-ID`, for 30 days. A key hears of its \
                businesses only; events without a business are for every key.",
            "servers": [{ "$ref": "#/servers/edge" }],
            "messages": messages.over_http(),
        },
    })
}

/// What the service does on each channel.
pub(super) fn operations() -> Value {
    let sends = |channel: &str, summary: &str| json!({ "action": "send", "channel": { "$ref": format!("#/channels/{channel}") }, "summary": summary });
    let mut read = sends("sse", "Sends the events that a key may see to its reader.");
    let text = |description: &str| json!({ "type": "string", "description": description });
    read["bindings"] = json!({ "http": {
        "method": "GET",
        "query": {
            "type": "object",
            "properties": { "conversation_id": text("Only events of this conversation.") },
            "additionalProperties": false,
        },
        "bindingVersion": "0.3.0",
    } });
    json!({
        "publishToJetStream": sends("jetstream", "Publishes each event; at least once."),
        "answerProbe": sends("probes", "Reports that a probe was processed."),
        "publishToRedis": sends("redis", "Publishes each event to those who listen."),
        "appendToLog": sends("log", "Keeps each event for those who were away."),
        "streamToReader": read,
    })
}
