//! `/webhooks/twilio/message-status`: what became of a message that we sent.

use uuid::Uuid;

use super::Answer;
use super::admission::{Admitted, bury};
use super::form::FormError;
use crate::edge::Edge;
use crate::edge::problem::Problem;
use crate::inbound::Webhook;

/// Our id of the message, which we put into the callback's URL.
pub(super) fn id_in(query: &str) -> Option<Uuid> {
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "message_id")
        .and_then(|(_, value)| value.parse().ok())
}

pub(super) async fn reported(edge: &Edge, admitted: Admitted, message_id: Option<Uuid>) -> Result<Answer, Problem> {
    let (input_id, webhook) = match read(&admitted, message_id) {
        Ok(read) => read,
        Err(error) => {
            let (reason, detail, letter) = admitted.unusable(&error);
            return bury(edge, reason, detail, letter).await;
        }
    };
    admitted.publish(edge, input_id, webhook).await?;
    Ok(Answer::NoContent)
}

/// What it says, and under which id it is published.
pub(super) fn read(admitted: &Admitted, message_id: Option<Uuid>) -> Result<(String, Webhook), FormError> {
    let (message_sid, status) = required_fields(admitted)?;
    let input_id = format!("message_status:{message_sid}:{status}");
    let error_code = admitted.form.get("ErrorCode").and_then(|code| code.parse().ok());
    Ok((input_id, Webhook::MessageStatus { message_sid, message_id, status, error_code }))
}

fn required_fields(admitted: &Admitted) -> Result<(String, String), FormError> {
    Ok((admitted.word_of(&["MessageSid", "SmsSid"])?, admitted.word_of(&["MessageStatus", "SmsStatus"])?))
}
