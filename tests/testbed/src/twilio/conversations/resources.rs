//! The resources in the form of the REST API. Its times are ISO 8601, unlike those of messages.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{Conversation, Participant, PostedMessage};

/// The conversation service of every account.
pub(super) const SERVICE: &str = "IS00000000000000000000000000000001";

pub(super) fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl Conversation {
    pub(super) fn resource(&self, base: &str) -> Value {
        let url = format!("{base}/v1/Conversations/{}", self.sid);
        json!({
            "account_sid": self.account_sid,
            "attributes": self.attributes,
            "bindings": {},
            "chat_service_sid": SERVICE,
            "date_created": time(self.created_at),
            "date_updated": time(self.created_at),
            "friendly_name": self.friendly_name,
            "links": {
                "messages": format!("{url}/Messages"),
                "participants": format!("{url}/Participants"),
                "webhooks": format!("{url}/Webhooks"),
            },
            "messaging_service_sid": null,
            "sid": self.sid,
            "state": self.state,
            "timers": {},
            "unique_name": null,
            "url": url,
        })
    }
}

impl Participant {
    pub(super) fn resource(&self, base: &str, of: &Conversation) -> Value {
        let binding = self
            .identity
            .is_none()
            .then(|| json!({ "type": "sms", "address": self.address, "proxy_address": self.proxy_address }));
        json!({
            "account_sid": of.account_sid,
            "attributes": "{}",
            "conversation_sid": of.sid,
            "date_created": time(self.created_at),
            "date_updated": time(self.created_at),
            "identity": self.identity,
            "last_read_message_index": null,
            "last_read_timestamp": null,
            "messaging_binding": binding,
            "role_sid": "RL00000000000000000000000000000001",
            "sid": self.sid,
            "url": format!("{base}/v1/Conversations/{}/Participants/{}", of.sid, self.sid),
        })
    }
}

impl PostedMessage {
    pub(super) fn resource(&self, base: &str) -> Value {
        let url = format!("{base}/v1/Conversations/{}/Messages/{}", self.conversation_sid, self.sid);
        let media = self.media.iter().map(|(sid, content_type)| {
            json!({ "sid": sid, "content_type": content_type, "filename": null, "size": 0, "category": "media" })
        });
        json!({
            "account_sid": self.account_sid,
            "attributes": self.attributes,
            "author": self.author,
            "body": self.body,
            "content_sid": null,
            "conversation_sid": self.conversation_sid,
            "date_created": time(self.created_at),
            "date_updated": time(self.created_at),
            "delivery": null,
            "index": self.index,
            "links": { "delivery_receipts": format!("{url}/Receipts"), "channel_metadata": format!("{url}/ChannelMetadata") },
            "media": if self.media.is_empty() { Value::Null } else { media.collect() },
            "participant_sid": self.participant_sid,
            "sid": self.sid,
            "url": url,
        })
    }
}
