//! Effects, before and after they are committed.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

/// An effect as it will be published.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxRow {
    /// The conversation or call that it belongs to; rows with the same key are published in order.
    pub key: Uuid,
    /// The JetStream subject.
    pub subject: String,
    /// The `Nats-Msg-Id`; `None` for a timer, because arming it again must not count as a duplicate.
    pub message_id: Option<String>,
    /// The other headers.
    pub headers: BTreeMap<String, String>,
    /// The payload of the message.
    pub payload: Value,
}

/// An effect that waits to be published.
#[derive(Debug, Clone)]
pub struct WaitingRow {
    pub(crate) id: i64,
    /// The conversation or call that it belongs to.
    pub key: Uuid,
    /// The JetStream subject.
    pub subject: String,
    /// The `Nats-Msg-Id`, if it has one.
    pub message_id: Option<String>,
    /// The other headers.
    pub headers: BTreeMap<String, String>,
    /// The payload of the message.
    pub payload: Value,
}
