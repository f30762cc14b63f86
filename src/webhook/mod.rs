//! A validated webhook, as stored in NMC_INBOUND: the edge writes it, and the workers read it.

pub mod attempt;
pub mod call;
pub mod call_status;
mod conversations;
pub mod form;
pub mod ladder;
mod message_status;
pub mod probe;
pub mod screen;
mod signed_form;
mod sms;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::business::Signer;
use crate::domain::conversation::Media;
use crate::text_enum;

pub use conversations::{Attached, ConversationEvent, attributes_of, message_id_in};
use form::FormError;
pub use signed_form::{EDGE_SUBJECT, HEADER_PATH, SignedForm, letter_headers, signer_in};

/// A webhook with a valid signature of Twilio.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inbound {
    /// Identifies repetitions of a webhook: its kind, its SID and, if a kind has several statuses, the status.
    pub input_id: String,
    /// Distinguishes a redelivery from a different body with the same id.
    pub body_hash: String,
    /// When the edge received it; determines the order of a conversation's messages.
    pub received_at: DateTime<Utc>,
    /// The account that signed it.
    #[serde(flatten)]
    pub signer: Signer,
    /// The fields of its kind.
    pub webhook: Webhook,
    /// All parameters as received, including those that no code reads yet.
    pub params: Vec<(String, String)>,
}

text_enum! {
    /// Why the edge does not dial the owner's phone for a call.
    pub enum NotDialled {
        /// The owner's phone forwarded the call to us, because it was not answered there.
        ForwardedByOwner = "forwarded_by_owner",
        /// The third call from the same caller while we are still dialing for the others: our own calls are coming back
        /// to us.
        Loop = "loop",
    }
}

/// Which of the three response times in `/health` a webhook counts towards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    Calls,
    Messages,
    Callbacks,
}

