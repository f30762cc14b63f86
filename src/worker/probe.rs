//! The answer to a probe: an event, committed and published like any other. It has the envelope of docs/contract.md, so
//! that a subscriber of NMC_EVENTS can read it, but only the edge looks for it.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::adapters::jetstream::subjects;
use crate::domain::conversation::derive_id;
use crate::engine::cloud_event;
use crate::store::OutboxRow;
use crate::trace::Trace;

/// The type of the event.
pub const EVENT_TYPE: &str = "service.probed";

/// Data of `service.probed`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ProbedData {
    /// The `MessageSid` of the probe.
    pub probe_id: String,
    /// When the edge received the probe.
    pub received_at: DateTime<Utc>,
}

/// That a probe was processed.
pub fn probed(probe_id: &str, received_at: DateTime<Utc>, trace: &Trace, now: DateTime<Utc>) -> OutboxRow {
    let event_id = derive_id("probe", probe_id, EVENT_TYPE, 0);
    OutboxRow {
        key: event_id,
        subject: subjects::probed(probe_id),
        message_id: Some(event_id.to_string()),
        headers: cloud_event(event_id, EVENT_TYPE, probe_id, now, trace),
        payload: json!({
            "event_id": event_id,
            "event_type": EVENT_TYPE,
            "occurred_at": now,
            "sequence": 1,
            "business_id": null,
            "user_id": null,
            "conversation_id": null,
            "customer_phone": null,
            "data": ProbedData { probe_id: probe_id.to_owned(), received_at },
        }),
    }
}
