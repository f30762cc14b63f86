//! `/webhooks/twilio/message-status`: what became of a message that we sent.

use uuid::Uuid;

use super::Answer;
use super::admission::{bury, unusable};
use super::publish::publish;
use crate::http::Edge;
use crate::http::problem::Problem;
use crate::webhook::{SignedForm, message_status};

pub(super) async fn reported(edge: &Edge, signed: SignedForm, message_id: Option<Uuid>) -> Result<Answer, Problem> {
    let (input_id, webhook) = match message_status::read(&signed, message_id) {
        Ok(read) => read,
        Err(error) => {
            let (reason, detail, letter) = unusable(&signed, &error);
            return bury(edge, reason, detail, letter).await;
        }
    };
    publish(signed, edge, input_id, webhook).await?;
    Ok(Answer::NoContent)
}
