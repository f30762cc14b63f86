//! `/webhooks/twilio/ladder/…`: a call to a person in an emergency: the key that was pressed, and how it ended.
//!
//! Our ids are in the URL, which Twilio signs. So nothing has to be looked up before the webhook is stored.

use uuid::Uuid;

use super::form::FormError;
use super::{SignedForm, Webhook};

const PATH: &str = "/webhooks/twilio/ladder";

/// Where Twilio gets what is said.
pub fn document_path(call_id: Uuid, conversation_id: Uuid) -> String {
    format!("{PATH}/{call_id}?conversation_id={conversation_id}")
}

/// Where Twilio reports the key that was pressed.
pub fn digit_path(call_id: Uuid, conversation_id: Uuid) -> String {
    format!("{PATH}/{call_id}/digit?conversation_id={conversation_id}")
}

/// Where Twilio reports how the call ended.
pub fn status_path(call_id: Uuid, conversation_id: Uuid) -> String {
    format!("{PATH}/{call_id}/status?conversation_id={conversation_id}")
}

/// Our ids of the call and of its conversation, from the URL.
///
/// # Errors
/// If they are missing or malformed.
pub fn ids(path: &str) -> Result<(Uuid, Uuid), FormError> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let call_id = path.split('/').find_map(|segment| segment.parse().ok());
    let conversation_id = url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "conversation_id")
        .and_then(|(_, value)| value.parse().ok());
    let missing = |name: &str| FormError::Missing { name: name.to_owned() };
    Ok((call_id.ok_or_else(|| missing("call_id"))?, conversation_id.ok_or_else(|| missing("conversation_id"))?))
}

/// Reads the key that was pressed, with its input id.
pub(super) fn digit(signed: &SignedForm) -> Result<(String, Webhook), FormError> {
    let (call_id, conversation_id) = ids(&signed.path)?;
    let (call_sid, digit) = (signed.word("CallSid")?, signed.word("Digits")?);
    let input_id = format!("ladder_digit:{call_sid}:{digit}");
    Ok((input_id, Webhook::LadderDigit { call_id, conversation_id, call_sid, digit }))
}

/// Reads how the call ended, with its input id.
pub(super) fn status(signed: &SignedForm) -> Result<(String, Webhook), FormError> {
    let (call_id, conversation_id) = ids(&signed.path)?;
    let (call_sid, status) = (signed.word("CallSid")?, signed.word("CallStatus")?);
    let input_id = format!("ladder_status:{call_sid}:{status}");
    Ok((input_id, Webhook::LadderStatus { call_id, conversation_id, call_sid, status }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_are_read_from_every_url_of_a_call() {
        let (call, conversation) = (Uuid::from_u128(1), Uuid::from_u128(2));
        for path in [document_path, digit_path, status_path] {
            assert_eq!(ids(&path(call, conversation)).unwrap(), (call, conversation));
        }
        assert!(ids("/webhooks/twilio/ladder/x/digit?conversation_id=1").is_err());
        assert!(ids(&format!("/webhooks/twilio/ladder/{call}/digit")).is_err());
    }
}
