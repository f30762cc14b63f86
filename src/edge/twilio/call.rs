//! `/webhooks/twilio/call`: a call rings. It is forwarded to the owner's phone, and Twilio tells how that ended.

use super::admission::{Admitted, bury};
use super::form::FormError;
use super::{Answer, twiml};
use crate::edge::Edge;
use crate::edge::problem::Problem;
use crate::inbound::Webhook;
use crate::phone::PhoneNumber;
use crate::telemetry::WebhookKind;

pub(super) async fn ringing(edge: &Edge, admitted: Admitted) -> Result<Answer, Problem> {
    let (call_sid, call_status) = match required_fields(&admitted) {
        Ok(fields) => fields,
        Err(error) => {
            let (reason, detail, letter) = admitted.unusable(&error);
            return bury(edge, reason, detail, letter).await;
        }
    };
    let to = admitted.text("To").unwrap_or_default();
    let business = match to.parse::<PhoneNumber>() {
        Ok(phone) => edge.patiently(edge.directory.by_phone(&phone)).await?,
        Err(_) => None,
    };
    let business = business.filter(|business| business.is_spoken_for_by(admitted.own_account.as_deref()));
    let webhook = Webhook::Call {
        call_sid: call_sid.clone(),
        from: admitted.text("From").unwrap_or_default(),
        to,
        call_status: call_status.clone(),
    };
    let status = call_status.as_deref().unwrap_or("ringing");
    let published = admitted.publish(edge, format!("call:{call_sid}:{status}"), webhook).await;
    let Some(business) = business else {
        published?;
        edge.metrics.unknown_number(WebhookKind::Call);
        return Ok(Answer::Twiml(twiml::reject()));
    };
    if status != "ringing" {
        published?;
        return Ok(Answer::Twiml(twiml::empty()));
    }
    // Whoever calls is put through even where the call can be recorded nowhere: what becomes of it, its status callback will
    // tell (docs/design.md, When a part is missing).
    if published.is_err() {
        edge.metrics.call_unrecorded();
    }
    let action = edge.public_url.join(&format!("/webhooks/twilio/call/status/{call_sid}"));
    Ok(Answer::Twiml(twiml::dial(business.forward_to.as_str(), edge.dial_timeout, &action)))
}

/// The call's id, and its status where there is one.
fn required_fields(admitted: &Admitted) -> Result<(String, Option<String>), FormError> {
    let call_sid = admitted.word("CallSid")?;
    admitted.form.required("To")?;
    // A withheld caller's From may be blank or a word, but Twilio always sends one.
    if admitted.form.get("From").is_none() {
        admitted.form.required("From")?;
    }
    let has_status = admitted.form.required("CallStatus").is_ok();
    Ok((call_sid, if has_status { Some(admitted.word("CallStatus")?) } else { None }))
}
