//! `/webhooks/twilio/sms`: a customer wrote.

use super::admission::{bury, unusable};
use super::publish::publish;
use super::{Answer, twiml};
use crate::http::Edge;
use crate::http::problem::Problem;
use crate::webhook::{SignedForm, sms};

pub(super) async fn received(edge: &Edge, signed: SignedForm) -> Result<Answer, Problem> {
    let (input_id, webhook) = match sms::read(&signed) {
        Ok(read) => read,
        Err(error) => {
            let (reason, detail, letter) = unusable(&signed, &error);
            return bury(edge, reason, detail, letter).await;
        }
    };
    publish(signed, edge, input_id, webhook).await?;
    Ok(Answer::Twiml(twiml::empty()))
}
