//! Twilio's checks before it accepts a message, with its error codes.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::error::ApiError;
use super::state::State;

/// Maximum length of a message in characters.
const MAX_BODY: usize = 1600;

/// The form of a create request.
#[derive(Clone, Debug, Default)]
pub(super) struct Form {
    pub(super) to: String,
    pub(super) from: String,
    pub(super) service: Option<String>,
    pub(super) body: String,
    pub(super) media_urls: Vec<String>,
    pub(super) status_callback: Option<String>,
    pub(super) validity_period: Option<String>,
}

impl Form {
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let mut form = Self::default();
        for (key, value) in url::form_urlencoded::parse(bytes).into_owned() {
            match key.as_str() {
                "To" => form.to = value,
                "From" => form.from = value,
                "Body" => form.body = value,
                "MediaUrl" => form.media_urls.push(value),
                "MessagingServiceSid" => form.service = Some(value).filter(|sid| !sid.is_empty()),
                "StatusCallback" => form.status_callback = Some(value).filter(|url| !url.is_empty()),
                "ValidityPeriod" => form.validity_period = Some(value),
                _ => {}
            }
        }
        form
    }

    /// Checks in Twilio's order and refuses with Twilio's error.
    pub(super) fn check(&self, opted_out: &BTreeSet<String>) -> Result<(), ApiError> {
        let refuse = |code, message: String| Err(ApiError::bad_request(code, message));
        if self.to.is_empty() {
            return refuse(21604, "A 'To' phone number is required.".to_owned());
        }
        if self.from.is_empty() && self.service.is_none() {
            return refuse(21603, "A 'From' phone number is required.".to_owned());
        }
        if self.body.is_empty() && self.media_urls.is_empty() {
            return refuse(21602, "Message body is required.".to_owned());
        }
        if self.body.chars().count() > MAX_BODY {
            return refuse(21617, format!("The concatenated message body exceeds the {MAX_BODY} character limit"));
        }
        let (to, from) = (&self.to, &self.from);
        match from.as_str() {
            "+15005550001" => return refuse(21212, format!("Invalid From Number: {from}")),
            "+15005550007" => {
                return refuse(21606, format!("The 'From' phone number {from} is not SMS capable"));
            }
            "+15005550008" => return refuse(21611, format!("The queue of {from} is full")),
            number if self.service.is_none() && !is_e164(number) => {
                return refuse(21212, format!("Invalid From Number (caller ID): {from}"));
            }
            _ => {}
        }
        match to.as_str() {
            "+15005550001" => return refuse(21211, format!("Invalid 'To' Phone Number: {to}")),
            "+15005550002" => {
                return refuse(21612, format!("'To' {to} is not reachable from {from}"));
            }
            "+15005550003" => {
                return refuse(21408, format!("Permission to send to the region of {to} is not enabled"));
            }
            "+15005550004" => {
                return refuse(21610, "Attempt to send to unsubscribed recipient".to_owned());
            }
            "+15005550009" => {
                return refuse(21614, format!("'To' number {to} is not a valid mobile number"));
            }
            number if !is_e164(number) => {
                return refuse(21211, format!("Invalid 'To' Phone Number: {to}"));
            }
            _ => {}
        }
        if opted_out.contains(to) {
            return refuse(21610, "Attempt to send to unsubscribed recipient".to_owned());
        }
        if self.status_callback.as_deref().is_some_and(|url| !is_http(url)) {
            return refuse(21609, "The 'StatusCallback' URL is not a valid URL".to_owned());
        }
        let is_period = |text: &String| text.parse().is_ok_and(|seconds: u32| (1..=36_000).contains(&seconds));
        if self.validity_period.as_ref().is_some_and(|text| !is_period(text)) {
            return refuse(20001, "ValidityPeriod must be from 1 to 36000 seconds".to_owned());
        }
        Ok(())
    }
}

/// Checks the Basic credentials for this account: its own, or those of the main account.
pub(super) fn authorize(state: &State, account: &str, authorization: Option<&str>) -> Result<(), ApiError> {
    let Some((user, token)) = authorization.and_then(credentials) else {
        return Err(ApiError::unauthorized());
    };
    let own = user == account || user == state.main_account;
    let exists = crate::sim::lock(&state.accounts).contains_key(account);
    if own && exists && state.accepts_token(&user, &token) { Ok(()) } else { Err(ApiError::unauthorized()) }
}

/// User and password of Basic credentials.
pub(super) fn credentials(authorization: &str) -> Option<(String, String)> {
    let decoded = STANDARD.decode(authorization.strip_prefix("Basic ")?).ok()?;
    let pair = String::from_utf8(decoded).ok()?;
    pair.split_once(':').map(|(user, token)| (user.to_owned(), token.to_owned()))
}

pub(super) fn is_e164(number: &str) -> bool {
    let Some(digits) = number.strip_prefix('+') else {
        return false;
    };
    (7..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit())
}

pub(super) fn is_http(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(form: &Form) -> Option<u32> {
        form.check(&BTreeSet::from(["+12125559999".to_owned()])).err().map(|error| error.code)
    }

    #[test]
    fn what_twilio_refuses_is_refused_with_its_code() {
        let good = Form {
            to: "+12125551234".to_owned(),
            from: "+15005550006".to_owned(),
            body: "Hi".to_owned(),
            ..Form::default()
        };
        assert_eq!(code(&good), None);
        assert_eq!(code(&Form { body: "x".repeat(1600), ..good.clone() }), None);
        assert_eq!(code(&Form { body: "x".repeat(1601), ..good.clone() }), Some(21617));
        assert_eq!(code(&Form { body: String::new(), ..good.clone() }), Some(21602));
        assert_eq!(code(&Form { from: String::new(), ..good.clone() }), Some(21603));
        assert_eq!(code(&Form { from: "12125551234".to_owned(), ..good.clone() }), Some(21212));
        assert_eq!(code(&Form { status_callback: Some("/relative".to_owned()), ..good.clone() }), Some(21609));
        assert_eq!(code(&Form { validity_period: Some("0".to_owned()), ..good.clone() }), Some(20001));
        for (to, expected) in [
            ("", 21604),
            ("2125551234", 21211),
            ("+15005550001", 21211),
            ("+15005550002", 21612),
            ("+15005550003", 21408),
            ("+15005550004", 21610),
            ("+15005550009", 21614),
            ("+12125559999", 21610),
        ] {
            assert_eq!(code(&Form { to: to.to_owned(), ..good.clone() }), Some(expected), "{to}");
        }
    }
}
