//! Requests to Twilio, and their outcomes.
//!
//! Sending a message is one request, which ends within the timeout. "Not processed" is reported only if the request
//! cannot have reached Twilio, or Twilio says that it did not process it.

use std::{collections::HashSet, fmt, time::Duration};

use bytes::Bytes;
use chrono::{DateTime, SubsecRound, Utc};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use tracing::Instrument;
use url::form_urlencoded;

use super::conversations::Addresses;
use super::wire::{ListedMessage, Page, read_created, read_list};
use crate::adapters::http_client::{BodyError, describe, read_body, record_result, request_span, retry_after};
use crate::config::Secret;

/// The maximum size of an answer that is read.
const MAX_ANSWER: usize = 1024 * 1024;

/// How many messages are requested per page. A message has about a kilobyte besides its text, and a text of 1,600
/// characters has up to 9,600 bytes if every character is escaped: a page of the longest messages is still within
/// [`MAX_ANSWER`].
pub(super) const MESSAGES_PER_PAGE: &str = "80";

/// How many pages are read for one pair of numbers: 5,000 messages. If there are more, absence is not concluded.
const MAX_PAGES: usize = 63;

/// A Twilio account.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its SID, `AC…`.
    pub sid: String,
    /// Its auth token.
    pub token: Secret,
}

/// A message to send.
#[derive(Clone, PartialEq, Eq)]
pub struct OutgoingSms {
    /// The recipient.
    pub to: String,
    /// The sender: a number of the business.
    pub from: String,
    /// The text.
    pub body: String,
    /// The URL to which Twilio reports the message's status. It contains our message id, which identifies the message
    /// if the answer is lost. If empty, Twilio reports nothing.
    pub status_callback: String,
    /// How long Twilio may keep the message in its queue. After that it fails.
    pub validity: Duration,
}

/// Omits text and numbers.
impl fmt::Debug for OutgoingSms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutgoingSms").field("status_callback", &self.status_callback).finish_non_exhaustive()
    }
}

/// The outcome of a send.
#[derive(Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// Twilio has accepted the message and will report its status.
    Accepted {
        /// Twilio's id of the message.
        sid: String,
        /// The number of segments, as far as known yet; at least one.
        segments: u32,
        /// The status; usually `queued`.
        status: String,
    },
    /// Twilio will not send the message; [`explain`](super::explain) explains the code.
    Rejected {
        /// Twilio's error code; `None` if a proxy answered.
        code: Option<u32>,
        /// Twilio's message. It may quote a phone number, so it must not be logged.
        message: String,
        /// The status of the answer.
        http_status: u16,
    },
    /// The request did not reach Twilio, or Twilio did not process it: a retry cannot send the message twice.
    NotProcessed {
        /// How long Twilio asks us to wait.
        retry_after: Option<Duration>,
        /// What happened.
        reason: String,
    },
    /// Twilio may have accepted the message: this must be found out before a retry.
    Unknown {
        /// What happened.
        reason: String,
    },
}

/// Omits Twilio's message.
impl fmt::Debug for SendOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct(self.label());
        match self {
            Self::Accepted { sid, segments, .. } => shown.field("sid", sid).field("segments", segments).finish(),
            Self::Rejected { code, http_status, .. } => {
                shown.field("code", code).field("http_status", http_status).finish()
            }
            Self::NotProcessed { retry_after, reason } => {
                shown.field("retry_after", retry_after).field("reason", reason).finish()
            }
            Self::Unknown { reason } => shown.field("reason", reason).finish(),
        }
    }
}

impl SendOutcome {
    /// The kind of outcome, for metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Rejected { .. } => "rejected",
            Self::NotProcessed { .. } => "not_processed",
            Self::Unknown { .. } => "unknown",
        }
    }
}

/// Why Twilio's messages could not be listed. No variant means that a message is absent.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// No answer, or only a part of one.
    #[error("Twilio did not answer: {0}")]
    Unreachable(String),
    /// Twilio asks us to wait.
    #[error("Twilio's rate limit is exceeded")]
    TooManyRequests {
        /// How long Twilio asks us to wait.
        retry_after: Option<Duration>,
    },
    /// An answer with an error status.
    #[error("Twilio rejected the request with status {http_status}, code {code:?}")]
    Refused {
        /// Twilio's error code.
        code: Option<u32>,
        /// The status of the answer.
        http_status: u16,
    },
    /// The list cannot be parsed. The description does not quote the list, because it is logged.
    #[error("Twilio's message list is malformed: {0}")]
    Malformed(String),
    /// The answer is larger than the limit.
    #[error("a page of Twilio's message list has more than {MAX_ANSWER} bytes")]
    TooLarge,
    /// The next page is not at Twilio's address.
    #[error("the next page of Twilio's message list is at another host")]
    ForeignPage,
    /// The numbers have exchanged more messages than are read.
    #[error("Twilio's message list has more than {MAX_PAGES} pages")]
    TooManyPages,
}

impl ListError {
    /// The kind of error, for metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::TooManyRequests { .. } => "too_many_requests",
            Self::Refused { .. } => "refused",
            Self::Malformed(_) => "malformed",
            Self::TooLarge => "too_large",
            Self::ForeignPage => "foreign_page",
            Self::TooManyPages => "too_many_pages",
        }
    }
}

/// A client of Twilio's REST API.
#[derive(Debug, Clone)]
pub struct TwilioClient {
    pub(super) http: reqwest::Client,
    pub(super) api_url: String,
    pub(super) conversations: Addresses,
    timeout: Duration,
}

