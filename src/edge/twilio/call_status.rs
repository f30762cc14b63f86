//! `/webhooks/twilio/call/status/{CallSid}`: how the dialling ended.

use super::admission::{Admitted, bury};
use super::form::FormError;
use super::{Answer, twiml};
use crate::edge::Edge;
use crate::edge::problem::Problem;
use crate::inbound::Webhook;

pub(super) async fn ended(edge: &Edge, admitted: Admitted, call_sid_in_path: &str) -> Result<Answer, Problem> {
    let report = match Report::read(&admitted, call_sid_in_path) {
        Ok(report) => report,
        Err(error) => {
            let (reason, detail, letter) = admitted.unusable(&error);
            return bury(edge, reason, detail, letter).await;
        }
    };
    let webhook = Webhook::CallStatus {
        call_sid: report.call_sid.clone(),
        from: admitted.text("From").filter(|from| !from.is_empty()),
        to: admitted.text("To").filter(|to| !to.is_empty()),
        dial_status: report.dial_status,
        bridged: report.bridged,
        duration_seconds: seconds(&admitted, "DialCallDuration").or_else(|| seconds(&admitted, "CallDuration")),
    };
    admitted.publish(edge, format!("call_status:{}", report.call_sid), webhook).await?;
    Ok(Answer::Twiml(twiml::empty()))
}

struct Report {
    call_sid: String,
    dial_status: String,
    bridged: Option<bool>,
}

impl Report {
    fn read(admitted: &Admitted, call_sid_in_path: &str) -> Result<Self, FormError> {
        // Both are signed; the form's is Twilio's own word.
        let call_sid = match admitted.word("CallSid") {
            Err(FormError::Missing { .. }) => call_sid_in_path.to_owned(),
            word => word?,
        };
        let bridged = admitted.form.get("DialBridged").and_then(|word| word.parse().ok());
        match admitted.word("DialCallStatus") {
            Ok(dial_status) => Ok(Self { call_sid, dial_status, bridged }),
            // Without a Dial result nobody has answered, whatever Twilio calls the end of the call (contract, section 2).
            Err(missing @ FormError::Missing { .. }) => match admitted.word("CallStatus") {
                Ok(dial_status) => Ok(Self { call_sid, dial_status, bridged: Some(false) }),
                Err(_) => Err(missing),
            },
            Err(error) => Err(error),
        }
    }
}

fn seconds(admitted: &Admitted, name: &str) -> Option<i32> {
    admitted.form.get(name).and_then(|text| text.parse().ok()).filter(|seconds| *seconds >= 0)
}
