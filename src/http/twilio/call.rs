//! `/webhooks/twilio/call`: a call rings. It is forwarded to the owner's phone, and Twilio reports how that ended. A
//! call that this phone itself forwarded to us is not forwarded again.

use chrono::{DateTime, Utc};

use super::publish::publish;
use super::verify::Refusal;
use super::{Answer, twiml};
use crate::domain::phone::PhoneNumber;
use crate::http::Edge;
use crate::http::ringing::Ring;
use crate::webhook::call::Call;
use crate::webhook::{SignedForm, WebhookKind};

pub(super) async fn ringing(edge: &Edge, signed: SignedForm) -> Result<Answer, Refusal> {
    let call = Call::read(&signed).map_err(|error| Refusal::unusable(&signed, &error))?;
    let to = call.to.parse::<PhoneNumber>().ok();
    let business = match &to {
        Some(phone) => edge.with_lookup_timeout(edge.business_cache.of_number(phone, &signed.signer)).await?,
        None => None,
    };
    let action = edge.public_url.join(&format!("/webhooks/twilio/call/status/{}", call.call_sid));
    let rings = call.status() == "ringing";
    let not_dialled = match (&business, &to) {
        (Some(business), Some(to)) if rings => {
            edge.ringing.judge(&edge.store, business, &ring(&call, to, signed.received_at)).await
        }
        _ => None,
    };
    let (input_id, webhook) = call.into_webhook(not_dialled);
    let published = publish(edge, signed, input_id, webhook).await;
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
        // Nothing is dialled, so no status callback can report the call later: it is answered only once it is stored.
        published?;
        return Ok(Answer::Twiml(twiml::busy()));
    }
    // A call is put through even if it cannot be recorded: its status callback reports the outcome (docs/design.md,
    // When a part is missing).
    if published.is_err() {
        edge.metrics.call_unrecorded();
    }
    Ok(Answer::Twiml(twiml::dial(business.forward_to.first().as_str(), edge.dial_timeout, &action)))
}

fn ring<'a>(call: &'a Call, to: &'a PhoneNumber, at: DateTime<Utc>) -> Ring<'a> {
    Ring { call_sid: &call.call_sid, from: &call.from, to, forwarded_from: call.forwarded_from.as_deref(), at }
}
