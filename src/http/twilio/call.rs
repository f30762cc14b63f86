//! `/webhooks/twilio/call`: a call rings. It is forwarded to the owner's phones, one after the other, and Twilio reports how
//! each dial ended (`/webhooks/twilio/call/status/{CallSid}`). A call that such a phone itself forwarded to us is not
//! forwarded again.

use chrono::{DateTime, Utc};

use super::publish::publish;
use super::verify::Refusal;
use super::{Answer, twiml};
use crate::domain::business::Profile;
use crate::domain::call::{Attempt, DialResult, phone_of};
use crate::domain::phone::PhoneNumber;
use crate::http::Edge;
use crate::http::ringing::Ring;
use crate::webhook::attempt::query_of;
use crate::webhook::call::Call;
use crate::webhook::{SignedForm, Webhook, WebhookKind, call_status};

pub(super) async fn ringing(edge: &Edge, signed: SignedForm) -> Result<Answer, Refusal> {
    let call = Call::read(&signed).map_err(|error| Refusal::unusable(&signed, &error))?;
    let to = call.to.parse::<PhoneNumber>().ok();
    let business = match &to {
        Some(phone) => edge.with_lookup_timeout(edge.business_cache.of_number(phone, &signed.signer)).await?,
        None => None,
    };
    let rings = call.status() == "ringing";
    let not_dialled = match (&business, &to) {
        (Some(business), Some(to)) if rings => {
            edge.ringing.judge(&edge.store, business, &ring(&call, to, signed.received_at)).await
        }
        _ => None,
    };
    let is_dialled = rings && not_dialled.is_none();
    let first = business.as_deref().filter(|_| is_dialled).map_or(Attempt::ONLY, first_attempt);
    let call_sid = call.call_sid.clone();
    let (input_id, webhook) = call.into_webhook(not_dialled, first);
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
    let mut attempt = first;
    if published.is_err() {
        edge.metrics.call_unrecorded();
        // The key could not be recorded either, and without it the call would count as missed.
        attempt.is_screened = false;
    }
    Ok(Answer::Twiml(dial(edge, &business, business.forward_to.first(), &call_sid, attempt)))
}

/// A dial has ended. If the caller waits for another phone, that is rung; otherwise this is the result of the call. Only the
/// result is stored: before it, nothing about the call has changed.
pub(super) async fn dialled(edge: &Edge, signed: SignedForm) -> Result<Answer, Refusal> {
    let (input_id, webhook) = Webhook::read(&signed).map_err(|error| Refusal::unusable(&signed, &error))?;
    if let Some(twiml) = next_dial(edge, &signed, &webhook).await {
        return Ok(Answer::Twiml(twiml));
    }
    if let Webhook::CallStatus { call_sid, .. } = &webhook {
        edge.ringing.ended(call_sid);
    }
    publish(edge, signed, input_id, webhook).await?;
    Ok(Answer::Twiml(twiml::empty()))
}

/// The dial of the next phone, if there is one to ring. If the business cannot be read, the call ends with this dial.
async fn next_dial(edge: &Edge, signed: &SignedForm, webhook: &Webhook) -> Option<String> {
    let Webhook::CallStatus { call_sid, to, dial_status, is_call_status: false, bridged, .. } = webhook else {
        return None;
    };
    let call_status = signed.word("CallStatus").ok();
    let result = DialResult { dial_status, bridged: *bridged, call_status: call_status.as_deref() };
    let next = call_status::attempt(signed).next(&result)?;
    let called: PhoneNumber = to.as_deref()?.parse().ok()?;
    let business = edge.with_lookup_timeout(edge.business_cache.of_number(&called, &signed.signer)).await.ok()??;
    let phone = phone_of(business.forward_to.iter(), next)?;
    Some(dial(edge, &business, phone, call_sid, next))
}

/// The first dial of a call to this business.
fn first_attempt(business: &Profile) -> Attempt {
    let of = u32::try_from(business.forward_to.count()).unwrap_or(1);
    Attempt { number: 1, of, is_screened: business.policy.screens_calls() }
}

fn dial(edge: &Edge, business: &Profile, phone: &PhoneNumber, call_sid: &str, attempt: Attempt) -> String {
    let action = format!("/webhooks/twilio/call/status/{call_sid}{}", query_of(attempt));
    let screen = attempt.is_screened.then(|| super::screen::url(edge, business, call_sid, attempt));
    twiml::dial(&twiml::Dial {
        number: phone.as_str(),
        timeout: edge.dial_timeout,
        action: &edge.public_url.join(&action),
        // Until a phone is connected, the caller hears ringing.
        answer_on_bridge: attempt != Attempt::ONLY,
        screen: screen.as_deref(),
    })
}

fn ring<'a>(call: &'a Call, to: &'a PhoneNumber, at: DateTime<Utc>) -> Ring<'a> {
    Ring { call_sid: &call.call_sid, from: &call.from, to, forwarded_from: call.forwarded_from.as_deref(), at }
}
