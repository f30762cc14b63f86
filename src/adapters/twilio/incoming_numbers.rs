//! The numbers of an account with their settings (`IncomingPhoneNumbers`): listed, and changed.

use std::collections::HashSet;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::client::{Account, ListError, TwilioClient, query};
use super::wire::Problem;
use crate::adapters::http_client::describe;
use crate::domain::number_setup::{Change, Setting, Settings};

/// A number has about two kilobytes, so a page stays within the size of an answer that is read.
const NUMBERS_PER_PAGE: &str = "200";
/// More pages than this are not a list of numbers, but one that does not end.
const MAX_PAGES: usize = 500;
/// The longest pause, whatever Twilio asks for: somebody waits for the command.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How often a change is tried. It may be repeated: it says how the number shall be, not what to add.
const ATTEMPTS: u32 = 3;
/// The pause before another attempt, if Twilio does not name one.
const PAUSE: Duration = Duration::from_secs(1);

/// Why something could not be read or changed, for an operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ReadError(String);

impl From<ListError> for ReadError {
    fn from(error: ListError) -> Self {
        Self(match error {
            ListError::Unreachable(reason) => format!("Twilio did not answer: {reason}"),
            ListError::TooManyRequests { .. } => "Twilio's rate limit is exceeded".to_owned(),
            ListError::Refused { code: Some(code), http_status } => {
                format!("Twilio refused the request with status {http_status}, code {code}")
            }
            ListError::Refused { code: None, http_status } => format!("Twilio refused it with status {http_status}"),
            ListError::Malformed(_) => "Twilio's answer is not the expected list".to_owned(),
            ListError::TooLarge => "Twilio's answer is too large".to_owned(),
            ListError::ForeignPage => "the next page of Twilio's list is at another host".to_owned(),
            ListError::TooManyPages => "Twilio's list does not end".to_owned(),
        })
    }
}

/// What a number can do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// Calls.
    pub voice: bool,
    /// Texts.
    pub sms: bool,
    /// Texts with attachments.
    pub mms: bool,
}

/// A number of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomingNumber {
    /// `PN…`.
    pub sid: String,
    /// The number.
    pub phone_number: String,
    /// What it can do.
    pub capabilities: Capabilities,
    /// The SIP trunk that it belongs to.
    pub trunk_sid: Option<String>,
    /// All its settings.
    pub settings: Settings,
}

#[derive(Deserialize)]
struct Resource {
    sid: String,
    phone_number: String,
    #[serde(default)]
    capabilities: Capabilities,
    #[serde(default)]
    trunk_sid: Option<String>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl From<Resource> for IncomingNumber {
    fn from(resource: Resource) -> Self {
        let Resource { sid, phone_number, capabilities, trunk_sid, others } = resource;
        let value = |setting: &Setting| others.get(setting.as_str()).and_then(Value::as_str).unwrap_or_default();
        let settings = Setting::ALL.iter().map(|setting| (*setting, value(setting).to_owned())).collect();
        Self { sid, phone_number, capabilities, trunk_sid: trunk_sid.filter(|sid| !sid.is_empty()), settings }
    }
}

#[derive(Deserialize)]
struct Page {
    incoming_phone_numbers: Vec<Resource>,
    next_page_uri: Option<String>,
}

impl TwilioClient {
    /// All numbers of an account.
    ///
    /// # Errors
    /// If the list cannot be read to its end.
    pub async fn incoming_numbers(&self, account: &Account) -> Result<Vec<IncomingNumber>, ReadError> {
        let mut url = self.list_url(account, "IncomingPhoneNumbers.json", &query(&[("PageSize", NUMBERS_PER_PAGE)]));
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        for _ in 0..MAX_PAGES {
            let page: Page = self.page(account, &url).await?;
            let numbers = page.incoming_phone_numbers.into_iter().map(IncomingNumber::from);
            found.extend(numbers.filter(|number| seen.insert(number.sid.clone())));
            let Some(next) = page.next_page_uri.filter(|uri| !uri.is_empty()) else { return Ok(found) };
            url = self.next_page(&next)?;
        }
        Err(ListError::TooManyPages.into())
    }

