//! `/webhooks/twilio/call/status/{CallSid}`: the result of dialing the owner.

use super::form::FormError;
use super::{SignedForm, Webhook};

/// Reads the webhook to publish, with its input id.
pub(super) fn read(signed: &SignedForm) -> Result<(String, Webhook), FormError> {
    // Both values are signed; the form's comes from Twilio itself.
    let call_sid = match signed.word("CallSid") {
        Err(FormError::Missing { .. }) => signed.last_segment().to_owned(),
        word => word?,
    };
    let bridged = signed.form.get("DialBridged").and_then(|word| word.parse().ok());
    let (dial_status, bridged) = match signed.word("DialCallStatus") {
        Ok(dial_status) => (dial_status, bridged),
        // Without a Dial result nobody answered, whichever status Twilio gives the ended call (docs/contract.md,
        // section 2).
        Err(missing @ FormError::Missing { .. }) => match signed.word("CallStatus") {
            Ok(dial_status) => (dial_status, Some(false)),
            Err(_) => return Err(missing),
        },
        Err(error) => return Err(error),
    };
    let webhook = Webhook::CallStatus {
        call_sid: call_sid.clone(),
        from: signed.text("From").filter(|from| !from.is_empty()),
        to: signed.text("To").filter(|to| !to.is_empty()),
        dial_status,
        bridged,
        duration_seconds: seconds(signed, "DialCallDuration").or_else(|| seconds(signed, "CallDuration")),
    };
    Ok((format!("call_status:{call_sid}"), webhook))
}

fn seconds(signed: &SignedForm, name: &str) -> Option<i32> {
    signed.form.get(name).and_then(|text| text.parse().ok()).filter(|seconds| *seconds >= 0)
}
