//! `/webhooks/twilio/call`: a call rings. It is forwarded to the owner's phone, and Twilio tells how that ended; unless it was
//! that phone which forwarded it to us.

use chrono::{DateTime, Utc};

use super::admission::{Admitted, bury};
use super::form::FormError;
use super::{Answer, twiml};
use crate::edge::Edge;
use crate::edge::problem::Problem;
use crate::edge::ringing::Ring;
use crate::inbound::{NotDialled, Webhook};
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
    let to = call.to.parse::<PhoneNumber>().ok();
    let business = match &to {
        Some(phone) => edge.patiently(edge.directory.by_phone(phone)).await?,
        None => None,
    };
    let business = business.filter(|business| business.is_spoken_for_by(&admitted.signer));
    let action = edge.public_url.join(&format!("/webhooks/twilio/call/status/{}", call.call_sid));
    let rings = call.status() == "ringing";
    let not_dialled = match (&business, &to) {
        (Some(business), Some(to)) if rings => {
            edge.ringing.judge(&edge.store, business, &call.ring(to, admitted.received_at)).await
        }
        _ => None,
    };
    let (input_id, webhook) = call.told(not_dialled);
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
    if not_dialled.is_some() {
        // There is no dialling whose end could tell of it later, so it is answered only once it is kept.
        published?;
        return Ok(Answer::Twiml(twiml::busy()));
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
    forwarded_from: Option<String>,
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
            forwarded_from: admitted.text("ForwardedFrom").filter(|number| !number.is_empty()),
        })
    }

    fn status(&self) -> &str {
        self.call_status.as_deref().unwrap_or("ringing")
    }

    fn ring<'a>(&'a self, to: &'a PhoneNumber, at: DateTime<Utc>) -> Ring<'a> {
        let forwarded_from = self.forwarded_from.as_deref();
        Ring { call_sid: &self.call_sid, from: &self.from, to, forwarded_from, at }
    }

    /// As it is published, and under which id.
    pub(super) fn told(self, not_dialled: Option<NotDialled>) -> (String, Webhook) {
        let input_id = format!("call:{}:{}", self.call_sid, self.status());
        let Self { call_sid, from, to, call_status, forwarded_from } = self;
        (input_id, Webhook::Call { call_sid, from, to, call_status, forwarded_from, not_dialled })
    }
}
