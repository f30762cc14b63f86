//! `/webhooks/twilio/call`: a call rings. It is forwarded to the owner's phone, and Twilio tells how that ended.

use super::admission::{Admitted, bury};
use super::{Answer, twiml};
use crate::edge::Edge;
use crate::edge::problem::Problem;
use crate::inbound::Webhook;
use crate::phone::PhoneNumber;
use crate::telemetry::WebhookKind;

pub(super) async fn ringing(edge: &Edge, admitted: Admitted) -> Result<Answer, Problem> {
    let found = admitted.form.required("CallSid").and_then(|_| admitted.form.required("To"));
    // A withheld caller's From may be blank or a word, but Twilio always sends one.
    let found = found.and_then(|_| match admitted.form.get("From") {
        Some(_) => Ok(()),
        None => admitted.form.required("From").map(drop),
    });
    if let Err(error) = found {
        let (reason, detail, letter) = admitted.missing(&error);
        return bury(edge, reason, detail, letter).await;
    }
    let call_sid = admitted.text("CallSid").unwrap_or_default();
    let to = admitted.text("To").unwrap_or_default();
    let call_status = admitted.text("CallStatus").filter(|status| !status.is_empty());
    let business = match to.parse::<PhoneNumber>() {
        Ok(phone) => edge.directory.by_phone(&phone).await.map_err(|error| Problem::unavailable(&error))?,
        Err(_) => None,
    };
    let webhook = Webhook::Call {
        call_sid: call_sid.clone(),
        from: admitted.text("From").unwrap_or_default(),
        to,
        call_status: call_status.clone(),
    };
    let status = call_status.as_deref().unwrap_or("ringing");
    admitted.publish(edge, format!("call:{call_sid}:{status}"), webhook).await?;
    let Some(business) = business else {
        edge.metrics.unknown_number(WebhookKind::Call);
        return Ok(Answer::Twiml(twiml::reject()));
    };
    if status != "ringing" {
        return Ok(Answer::Twiml(twiml::empty()));
    }
    let action = edge.public_url.join(&format!("/webhooks/twilio/call/status/{}", path_segment(&call_sid)));
    Ok(Answer::Twiml(twiml::dial(business.forward_to.as_str(), edge.dial_timeout, &action)))
}

/// Twilio's ids are plain, but this one comes from outside.
fn path_segment(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
