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
    let call = match Call::read(&admitted) {
        Ok(call) => call,
        Err(error) => {
            let (reason, detail, letter) = admitted.unusable(&error);
            return bury(edge, reason, detail, letter).await;
        }
    };
    let business = match call.to.parse::<PhoneNumber>() {
        Ok(phone) => edge.patiently(edge.directory.by_phone(&phone)).await?,
        Err(_) => None,
    };
    let business = business.filter(|business| business.is_spoken_for_by(&admitted.signer));
    let action = edge.public_url.join(&format!("/webhooks/twilio/call/status/{}", call.call_sid));
    let rings = call.status() == "ringing";
    let (input_id, webhook) = call.told();
    let published = admitted.publish(edge, input_id, webhook).await;
    let Some(business) = business else {
        published?;
        edge.metrics.unknown_number(WebhookKind::Call);
        return Ok(Answer::Twiml(twiml::reject()));
    };
    if !rings {
        published?;
        return Ok(Answer::Twiml(twiml::empty()));
    }
    // Whoever calls is put through even where the call can be recorded nowhere: what becomes of it, its status callback will
    // tell (docs/design.md, When a part is missing).
    if published.is_err() {
        edge.metrics.call_unrecorded();
    }
    Ok(Answer::Twiml(twiml::dial(business.forward_to.as_str(), edge.dial_timeout, &action)))
}

/// What a webhook says of a call.
pub(super) struct Call {
    call_sid: String,
    from: String,
    to: String,
    call_status: Option<String>,
}

impl Call {
    pub(super) fn read(admitted: &Admitted) -> Result<Self, FormError> {
        let call_sid = admitted.word("CallSid")?;
        admitted.form.required("To")?;
        // A withheld caller's From may be blank or a word, but Twilio always sends one.
        if admitted.form.get("From").is_none() {
            admitted.form.required("From")?;
        }
        let has_status = admitted.form.required("CallStatus").is_ok();
        Ok(Self {
            call_sid,
            from: admitted.text("From").unwrap_or_default(),
            to: admitted.text("To").unwrap_or_default(),
            call_status: if has_status { Some(admitted.word("CallStatus")?) } else { None },
        })
    }

    fn status(&self) -> &str {
        self.call_status.as_deref().unwrap_or("ringing")
    }

    /// As it is published, and under which id.
    pub(super) fn told(self) -> (String, Webhook) {
        let input_id = format!("call:{}:{}", self.call_sid, self.status());
        let Self { call_sid, from, to, call_status } = self;
        (input_id, Webhook::Call { call_sid, from, to, call_status })
    }
}