    /// Changes settings of a number, and returns those that it has then.
    ///
    /// # Errors
    /// If Twilio refuses the change, or does not answer. It is not known then whether the number was changed.
    pub async fn change_number(&self, account: &Account, sid: &str, changes: &[Change]) -> Result<Settings, ReadError> {
        let sid = utf8_percent_encode(sid, NON_ALPHANUMERIC);
        let url = self.resource_url(account, &format!("IncomingPhoneNumbers/{sid}.json"));
        let form: Vec<(String, &str)> =
            changes.iter().map(|change| (parameter(change.setting), change.then.as_str())).collect();
        let mut attempt = 0;
        loop {
            attempt += 1;
            let answer = self.exchange(account, self.http.post(&url).form(&form)).await;
            let pause = match &answer {
                Err(_) => PAUSE,
                Ok((status, retry_after, _)) if *status == StatusCode::TOO_MANY_REQUESTS => {
                    retry_after.unwrap_or(PAUSE).min(LONGEST_PAUSE)
                }
                Ok((status, _, _)) if status.is_server_error() => PAUSE,
                Ok((status, _, body)) => return changed(*status, body.as_deref().unwrap_or_default()),
            };
            if attempt == ATTEMPTS {
                return match answer {
                    Ok((status, _, _)) => Err(ReadError(format!("Twilio answered with status {status}"))),
                    Err(error) => Err(ReadError(format!("Twilio did not answer: {}", describe(error)))),
                };
            }
            tokio::time::sleep(pause).await;
        }
    }
}

/// Interprets the answer to a change.
fn changed(status: StatusCode, body: &[u8]) -> Result<Settings, ReadError> {
    if status.is_success() {
        return serde_json::from_slice::<Resource>(body)
            .map(|resource| IncomingNumber::from(resource).settings)
            .map_err(|_| ReadError("Twilio's answer is not a number".to_owned()));
    }
    let problem = serde_json::from_slice::<Problem>(body).ok();
    let code = problem.as_ref().and_then(|problem| problem.code);
    let message = problem.and_then(|problem| problem.message).unwrap_or_default();
    let code = code.map_or_else(|| format!("status {}", status.as_u16()), |code| format!("code {code}"));
    Err(ReadError(format!("Twilio refused the change with {code}: {message}")))
}

/// Twilio's name of the parameter that changes a setting: `voice_url` is `VoiceUrl`.
fn parameter(setting: Setting) -> String {
    let words = setting.as_str().split('_').map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    });
    words.collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::adapters::http_client::{
        self,
        loopback::{Loopback, Reply},
    };
    use crate::config::Secret;

    fn account() -> Account {
        Account { sid: "AC1".to_owned(), token: Secret::new("token") }
    }

    fn client(server: &Loopback) -> TwilioClient {
        TwilioClient::new(http_client::build().unwrap(), server.url.clone(), Duration::from_secs(30))
    }

    fn answer(status: u16, body: &str) -> Reply {
        Reply::Answer(status, "", body.to_owned())
    }

    #[tokio::test]
    async fn numbers_are_read_over_all_pages_with_their_settings() {
        let first = r#"{"incoming_phone_numbers":[{"sid":"PN1","phone_number":"+15555551111","voice_url":"https://a",
            "sms_url":null,"trunk_sid":"","capabilities":{"voice":true,"sms":true,"mms":false}}],
            "next_page_uri":"/2010-04-01/Accounts/AC1/IncomingPhoneNumbers.json?Page=1"}"#;
        let second = r#"{"incoming_phone_numbers":[{"sid":"PN1","phone_number":"+15555551111"},
            {"sid":"PN2","phone_number":"+15555551112","trunk_sid":"TK1"}],"next_page_uri":null}"#;
        let mut server = Loopback::start([answer(200, first), answer(200, second)]).await;
        let numbers = client(&server).incoming_numbers(&account()).await.unwrap();
        assert_eq!(numbers.iter().map(|number| number.sid.as_str()).collect::<Vec<_>>(), ["PN1", "PN2"]);
        assert_eq!(numbers[0].settings[&Setting::VoiceUrl], "https://a");
        assert_eq!((numbers[0].settings[&Setting::SmsUrl].as_str(), &numbers[0].trunk_sid), ("", &None));
        assert_eq!(numbers[0].capabilities, Capabilities { voice: true, sms: true, mms: false });
        assert_eq!(numbers[1].trunk_sid.as_deref(), Some("TK1"));
        let asked = &server.received()[1].head;
        assert!(asked.starts_with("GET /2010-04-01/Accounts/AC1/IncomingPhoneNumbers.json?Page=1 "), "{asked}");
    }

    #[tokio::test]
    async fn only_what_changes_is_posted_under_twilios_names() {
        let body =
            r#"{"sid":"PN1","phone_number":"+15555551111","sms_application_sid":"","status_callback":"https://a"}"#;
        let mut server = Loopback::start([answer(200, body)]).await;
        let change = |setting, then: &str| Change { setting, now: String::new(), then: then.to_owned() };
        let changes = [change(Setting::StatusCallback, "https://a"), change(Setting::SmsApplicationSid, "")];
        let settings = client(&server).change_number(&account(), "PN1", &changes).await.unwrap();
        assert_eq!(settings[&Setting::StatusCallback], "https://a");
        let request = &server.received()[0];
        assert!(request.head.starts_with("POST /2010-04-01/Accounts/AC1/IncomingPhoneNumbers/PN1.json "));
        assert_eq!(request.body, "StatusCallback=https%3A%2F%2Fa&SmsApplicationSid=");
    }

    #[rstest]
    #[case::in_twilios_words(400, r#"{"code":21402,"message":"Invalid Url"}"#, "code 21402: Invalid Url")]
    #[case::without_words(403, "<html>", "status 403")]
    #[case::no_number(200, "{}", "not a number")]
    #[tokio::test]
    async fn a_change_that_is_refused_says_why(#[case] status: u16, #[case] body: &str, #[case] says: &str) {
        let server = Loopback::start([answer(status, body)]).await;
        let error = client(&server).change_number(&account(), "PN1", &[]).await.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }

    #[tokio::test]
    async fn a_change_is_tried_again_if_twilio_has_not_taken_it() {
        let body = r#"{"sid":"PN1","phone_number":"+15555551111"}"#;
        let too_many = Reply::Answer(429, "retry-after: 0\r\n", String::new());
        let mut server = Loopback::start([too_many, answer(200, body)]).await;
        client(&server).change_number(&account(), "PN1", &[]).await.unwrap();
        assert_eq!(server.received().len(), 2);
    }
}
