//! Twilio's answers, and how they are interpreted.
//!
//! An answer that does not say clearly whether a message was accepted is interpreted as unknown.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::StatusCode;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};

use super::client::{ListError, SendOutcome};
use crate::adapters::http_client::describe_json;

/// The fields that a list must have; an error names them if they are missing.
const NEEDED: &[&str] = &["messages", "sid", "status", "direction", "date_created"];

/// Twilio's concurrency limit: the request was refused before anything was done.
const TOO_MANY_REQUESTS: u32 = 20429;

/// The answer to a create request.
#[derive(Deserialize)]
struct Created {
    sid: String,
    #[serde(default)]
    status: String,
    num_segments: Option<String>,
}

/// The answer to any request that failed.
#[derive(Deserialize)]
pub(super) struct Problem {
    pub(super) code: Option<u32>,
    pub(super) message: Option<String>,
}

/// One page of the list of messages.
#[derive(Deserialize)]
pub struct Page {
    /// The messages, newest first.
    pub messages: Vec<ListedMessage>,
    /// The path of the next page, below the API's address.
    pub next_page_uri: Option<String>,
}

/// A message in Twilio's list.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct ListedMessage {
    /// Twilio's id of the message.
    pub sid: String,
    /// The text.
    #[serde(default, deserialize_with = "or_empty")]
    pub body: String,
    /// The recipient.
    #[serde(default, deserialize_with = "or_empty")]
    pub to: String,
    /// The sender.
    #[serde(default, deserialize_with = "or_empty")]
    pub from: String,
    /// `queued`, `sent`, `delivered` and so on.
    pub status: String,
    /// `outbound-api`, `outbound-reply`, `inbound` and so on.
    pub direction: String,
    /// When Twilio accepted it, to the second.
    #[serde(deserialize_with = "rfc_2822")]
    pub date_created: DateTime<Utc>,
    /// When it left Twilio, to the second; `None` while it is queued.
    #[serde(default, deserialize_with = "rfc_2822_or_null")]
    pub date_sent: Option<DateTime<Utc>>,
}

/// Omits text and numbers.
impl std::fmt::Debug for ListedMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ListedMessage").field("sid", &self.sid).field("status", &self.status).finish_non_exhaustive()
    }
}

pub(super) fn or_empty<'de, D: Deserializer<'de>>(text: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(text)?.unwrap_or_default())
}

fn rfc_2822<'de, D: Deserializer<'de>>(text: D) -> Result<DateTime<Utc>, D::Error> {
    rfc_2822_or_null(text)?.ok_or_else(|| D::Error::custom("no date"))
}

pub(super) fn rfc_2822_or_null<'de, D: Deserializer<'de>>(text: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let Some(text) = Option::<String>::deserialize(text)? else { return Ok(None) };
    let date = DateTime::parse_from_rfc2822(&text).map_err(|_| D::Error::custom("not an RFC 2822 date"))?;
    Ok(Some(date.to_utc()))
}

