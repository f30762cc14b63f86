//! `/webhooks/twilio/message-status`: the delivery status of a message that we sent.

use uuid::Uuid;

use super::Answer;
use super::publish::publish;
use super::verify::Refusal;
use crate::http::Edge;
use crate::webhook::{SignedForm, message_status};

pub(super) async fn reported(edge: &Edge, signed: SignedForm, message_id: Option<Uuid>) -> Result<Answer, Refusal> {
    let (input_id, webhook) =
        message_status::read(&signed, message_id).map_err(|error| Refusal::unusable(&signed, &error))?;
    publish(edge, signed, input_id, webhook).await?;
    Ok(Answer::NoContent)
}
