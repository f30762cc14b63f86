//! `/webhooks/twilio/conversations`: what happened in a conversation that Twilio keeps. `EventType` says what.
//!
//! A message that we posted comes back here, with our id of it in its `Attributes`: that is a report that Twilio has accepted
//! it. A delivery report about it becomes the same webhook as the status callback of an SMS.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::form::FormError;
use super::{SignedForm, Webhook};

/// The attribute of a message at Twilio that contains our id of it.
const MESSAGE_ID: &str = "nmc_message_id";
/// Twilio allows at most ten attachments.
const MAX_MEDIA: usize = 10;
/// A conversation in this state takes no messages and never opens again.
const CLOSED: &str = "closed";

/// What happened in a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum ConversationEvent {
    /// A participant wrote a message. Who that is, Twilio says only when it is asked.
    Message {
        /// Twilio's id of the message (`IM…`).
        message_sid: String,
        /// Twilio's id of the participant (`MB…`), if one wrote it.
        participant_sid: Option<String>,
        /// The author as Twilio names them: for one who texts, their number.
        author: String,
        /// The text.
        body: String,
        /// The attachments.
        media: Vec<Attached>,
        /// Twilio's id of the service (`IS…`) in which the attachments are.
        service_sid: Option<String>,
    },
    /// It was closed.
    Closed,
    /// Something else, which changes nothing here.
    Other,
}

/// An attachment of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// Twilio's id of it (`ME…`).
    pub sid: String,
    /// Its MIME type.
    pub content_type: String,
}

/// The `Attributes` of a message that we post.
pub fn attributes_of(message_id: Uuid) -> String {
    json!({ MESSAGE_ID: message_id }).to_string()
}

/// Our id of a message, by its `Attributes`.
pub fn message_id_in(attributes: &str) -> Option<Uuid> {
    let attributes: Value = serde_json::from_str(attributes).ok()?;
    attributes.get(MESSAGE_ID)?.as_str()?.parse().ok()
}

/// Reads the webhook to publish, with its input id.
pub(super) fn read(signed: &SignedForm) -> Result<(String, Webhook), FormError> {
    let event_type = signed.word("EventType")?;
    let conversation_sid = signed.word("ConversationSid")?;
    let of = |event| Webhook::Conversation { conversation_sid: conversation_sid.clone(), event };
    match event_type.as_str() {
        "onMessageAdded" => {
            let message_sid = signed.word("MessageSid")?;
            if let Some(id) = signed.text("Attributes").as_deref().and_then(message_id_in) {
                return Ok(status(message_sid, Some(id), "accepted".to_owned(), None));
            }
            Ok((format!("sms:{message_sid}"), of(message(signed, message_sid)?)))
        }
        "onDeliveryUpdated" => {
            let error_code = signed.text("ErrorCode").and_then(|code| code.parse().ok()).filter(|code| *code != 0);
            Ok(status(signed.word("MessageSid")?, None, signed.word("Status")?, error_code))
        }
        _ => {
            let names = ["StateTo", "State", "ConversationState"];
            let is_closed = names.iter().any(|name| signed.text(name).as_deref() == Some(CLOSED));
            let event = if is_closed { ConversationEvent::Closed } else { ConversationEvent::Other };
            Ok((format!("conversation:{conversation_sid}:{event_type}"), of(event)))
        }
    }
}

fn status(message_sid: String, message_id: Option<Uuid>, status: String, error_code: Option<i32>) -> (String, Webhook) {
    let input_id = format!("message_status:{message_sid}:{status}");
    (input_id, Webhook::MessageStatus { message_sid, message_id, status, error_code })
}

fn message(signed: &SignedForm, message_sid: String) -> Result<ConversationEvent, FormError> {
    let optional = |name: &str| match signed.form.get(name) {
        None | Some("") => Ok(None),
        Some(_) => signed.word(name).map(Some),
    };
    signed.form.required("Author")?;
    Ok(ConversationEvent::Message {
        message_sid,
        participant_sid: optional("ParticipantSid")?,
        author: signed.text("Author").unwrap_or_default(),
        body: signed.text("Body").unwrap_or_default(),
        media: media(signed)?,
        service_sid: optional("ChatServiceSid")?,
    })
}

/// The attachments: `Media` is a list in JSON.
fn media(signed: &SignedForm) -> Result<Vec<Attached>, FormError> {
    let Some(media) = signed.text("Media").filter(|media| !media.is_empty()) else { return Ok(Vec::new()) };
    let malformed = || FormError::Malformed { name: "Media".to_owned() };
    let items: Vec<Value> = serde_json::from_str(&media).map_err(|_| malformed())?;
    let text = |item: &Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
    let attached = |item: &Value| Attached { sid: text(item, "Sid"), content_type: text(item, "ContentType") };
    let attached: Vec<Attached> = items.iter().take(MAX_MEDIA).map(attached).collect();
    let is_plain = |sid: &str| !sid.is_empty() && sid.len() <= 64 && sid.bytes().all(|b| b.is_ascii_alphanumeric());
    if attached.iter().all(|one| is_plain(&one.sid)) { Ok(attached) } else { Err(malformed()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_id_comes_back_in_the_attributes() {
        let id = Uuid::from_u128(7);
        assert_eq!(message_id_in(&attributes_of(id)), Some(id));
        for other in ["", "{}", "[]", "{\"nmc_message_id\":7}", "{\"nmc_message_id\":\"x\"}"] {
            assert_eq!(message_id_in(other), None, "{other}");
        }
    }
}