/// Whether this is an id of Twilio: one of these prefixes and 32 hexadecimal digits.
fn is_sid(sid: &str, prefixes: &[&str]) -> bool {
    let digits = prefixes.iter().find_map(|prefix| sid.strip_prefix(prefix));
    digits.is_some_and(|digits| digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

/// Interprets the answer to the creation of an SMS.
pub fn read_created(status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> SendOutcome {
    read_created_as(&["SM", "MM"], status, retry_after, body)
}

/// Interprets the answer to a create request for something whose id has one of these prefixes.
pub(super) fn read_created_as(
    prefixes: &[&str],
    status: StatusCode,
    retry_after: Option<Duration>,
    body: &[u8],
) -> SendOutcome {
    if status.is_success() {
        return match serde_json::from_slice::<Created>(body) {
            Ok(created) if is_sid(&created.sid, prefixes) => SendOutcome::Accepted {
                sid: created.sid,
                segments: created.num_segments.and_then(|segments| segments.parse().ok()).unwrap_or(1).max(1),
                status: created.status,
            },
            _ => SendOutcome::Unknown { reason: format!("status {status}, but the answer has no SID of it") },
        };
    }
    let problem = serde_json::from_slice::<Problem>(body).ok();
    let code = problem.as_ref().and_then(|problem| problem.code);
    if is_too_many_requests(status, code) {
        return SendOutcome::NotProcessed { retry_after, reason: "too many requests".to_owned() };
    }
    // A proxy's timeout, which does not show what Twilio did.
    let by_proxy = code.is_none() && matches!(status.as_u16(), 408 | 499);
    if !status.is_client_error() || by_proxy {
        return SendOutcome::Unknown { reason: format!("status {status}") };
    }
    let message = problem.and_then(|problem| problem.message).unwrap_or_default();
    SendOutcome::Rejected { code, message, http_status: status.as_u16() }
}

/// Whether Twilio has refused a request for its rate: by the status, or by a code of its own.
fn is_too_many_requests(status: StatusCode, code: Option<u32>) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || (status.is_client_error() && code == Some(TOO_MANY_REQUESTS))
}

/// Interprets the answer to a list request.
///
/// # Errors
/// If it is not a list.
pub fn read_page(status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> Result<Page, ListError> {
    read_list(status, retry_after, body)
}

pub(super) fn read_list<P: DeserializeOwned>(
    status: StatusCode,
    retry_after: Option<Duration>,
    body: &[u8],
) -> Result<P, ListError> {
    if !status.is_success() {
        let code = serde_json::from_slice::<Problem>(body).ok().and_then(|problem| problem.code);
        if is_too_many_requests(status, code) {
            return Err(ListError::TooManyRequests { retry_after });
        }
        return Err(ListError::Refused { code, http_status: status.as_u16() });
    }
    serde_json::from_slice(body).map_err(|error| ListError::Malformed(describe_json(&error, NEEDED)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use rstest::rstest;

    use super::*;

    const SM: &str = "SM0123456789abcdef0123456789ABCDEF";

    fn read(status: u16, body: &str) -> SendOutcome {
        read_created(StatusCode::from_u16(status).unwrap(), Some(Duration::from_secs(3)), body.as_bytes())
    }

    #[rstest]
    #[case::with_segments(r#"{"sid":"SM0123456789abcdef0123456789ABCDEF","status":"queued","num_segments":"2"}"#, 2)]
    #[case::before_they_are_counted(
        r#"{"sid":"SM0123456789abcdef0123456789ABCDEF","status":"queued","num_segments":"0"}"#,
        1
    )]
    #[case::without(r#"{"sid":"SM0123456789abcdef0123456789ABCDEF","status":"queued"}"#, 1)]
    fn a_201_with_a_sid_is_accepted(#[case] body: &str, #[case] segments: u32) {
        let accepted = SendOutcome::Accepted { sid: SM.into(), segments, status: "queued".into() };
        assert_eq!(read(201, body), accepted);
    }

    #[rstest]
    #[case::a_201_with_no_body(201, "")]
    #[case::a_201_with_half_a_body(201, r#"{"sid":"SM0123"#)]
    #[case::a_201_with_another_sid(201, r#"{"sid":"CA0123456789abcdef0123456789abcdef"}"#)]
    #[case::a_201_with_a_short_sid(201, r#"{"sid":"SM0123"}"#)]
    #[case::a_201_with_an_odd_sid(201, r#"{"sid":"SM0123456789abcdef0123456789abcdeg"}"#)]
    #[case::a_202_from_somebody_else(202, "accepted")]
    #[case::a_redirect(302, "")]
    #[case::a_server_error(500, r#"{"code":20500,"message":"Internal Server Error","status":500}"#)]
    #[case::a_gateway(502, "<html>")]
    #[case::unavailable(503, "")]
    #[case::a_proxy_that_timed_out(408, "<html>")]
    fn whatever_may_have_been_accepted_is_unknown(#[case] status: u16, #[case] body: &str) {
        assert!(matches!(read(status, body), SendOutcome::Unknown { .. }));
    }

    #[rstest]
    #[case::by_status(429, "")]
    #[case::by_status_and_code(429, r#"{"code":20429,"message":"Too Many Requests"}"#)]
    #[case::by_code(400, r#"{"code":20429,"message":"Too Many Requests"}"#)]
    fn too_many_requests_were_not_processed(#[case] status: u16, #[case] body: &str) {
        let retry_after = Some(Duration::from_secs(3));
        assert_eq!(read(status, body), SendOutcome::NotProcessed { retry_after, reason: "too many requests".into() });
    }

    #[rstest]
    #[case::opted_out(400, r#"{"code":21610,"message":"no","more_info":"-","status":400}"#, Some(21610), "no")]
    #[case::credentials(401, r#"{"code":20003,"message":"Authenticate","status":401}"#, Some(20003), "Authenticate")]
    #[case::without_twilios_body(403, "<html>", None, "")]
    fn other_client_errors_are_rejections(
        #[case] http_status: u16,
        #[case] body: &str,
        #[case] code: Option<u32>,
        #[case] message: &str,
    ) {
        let rejected = SendOutcome::Rejected { code, message: message.into(), http_status };
        assert_eq!(read(http_status, body), rejected);
    }

    #[test]
    fn a_listed_message_has_dates_and_may_lack_a_body() {
        let body = r#"{"messages":[{"sid":"SM1","body":null,"to":"+1","from":"+2","status":"queued",
            "direction":"outbound-api","date_created":"Thu, 24 Aug 2023 05:01:45 +0000","date_sent":null}]}"#;
        let page = read_page(StatusCode::OK, None, body.as_bytes()).ok().unwrap();
        assert_eq!(page.messages[0].date_created.to_rfc3339(), "2023-08-24T05:01:45+00:00");
        assert_eq!((page.messages[0].date_sent, page.messages[0].body.as_str()), (None, ""));
        assert_eq!(page.next_page_uri, None);
    }

    /// The error is logged.
    #[rstest]
    #[case::for_a_date(
        r#"{"messages":[{"sid":"SM1","status":"sent","direction":"x","date_created":"call 2125551234"}]}"#
    )]
    #[case::for_a_list(r#"{"messages":"call 2125551234"}"#)]
    #[case::for_a_text(r#"{"messages":[{"sid":2125551234}]}"#)]
    #[case::for_everything("call 2125551234")]
    fn what_is_wrong_with_a_list_is_told_without_quoting_it(#[case] body: &str) {
        let Err(error) = read_page(StatusCode::OK, None, body.as_bytes()) else { panic!() };
        let told = format!("{error} {error:?}");
        assert!(!told.contains("2125551234") && !told.contains("call"), "{told}");
    }

    #[rstest]
    #[case::not_json(200, "<html>", "malformed")]
    #[case::a_date_that_is_none(
        200,
        r#"{"messages":[{"sid":"SM1","status":"sent","direction":"x","date_created":"-"}]}"#,
        "malformed"
    )]
    #[case::refused(401, r#"{"code":20003}"#, "refused")]
    #[case::unavailable(503, "", "refused")]
    #[case::too_many(429, "", "too_many_requests")]
    fn an_unreadable_list_is_an_error(#[case] status: u16, #[case] body: &str, #[case] label: &str) {
        let Err(error) = read_page(StatusCode::from_u16(status).unwrap(), None, body.as_bytes()) else { panic!() };
        assert_eq!(error.label(), label);
    }
}
