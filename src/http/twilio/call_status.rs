//! `/webhooks/twilio/call/status/{CallSid}`: the outcome of a dialled call.

use super::publish::publish;
use super::verify::Refusal;
use super::{Answer, twiml};
use crate::http::Edge;
use crate::webhook::{SignedForm, Webhook, call_status};

pub(super) async fn ended(edge: &Edge, signed: SignedForm, call_sid_in_path: &str) -> Result<Answer, Refusal> {
    let (input_id, webhook) =
        call_status::read(&signed, call_sid_in_path).map_err(|error| Refusal::unusable(&signed, &error))?;
    if let Webhook::CallStatus { call_sid, .. } = &webhook {
        edge.ringing.ended(call_sid);
    }
    publish(edge, signed, input_id, webhook).await?;
    Ok(Answer::Twiml(twiml::empty()))
}
