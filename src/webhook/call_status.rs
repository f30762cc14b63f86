//! `/webhooks/twilio/call/status/{CallSid}`: the result of dialing the owner.

use super::form::FormError;
use super::{SignedForm, Webhook, attempt};
use crate::domain::call::Attempt;

/// The dial whose result this is, by the URL.
pub fn attempt(signed: &SignedForm) -> Attempt {
    attempt::in_query(signed.query())
}

/// Reads the webhook to publish, with its input id.
pub(super) fn read(signed: &SignedForm) -> Result<(String, Webhook), FormError> {
    // Both values are signed; the form's comes from Twilio itself.
    let call_sid = match signed.word("CallSid") {
        Err(FormError::Missing { .. }) => signed.last_segment().to_owned(),
        word => word?,
    };
    let bridged = signed.form.get("DialBridged").and_then(|word| word.parse().ok());
    let (dial_status, is_call_status) = match signed.word("DialCallStatus") {
        Ok(dial_status) => (dial_status, false),
        Err(missing @ FormError::Missing { .. }) => match signed.word("CallStatus") {
            Ok(call_status) => (call_status, true),
            Err(_) => return Err(missing),
        },
        Err(error) => return Err(error),
    };
    // A report without a result of the dialling must not take the place of the one with it.
    let attempt = attempt(signed);
    let input_id = match (is_call_status, attempt.number) {
        (true, _) => format!("call_status:{call_sid}:{dial_status}"),
        (false, 1) => format!("call_status:{call_sid}"),
        (false, number) => format!("call_status:{call_sid}:attempt-{number}"),
    };
    let webhook = Webhook::CallStatus {
        call_sid,
        from: signed.text("From").filter(|from| !from.is_empty()),
        to: signed.text("To").filter(|to| !to.is_empty()),
        dial_status,
        is_call_status,
        // An older worker takes it for a result of the dialling: a call that nobody answered.
        bridged: if is_call_status { Some(false) } else { bridged },
        screened: attempt.is_screened,
        duration_seconds: seconds(signed, "DialCallDuration").or_else(|| seconds(signed, "CallDuration")),
    };
    Ok((input_id, webhook))
}

fn seconds(signed: &SignedForm, name: &str) -> Option<i32> {
    signed.form.get(name).and_then(|text| text.parse().ok()).filter(|seconds| *seconds >= 0)
}
