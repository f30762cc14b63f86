//! `/webhooks/twilio/screen/{CallSid}`: the owner's phone has answered a screened call, or has pressed a key there.
//!
//! The path has the caller's call; `CallSid` in the form is the leg to the phone.

use url::form_urlencoded::{Serializer, parse};

use super::form::FormError;
use super::{SignedForm, Webhook};
use crate::domain::call::Attempt;
use crate::domain::emergency::Language;

/// What the URL of a screened phone and its form say.
pub struct Screen {
    /// The caller's call.
    pub call_sid: String,
    /// The dial.
    pub attempt: Attempt,
    /// The name of the business.
    pub name: String,
    /// The language of the question.
    pub language: Language,
    /// The keys that were pressed; `None` if the phone has only answered.
    pub digits: Option<String>,
}

/// Reads the webhook to publish, with its input id: a key that was pressed.
pub(super) fn read(signed: &SignedForm) -> Result<(String, Webhook), FormError> {
    Screen::read(signed).map(Screen::into_webhook)
}

impl Screen {
    /// Reads the URL and the form.
    ///
    /// # Errors
    /// If the path does not end with a call's id.
    pub fn read(signed: &SignedForm) -> Result<Self, FormError> {
        let call_sid = signed.last_segment();
        if call_sid.is_empty() || call_sid.len() > 64 || !call_sid.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(FormError::Malformed { name: "CallSid".to_owned() });
        }
        let query = signed.query().unwrap_or_default();
        let value =
            |name: &str| parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        Ok(Self {
            call_sid: call_sid.to_owned(),
            attempt: super::attempt::in_query(Some(query)),
            name: value("name").unwrap_or_default(),
            language: value("language").and_then(|word| word.parse().ok()).unwrap_or_default(),
            digits: signed.text("Digits").filter(|digits| !digits.is_empty()),
        })
    }

    /// The path and query of the URL from which these are read; the keys are not in it.
    pub fn path(&self) -> String {
        let mut query = Serializer::new(String::new());
        query.append_pair("attempt", &self.attempt.number.to_string());
        query.append_pair("of", &self.attempt.of.to_string());
        query.append_pair("language", self.language.as_str());
        query.append_pair("name", &self.name);
        format!("/webhooks/twilio/screen/{}?{}", self.call_sid, query.finish())
    }

    /// The webhook to publish, with its input id.
    pub fn into_webhook(self) -> (String, Webhook) {
        let Self { call_sid, attempt, digits, .. } = self;
        let input_id = format!("screen:{call_sid}:{}", attempt.number);
        (input_id, Webhook::Screen { call_sid, attempt: attempt.number, digits: digits.unwrap_or_default() })
    }
}
