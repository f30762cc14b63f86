//! `/webhooks/twilio/sms`: an SMS from a customer.

use super::publish::publish;
use super::verify::Refusal;
use super::{Answer, twiml};
use crate::http::Edge;
use crate::webhook::{SignedForm, sms};

pub(super) async fn received(edge: &Edge, signed: SignedForm) -> Result<Answer, Refusal> {
    let (input_id, webhook) = sms::read(&signed).map_err(|error| Refusal::unusable(&signed, &error))?;
    publish(edge, signed, input_id, webhook).await?;
    Ok(Answer::Twiml(twiml::empty()))
}
