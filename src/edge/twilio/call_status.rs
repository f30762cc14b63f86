//! `/webhooks/twilio/call/status/{CallSid}`: how the dialling ended.

use super::admission::{Admitted, bury};
use super::form::FormError;
use super::{Answer, twiml};
use crate::edge::Edge;
use crate::edge::problem::Problem;
use crate::inbound::Webhook;

pub(super) async fn ended(edge: &Edge, admitted: Admitted, call_sid_in_path: &str) -> Result<Answer, Problem> {
    let (input_id, webhook) = match read(&admitted, call_sid_in_path) {
        Ok(read) => read,
        Err(error) => {
            let (reason, detail, letter) = admitted.unusable(&error);
            return bury(edge, reason, detail, letter).await;
        }
    };
    if let Webhook::CallStatus { call_sid, .. } = &webhook {
        edge.ringing.ended(call_sid);
    }
    admitted.publish(edge, input_id, webhook).await?;
    Ok(Answer::Twiml(twiml::empty()))
}

/// What it says, and under which id it is published.
pub(super) fn read(admitted: &Admitted, call_sid_in_path: &str) -> Result<(String, Webhook), FormError> {
    // Both are signed; the form's is Twilio's own word.
    let call_sid = match admitted.word("CallSid") {
        Err(FormError::Missing { .. }) => call_sid_in_path.to_owned(),
        word => word?,
    };
    let bridged = admitted.form.get("DialBridged").and_then(|word| word.parse().ok());
    let (dial_status, bridged) = match admitted.word("DialCallStatus") {
        Ok(dial_status) => (dial_status, bridged),
        // Without a Dial result nobody has answered, whatever Twilio calls the end of the call (contract, section 2).
        Err(missing @ FormError::Missing { .. }) => match admitted.word("CallStatus") {
            Ok(dial_status) => (dial_status, Some(false)),
            Err(_) => return Err(missing),
        },
        Err(error) => return Err(error),
    };
    let webhook = Webhook::CallStatus {
        call_sid: call_sid.clone(),
        from: admitted.text("From").filter(|from| !from.is_empty()),
        to: admitted.text("To").filter(|to| !to.is_empty()),
        dial_status,
        bridged,
        duration_seconds: seconds(admitted, "DialCallDuration").or_else(|| seconds(admitted, "CallDuration")),
    };
    Ok((format!("call_status:{call_sid}"), webhook))
}

fn seconds(admitted: &Admitted, name: &str) -> Option<i32> {
    admitted.form.get(name).and_then(|text| text.parse().ok()).filter(|seconds| *seconds >= 0)
}
