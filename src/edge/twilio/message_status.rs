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
    let (message_sid, status) = match required_fields(&admitted) {
        Ok(fields) => fields,
        Err(error) => {
            let (reason, detail, letter) = admitted.unusable(&error);
            return bury(edge, reason, detail, letter).await;
        }
    };
    let webhook = Webhook::MessageStatus {
        message_sid: message_sid.clone(),
        message_id,
        status: status.clone(),
        error_code: admitted.form.get("ErrorCode").and_then(|code| code.parse().ok()),
    };
    admitted.publish(edge, format!("message_status:{message_sid}:{status}"), webhook).await?;
    Ok(Answer::NoContent)
}

fn required_fields(admitted: &Admitted) -> Result<(String, String), FormError> {
    Ok((admitted.word_of(&["MessageSid", "SmsSid"])?, admitted.word_of(&["MessageStatus", "SmsStatus"])?))
}