impl TwilioClient {
    /// Creates a client for the API at `api_url` that waits at most `timeout` for each answer.
    ///
    /// `http` should be built by [`http_client::build`](crate::adapters::http_client::build), and `timeout` should be
    /// longer than its connect timeout: then a failed connection can be distinguished from a missing answer.
    pub fn new(http: reqwest::Client, api_url: String, timeout: Duration) -> Self {
        let api_url = api_url.trim_end_matches('/').to_owned();
        Self { http, api_url, conversations: Addresses::default(), timeout }
    }

    /// Sends a message, with one request and without a retry.
    pub async fn send(&self, account: &Account, sms: &OutgoingSms) -> SendOutcome {
        let validity = sms.validity.as_secs().to_string();
        let mut form = vec![("To", &sms.to), ("From", &sms.from), ("Body", &sms.body), ("ValidityPeriod", &validity)];
        if !sms.status_callback.is_empty() {
            form.push(("StatusCallback", &sms.status_callback));
        }
        let request = self.http.post(self.resource_url(account, "Messages.json")).form(&form);
        match self.exchange(account, request).await {
            // A success with a body that is too large does not identify a message, so its outcome is unknown. A refusal
            // is recognized without a body.
            Ok((status, retry_after, body)) => read_created(status, retry_after, &body.unwrap_or_default()),
            Err(error) if error.is_connect() || error.is_builder() => {
                SendOutcome::NotProcessed { retry_after: None, reason: describe(error) }
            }
            Err(error) => SendOutcome::Unknown { reason: describe(error) },
        }
    }

    /// Lists the messages between two numbers that Twilio accepted at `since` or later, to the second.
    ///
    /// The whole list of the pair is read and filtered here by `date_created`. Twilio can filter only by the date of
    /// sending, which a queued message does not have yet, so the message would seem to be absent.
    ///
    /// # Errors
    ///
    /// If the list could not be read to its end.
    pub async fn list_sent(
        &self,
        account: &Account,
        to: &str,
        from: &str,
        since: DateTime<Utc>,
    ) -> Result<Vec<ListedMessage>, ListError> {
        let query = query(&[("To", to), ("From", from), ("PageSize", MESSAGES_PER_PAGE)]);
        let mut url = self.list_url(account, "Messages.json", &query);
        let since = since.trunc_subsecs(0);
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        for _ in 0..MAX_PAGES {
            let page: Page = self.read_list(account, &url).await?;
            let recent = page.messages.into_iter().filter(|message| message.date_created >= since);
            found.extend(recent.filter(|message| seen.insert(message.sid.clone())));
            let Some(next) = page.next_page_uri.filter(|uri| !uri.is_empty()) else { return Ok(found) };
            url = self.next_page(&next)?;
        }
        Err(ListError::TooManyPages)
    }

    /// Requests a page of a list, once.
    pub(super) async fn read_list<P: DeserializeOwned>(&self, account: &Account, url: &str) -> Result<P, ListError> {
        let answer = self.exchange(account, self.http.get(url)).await;
        match answer.map_err(|error| ListError::Unreachable(describe(error)))? {
            (status, _, None) if status.is_success() => Err(ListError::TooLarge),
            (status, retry_after, body) => read_list(status, retry_after, &body.unwrap_or_default()),
        }
    }

    /// Requests a list below `/Accounts/{sid}`, once.
    pub(super) async fn get(
        &self,
        account: &Account,
        list: &str,
        query: &str,
    ) -> Result<(StatusCode, Option<Duration>, Option<Bytes>), reqwest::Error> {
        self.exchange(account, self.http.get(self.list_url(account, list, query))).await
    }

    pub(super) fn list_url(&self, account: &Account, list: &str, query: &str) -> String {
        format!("{}?{query}", self.resource_url(account, list))
    }

    /// The URL of a next page, which must be below the API's address.
    pub(super) fn next_page(&self, uri: &str) -> Result<String, ListError> {
        if !uri.starts_with('/') || uri.starts_with("//") {
            return Err(ListError::ForeignPage);
        }
        Ok(format!("{}{uri}", self.api_url))
    }

    pub(super) fn resource_url(&self, account: &Account, resource: &str) -> String {
        let sid = utf8_percent_encode(&account.sid, NON_ALPHANUMERIC);
        format!("{}/2010-04-01/Accounts/{sid}/{resource}", self.api_url)
    }

    /// Makes one request and returns its answer: the status, how long Twilio asks us to wait, and the body, or `None`
    /// if it is larger than [`MAX_ANSWER`].
    pub(super) async fn exchange(
        &self,
        account: &Account,
        request: RequestBuilder,
    ) -> Result<(StatusCode, Option<Duration>, Option<Bytes>), reqwest::Error> {
        let request = request.basic_auth(&account.sid, Some(account.token.expose())).timeout(self.timeout).build()?;
        let method = if request.method() == Method::POST { "POST" } else { "GET" };
        let span = request_span(method, request.url().as_str());
        let answer = self.http.execute(request).instrument(span.clone()).await;
        record_result(&span, answer.as_ref().map(Response::status));
        let answer = answer?;
        let (status, retry_after) = (answer.status(), retry_after(answer.headers(), Utc::now()));
        let body = match read_body(answer, MAX_ANSWER).await {
            Ok(body) => Some(body),
            Err(BodyError::TooLarge) => None,
            Err(BodyError::Transport(error)) => return Err(error),
        };
        Ok((status, retry_after, body))
    }
}

/// The query of a URL.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

#[cfg(test)]
mod tests;