/// Declares the kinds of webhooks: the keyword in subjects, input ids and metrics, the path, the response time that it
/// counts towards, and the function that reads its form.
macro_rules! kinds {
    ($($(#[$meta:meta])* $variant:ident = $word:literal, $path:literal, $traffic:ident, $read:expr;)+) => {
        text_enum! {
            /// The kinds of Twilio webhooks.
            pub enum WebhookKind {
                $($(#[$meta])* $variant = $word,)+
            }
        }

        impl WebhookKind {
            /// The path of its requests, as a route.
            pub const fn path(self) -> &'static str {
                match self { $(Self::$variant => $path,)+ }
            }

            /// The response time that it counts towards.
            pub const fn traffic(self) -> Traffic {
                match self { $(Self::$variant => Traffic::$traffic,)+ }
            }
        }

        impl Webhook {
            /// The kind; its keyword is a token of the subject (docs/contract.md, section 5).
            pub fn kind(&self) -> WebhookKind {
                match self { $(Self::$variant { .. } => WebhookKind::$variant,)+ }
            }

            /// Reads a webhook from its form, with its input id.
            ///
            /// # Errors
            /// If a parameter is missing or malformed.
            pub fn read(signed: &SignedForm) -> Result<(String, Self), FormError> {
                match signed.kind { $(WebhookKind::$variant => $read(signed),)+ }
            }
        }
    };
}

kinds! {
    /// An incoming call.
    Call = "call", "/webhooks/twilio/call", Calls, call::read;
    /// How a forwarded call ended.
    CallStatus = "call_status", "/webhooks/twilio/call/status/:call_sid", Callbacks, call_status::read;
    /// The owner's phone has answered a screened call, or has pressed a key there.
    Screen = "screen", "/webhooks/twilio/screen/:call_sid", Calls, screen::read;
    /// A message from a customer.
    Sms = "sms", "/webhooks/twilio/sms", Messages, sms::read;
    /// The delivery status of an SMS that we sent.
    MessageStatus = "message_status", "/webhooks/twilio/message-status", Callbacks, message_status::read;
    /// The key that a person pressed in a call about an emergency.
    LadderDigit = "ladder_digit", "/webhooks/twilio/ladder/:call_id/digit", Calls, ladder::digit;
    /// How a call about an emergency ended.
    LadderStatus = "ladder_status", "/webhooks/twilio/ladder/:call_id/status", Callbacks, ladder::status;
    /// What happened in a conversation that Twilio keeps.
    Conversation = "conversation", "/webhooks/twilio/conversations", Messages, conversations::read;
}

/// The fields of a webhook, by kind. Phone numbers are kept as Twilio sends them; the reader validates them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Webhook {
    /// `/webhooks/twilio/call`.
    Call {
        /// Twilio's id of the call.
        call_sid: String,
        /// The caller.
        from: String,
        /// The number that was called.
        to: String,
        /// `CallStatus`; `None` counts as ringing.
        call_status: Option<String>,
        /// `ForwardedFrom`, as the carrier writes it: the phone that forwarded the call to us.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        forwarded_from: Option<String>,
        /// Why the edge did not dial; `None` if it did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        not_dialled: Option<NotDialled>,
        /// `StirVerstat`: how the carriers' check of the caller's number ended.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stir_verstat: Option<String>,
        /// How many phones may ring, one after the other; `None`: one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        phones: Option<u32>,
        /// Whether each of them is asked for a key before it is connected.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        screened: bool,
    },
    /// `/webhooks/twilio/call/status/{CallSid}`.
    CallStatus {
        /// Twilio's id of the call.
        call_sid: String,
        /// The caller, if given.
        from: Option<String>,
        /// The number that was called, if given.
        to: Option<String>,
        /// `DialCallStatus`; without it, `CallStatus`.
        dial_status: String,
        /// Whether `dial_status` is `CallStatus`, and says nothing about the dialling.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_call_status: bool,
        /// `DialBridged`, if present.
        bridged: Option<bool>,
        /// Whether the phone was asked for a key before it was connected, by the action's URL.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        screened: bool,
        /// `DialCallDuration` or `CallDuration`, in seconds.
        duration_seconds: Option<i32>,
    },
    /// `/webhooks/twilio/screen/{CallSid}`, once a key is pressed that takes the call.
    Screen {
        /// Twilio's id of the caller's call.
        call_sid: String,
        /// Which of the call's dials it was; the first is 1.
        attempt: u32,
        /// `Digits`.
        digits: String,
    },
    /// `/webhooks/twilio/sms`.
    Sms {
        /// Twilio's id of the message.
        message_sid: String,
        /// The sender.
        from: String,
        /// The number that received it.
        to: String,
        /// The text.
        body: String,
        /// The attachments.
        media: Vec<Media>,
        /// Twilio's `OptOutType`, if Advanced Opt-Out is on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        opt_out_type: Option<String>,
    },
    /// `/webhooks/twilio/message-status`.
    MessageStatus {
        /// Twilio's id of the message.
        message_sid: String,
        /// Our id of the message, from the callback's URL.
        message_id: Option<Uuid>,
        /// `MessageStatus`.
        status: String,
        /// `ErrorCode`.
        error_code: Option<i32>,
    },
    /// `/webhooks/twilio/ladder/{call_id}/digit`.
    LadderDigit {
        /// Our id of the call, from the URL.
        call_id: Uuid,
        /// The conversation that it is about, from the URL.
        conversation_id: Uuid,
        /// Twilio's id of the call.
        call_sid: String,
        /// `Digits`.
        digit: String,
    },
    /// `/webhooks/twilio/ladder/{call_id}/status`.
    LadderStatus {
        /// Our id of the call, from the URL.
        call_id: Uuid,
        /// The conversation that it is about, from the URL.
        conversation_id: Uuid,
        /// Twilio's id of the call.
        call_sid: String,
        /// `CallStatus`.
        status: String,
    },
    /// `/webhooks/twilio/conversations`.
    Conversation {
        /// Twilio's id of the conversation (`CH…`).
        conversation_sid: String,
        /// What happened in it.
        #[serde(flatten)]
        event: ConversationEvent,
    },
}

/// What identifies the business that a webhook belongs to (see `businesses/owner.rs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerKey<'a> {
    /// A number of the business.
    Number(&'a str),
    /// A call, and the number called, if given.
    Call { call_sid: &'a str, number: Option<&'a str> },
    /// A message that we sent: Twilio's id, and ours, if given.
    Message { message_sid: &'a str, message_id: Option<Uuid> },
    /// A conversation.
    Conversation(Uuid),
    /// Nothing yet: a participant of a conversation, whose numbers are still to be found out.
    Unresolved,
}

impl Webhook {
    /// What identifies the business that it belongs to.
    pub fn owner_key(&self) -> OwnerKey<'_> {
        match self {
            Self::Sms { to, .. } => OwnerKey::Number(to),
            Self::Call { call_sid, to, .. } => OwnerKey::Call { call_sid, number: Some(to) },
            Self::CallStatus { call_sid, to, .. } => OwnerKey::Call { call_sid, number: to.as_deref() },
            Self::Screen { call_sid, .. } => OwnerKey::Call { call_sid, number: None },
            Self::MessageStatus { message_sid, message_id, .. } => {
                OwnerKey::Message { message_sid, message_id: *message_id }
            }
            Self::LadderDigit { conversation_id, .. } | Self::LadderStatus { conversation_id, .. } => {
                OwnerKey::Conversation(*conversation_id)
            }
            Self::Conversation { .. } => OwnerKey::Unresolved,
        }
    }

    /// The number of the business, if given.
    pub fn business_phone(&self) -> Option<&str> {
        match self.owner_key() {
            OwnerKey::Number(number) => Some(number),
            OwnerKey::Call { number, .. } => number,
            OwnerKey::Message { .. } | OwnerKey::Conversation(_) | OwnerKey::Unresolved => None,
        }
    }

    /// The customer's text, which is read for emergencies.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Sms { body, .. } => Some(body),
            Self::Conversation { event: ConversationEvent::Message { body, .. }, .. } => Some(body),
            _ => None,
        }
    }

    /// Webhooks with the same key must be processed in order: those of one call, of one customer, or of one message.
    pub fn key(&self) -> String {
        match self {
            Self::Call { call_sid, .. } | Self::CallStatus { call_sid, .. } | Self::Screen { call_sid, .. } => {
                call_sid.clone()
            }
            Self::Sms { from, to, .. } => crate::domain::phone::conversation_key(to, from),
            Self::MessageStatus { message_id: Some(id), .. } => id.to_string(),
            Self::MessageStatus { message_sid, .. } => message_sid.clone(),
            Self::LadderDigit { call_id, .. } | Self::LadderStatus { call_id, .. } => call_id.to_string(),
            Self::Conversation { event: ConversationEvent::Message { author, .. }, .. } => author_key(author),
            Self::Conversation { conversation_sid, .. } => conversation_sid.clone(),
        }
    }
}

/// The subject key of the messages that this author has written in Twilio's conversations. The number that they wrote to is
/// not known at the edge, so it is not in it.
pub fn author_key(author: &str) -> String {
    crate::domain::phone::conversation_key("", author)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As stored in NMC_INBOUND before these fields existed, and as an older worker reads it.
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
            stir_verstat: None,
            phones: None,
            screened: false,
        };
        let written = serde_json::to_value(&call).unwrap();
        assert_eq!(written["not_dialled"], "loop");
        assert_eq!(serde_json::from_value::<Webhook>(written).unwrap(), call);
    }
}
