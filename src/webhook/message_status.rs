//! `/webhooks/twilio/message-status`: the status of a message that we sent.

use uuid::Uuid;

use super::form::FormError;
use super::{SignedForm, Webhook};

/// Our id of the message, from the query of the callback's URL.
fn id_in(query: &str) -> Option<Uuid> {
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "message_id")
        .and_then(|(_, value)| value.parse().ok())
}

/// Reads the webhook to publish, with its input id.
pub(super) fn read(signed: &SignedForm) -> Result<(String, Webhook), FormError> {
    let message_id = signed.query().and_then(id_in);
    let (message_sid, status) = required_fields(signed)?;
    let input_id = format!("message_status:{message_sid}:{status}");
    let error_code = signed.form.get("ErrorCode").and_then(|code| code.parse().ok());
    Ok((input_id, Webhook::MessageStatus { message_sid, message_id, status, error_code }))
}

fn required_fields(signed: &SignedForm) -> Result<(String, String), FormError> {
    Ok((signed.word_of(&["MessageSid", "SmsSid"])?, signed.word_of(&["MessageStatus", "SmsStatus"])?))
}
