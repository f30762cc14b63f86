//! A validated webhook, as it lies in NMC_INBOUND: what the edge writes and the conversations read.

pub mod call;
pub mod call_status;
pub mod form;
pub mod message_status;
mod signed_form;
pub mod sms;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::business::Signer;
use crate::domain::conversation::Media;
use crate::text_enum;

pub use signed_form::{EDGE_SUBJECT, HEADER_PATH, SignedForm, letter_headers, signer_in};

/// A webhook of Twilio whose signature held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inbound {
    /// What makes it the same webhook when it comes again: kind, SID, and status where there are several.
    pub input_id: String,
    /// Tells a redelivery from another body under the same id.
    pub body_hash: String,
    /// The edge's stamp: the order of a conversation's messages rests on it.
    pub received_at: DateTime<Utc>,
    /// Who signed it.
    #[serde(flatten)]
    pub signer: Signer,
    /// What it says.
    pub webhook: Webhook,
    /// Every parameter as it came, also those that nothing reads yet.
    pub params: Vec<(String, String)>,
}

text_enum! {
    /// Why a call is not put through to the owner's phone: it came from there.
    pub enum NotDialled {
        /// The owner's phone has forwarded it to us: it was not answered there.
        ForwardedByOwner = "forwarded_by_owner",
        /// The same caller for the third time while our own dialling of the others goes on: our dialling comes back to us.
        Loop = "loop",
    }
}

/// What a webhook says. Phone numbers are kept as Twilio wrote them: judging them is up to the reader.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Webhook {
    /// `/webhooks/twilio/call`.
    Call {
        /// Twilio's id of the call.
        call_sid: String,
        /// Who calls.
        from: String,
        /// Which number.
        to: String,
        /// `CallStatus`; none counts as ringing.
        call_status: Option<String>,
        /// `ForwardedFrom`, as the carrier writes it: whose phone has forwarded the call to us.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        forwarded_from: Option<String>,
        /// Why the edge has not had it dialled; none where it has.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        not_dialled: Option<NotDialled>,
    },
    /// `/webhooks/twilio/call/status/{CallSid}`.
    CallStatus {
        /// Twilio's id of the call.
        call_sid: String,
        /// Who called, where it is said.
        from: Option<String>,
        /// Which number, where it is said.
        to: Option<String>,
        /// `DialCallStatus`, or a terminal `CallStatus` where there is none.
        dial_status: String,
        /// `DialBridged`, when present.
        bridged: Option<bool>,
        /// `DialCallDuration` or `CallDuration`, in seconds.
        duration_seconds: Option<i32>,
    },
    /// `/webhooks/twilio/sms`.
    Sms {
        /// Twilio's id of the message.
        message_sid: String,
        /// Who wrote.
        from: String,
        /// To which number.
        to: String,
        /// The text.
        body: String,
        /// Attachments.
        media: Vec<Media>,
        /// Twilio's `OptOutType`, where Advanced Opt-Out is on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        opt_out_type: Option<String>,
    },
    /// `/webhooks/twilio/message-status`.
    MessageStatus {
        /// Twilio's id of the message.
        message_sid: String,
        /// Ours, from the callback's URL.
        message_id: Option<Uuid>,
        /// `MessageStatus`.
        status: String,
        /// `ErrorCode`.
        error_code: Option<i32>,
    },
}

impl Webhook {
    /// The token of its subject (docs/contract.md, section 5).
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Call { .. } => "call",
            Self::CallStatus { .. } => "call_status",
            Self::Sms { .. } => "sms",
            Self::MessageStatus { .. } => "message_status",
        }
    }

    /// The number of the business, where it is said.
    pub fn business_phone(&self) -> Option<&str> {
        match self {
            Self::Call { to, .. } | Self::Sms { to, .. } => Some(to),
            Self::CallStatus { to, .. } => to.as_deref(),
            Self::MessageStatus { .. } => None,
        }
    }

    /// Which webhooks have to be worked on in order: those of one call, of one customer, of one message.
    pub fn key(&self) -> String {
        match self {
            Self::Call { call_sid, .. } | Self::CallStatus { call_sid, .. } => call_sid.clone(),
            Self::Sms { from, to, .. } => crate::domain::phone::conversation_key(to, from),
            Self::MessageStatus { message_id: Some(id), .. } => id.to_string(),
            Self::MessageStatus { message_sid, .. } => message_sid.clone(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As it lies in NMC_INBOUND from before there were these fields, and as an older worker reads it.
    #[test]
    fn a_call_of_an_older_edge_can_be_read() {
        let old = json!({ "kind": "call", "call_sid": "CA1", "from": "+1", "to": "+2", "call_status": "ringing" });
        let read: Webhook = serde_json::from_value(old.clone()).unwrap();
        assert!(matches!(&read, Webhook::Call { forwarded_from: None, not_dialled: None, .. }));
        assert_eq!(serde_json::to_value(&read).unwrap(), old);
    }

    #[test]
    fn why_a_call_was_not_dialled_travels_with_it() {
        let call = Webhook::Call {
            call_sid: "CA1".into(),
            from: "+1".into(),
            to: "+2".into(),
            call_status: None,
            forwarded_from: Some("+3".into()),
            not_dialled: Some(NotDialled::Loop),
        };
        let written = serde_json::to_value(&call).unwrap();
        assert_eq!(written["not_dialled"], "loop");
        assert_eq!(serde_json::from_value::<Webhook>(written).unwrap(), call);
    }
}
