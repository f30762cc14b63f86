//! `/webhooks/twilio/call`: a call is ringing, or has ended.

use super::form::FormError;
use super::{NotDialled, SignedForm, Webhook};
use crate::domain::call::Attempt;

/// The fields of a call webhook.
pub struct Call {
    /// Twilio's id of the call.
    pub call_sid: String,
    /// The caller, as Twilio sends it.
    pub from: String,
    /// The number that was called.
    pub to: String,
    call_status: Option<String>,
    /// The number that forwarded the call.
    pub forwarded_from: Option<String>,
    stir_verstat: Option<String>,
}

/// Reads the webhook to publish, with its input id. The call counts as dialled.
pub(super) fn read(signed: &SignedForm) -> Result<(String, Webhook), FormError> {
    Call::read(signed).map(|call| call.into_webhook(None, Attempt::ONLY))
}

impl Call {
    /// Reads the fields from a signed form.
    ///
    /// # Errors
    /// If a parameter is missing or malformed.
    pub fn read(signed: &SignedForm) -> Result<Self, FormError> {
        let call_sid = signed.word("CallSid")?;
        signed.form.required("To")?;
        // If the caller's number is withheld, From may be blank or a word, but Twilio always sends it.
        if signed.form.get("From").is_none() {
            signed.form.required("From")?;
        }
        let call_status = match signed.word("CallStatus") {
            Ok(status) => Some(status),
            Err(FormError::Missing { .. }) => None,
            Err(error) => return Err(error),
        };
        Ok(Self {
            call_sid,
            from: signed.text("From").unwrap_or_default(),
            to: signed.text("To").unwrap_or_default(),
            call_status,
            stir_verstat: signed.text("StirVerstat").filter(|verstat| !verstat.is_empty()),
            forwarded_from: signed.text("ForwardedFrom").filter(|number| !number.is_empty()),
        })
    }

    /// The call's status; `ringing` if Twilio sends none.
    pub fn status(&self) -> &str {
        self.call_status.as_deref().unwrap_or("ringing")
    }

    /// The webhook to publish, with its input id. `first` is the first of its dials, if it is dialled.
    pub fn into_webhook(self, not_dialled: Option<NotDialled>, first: Attempt) -> (String, Webhook) {
        let input_id = format!("call:{}:{}", self.call_sid, self.status());
        let Self { call_sid, from, to, call_status, forwarded_from, stir_verstat } = self;
        let (phones, screened) = (Some(first.of).filter(|phones| *phones > 1), first.is_screened);
        let webhook = Webhook::Call {
            call_sid,
            from,
            to,
            call_status,
            forwarded_from,
            not_dialled,
            stir_verstat,
            phones,
            screened,
        };
        (input_id, webhook)
    }
}
