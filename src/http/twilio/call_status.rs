//! `/webhooks/twilio/call/status/{CallSid}`: how the dialling ended.

use super::admission::{bury, unusable};
use super::publish::publish;
use super::{Answer, twiml};
use crate::http::Edge;
use crate::http::problem::Problem;
use crate::webhook::{SignedForm, Webhook, call_status};

pub(super) async fn ended(edge: &Edge, signed: SignedForm, call_sid_in_path: &str) -> Result<Answer, Problem> {
    let (input_id, webhook) = match call_status::read(&signed, call_sid_in_path) {
        Ok(read) => read,
        Err(error) => {
            let (reason, detail, letter) = unusable(&signed, &error);
            return bury(edge, reason, detail, letter).await;
        }
    };
    if let Webhook::CallStatus { call_sid, .. } = &webhook {
        edge.ringing.ended(call_sid);
    }
    publish(signed, edge, input_id, webhook).await?;
    Ok(Answer::Twiml(twiml::empty()))
}
