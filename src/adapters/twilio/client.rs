//! One request to Twilio, and what it came to.
//!
//! Fed by the delivery of messages with an account and a message; feeds it with the outcome. It guarantees one request
//! per call, within the time-out; "not processed" is said only where the request cannot have reached Twilio.

use std::{collections::HashSet, fmt, time::Duration};

use bytes::Bytes;
use chrono::{DateTime, SubsecRound, Utc};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{RequestBuilder, StatusCode};
use url::form_urlencoded;

use super::wire::{ListedMessage, read_created, read_page};
use crate::adapters::http_client::{BodyError, describe, read_body, retry_after};
use crate::config::Secret;

/// Of an answer no more than this is read.
const MAX_ANSWER: usize = 1024 * 1024;

/// How many messages Twilio is asked to list at once. One has about a kilobyte beside its text, and a text of 1,600 characters
/// has up to 9,600 bytes where each is escaped: a page of the longest ones still is within [`MAX_ANSWER`].
const PAGE_SIZE: &str = "80";

/// How many pages of one pair of numbers are read, 5,000 messages; more are not, and absence is not concluded.
const MAX_PAGES: usize = 63;

/// Whose message it is.
#[derive(Clone, Debug)]
pub struct Account {
    /// `AC…`.
    pub sid: String,
    /// Its auth token.
    pub token: Secret,
}

/// A message to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct OutgoingSms {
    /// The recipient.
    pub to: String,
    /// The sender: a number of the business.
    pub from: String,
    /// The text.
    pub body: String,
    /// Where Twilio reports what becomes of it; carries our message id, which identifies it where the answer is lost.
    /// Empty: nowhere.
    pub status_callback: String,
}

/// Leaves out text and numbers.
impl fmt::Debug for OutgoingSms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutgoingSms").field("status_callback", &self.status_callback).finish_non_exhaustive()
    }
}

/// What came of sending a message.
#[derive(Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// Twilio has it and will report on it.
    Accepted {
        /// Twilio's id of the message.
        sid: String,
        /// How many segments it was cut into, as far as known yet; at least one.
        segments: u32,
        /// `queued`, usually.
        status: String,
    },
    /// Twilio will not send it; [`explain`](super::explain) tells why.
    Rejected {
        /// Twilio's error code; nothing where something in between has answered.
        code: Option<u32>,
        /// Twilio's own words; they may quote a phone number, so they are not for logs.
        message: String,
        /// The status of the answer.
        http_status: u16,
    },
    /// It did not reach Twilio, or Twilio did not look at it: another try cannot send it twice.
    NotProcessed {
        /// How long Twilio asks us to wait.
        retry_after: Option<Duration>,
        /// What happened.
        reason: String,
    },
    /// It may have been accepted: to be found out before anything is tried again.
    Unknown {
        /// What happened.
        reason: String,
    },
}

/// Leaves out Twilio's own words.
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

/// Why Twilio's messages could not be listed. None of these says that a message is absent.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// No answer, or only part of one.
    #[error("Twilio did not answer: {0}")]
    Unreachable(String),
    /// Twilio asks us to wait.
    #[error("too many requests")]
    TooManyRequests {
        /// For how long.
        retry_after: Option<Duration>,
    },
    /// An answer that is no list.
    #[error("refused with status {http_status}, code {code:?}")]
    Refused {
        /// Twilio's error code.
        code: Option<u32>,
        /// The status of the answer.
        http_status: u16,
    },
    /// A list that cannot be read; why, without quoting it, since it ends in logs.
    #[error("the list cannot be read: {0}")]
    Malformed(String),
    /// More than is read of an answer.
    #[error("the list has more than {MAX_ANSWER} bytes")]
    TooLarge,
    /// A next page that is somewhere else than on Twilio.
    #[error("the next page is not on the same server")]
    ForeignPage,
    /// The numbers have exchanged more messages than are read.
    #[error("more than {MAX_PAGES} pages")]
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
    timeout: Duration,
}

impl TwilioClient {
    /// A client for the API at `api_url` that waits at most `timeout` for each answer.
    ///
    /// `http` should be [`http_client::build`](crate::adapters::http_client::build)'s, and `timeout` longer than the time in
    /// which that gives up connecting: then a connection that fails is told apart from an answer that
    /// does not come.
    pub fn new(http: reqwest::Client, api_url: String, timeout: Duration) -> Self {
        Self { http, api_url: api_url.trim_end_matches('/').to_owned(), timeout }
    }

    /// Sends a message, with one request and no second try.
    pub async fn send(&self, account: &Account, sms: &OutgoingSms) -> SendOutcome {
        let form =
            [("To", &sms.to), ("From", &sms.from), ("Body", &sms.body), ("StatusCallback", &sms.status_callback)];
        let form: Vec<_> =
            form.into_iter().filter(|(name, text)| *name != "StatusCallback" || !text.is_empty()).collect();
        let request = self.http.post(self.messages_url(account)).form(&form);
        match self.exchange(account, request).await {
            // A success whose body is too large says nothing of a message, so it is unknown; a refusal needs no body to be one.
            Ok((status, retry_after, body)) => read_created(status, retry_after, &body.unwrap_or_default()),
            Err(error) if error.is_connect() || error.is_builder() => {
                SendOutcome::NotProcessed { retry_after: None, reason: describe(error) }
            }
            Err(error) => SendOutcome::Unknown { reason: describe(error) },
        }
    }

    /// The messages between two numbers that Twilio has accepted at `since` or later, to the second.
    ///
    /// The whole list of the pair is read, and judged by `date_created` here. Twilio itself can filter only by the date
    /// of sending, which a message still in its queue has not got, so that it would seem to be absent.
    ///
    /// # Errors
    ///
    /// Where the list could not be read to its end.
    pub async fn list_sent(
        &self,
        account: &Account,
        to: &str,
        from: &str,
        since: DateTime<Utc>,
    ) -> Result<Vec<ListedMessage>, ListError> {
        let query: String = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("To", to), ("From", from), ("PageSize", PAGE_SIZE)])
            .finish();
        let mut url = format!("{}?{query}", self.messages_url(account));
        let since = since.trunc_subsecs(0);
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        for _ in 0..MAX_PAGES {
            let answer = self.exchange(account, self.http.get(url)).await;
            let (status, retry_after, body) = answer.map_err(|error| ListError::Unreachable(describe(error)))?;
            let body = match body {
                Some(body) => body,
                None if status.is_success() => return Err(ListError::TooLarge),
                None => Bytes::new(),
            };
            let page = read_page(status, retry_after, &body)?;
            let recent = page.messages.into_iter().filter(|message| message.date_created >= since);
            found.extend(recent.filter(|message| seen.insert(message.sid.clone())));
            let Some(next) = page.next_page_uri.filter(|uri| !uri.is_empty()) else { return Ok(found) };
            if !next.starts_with('/') || next.starts_with("//") {
                return Err(ListError::ForeignPage);
            }
            url = format!("{}{next}", self.api_url);
        }
        Err(ListError::TooManyPages)
    }

    /// Asks the account for a list below `/Accounts/{sid}`, once.
    pub(super) async fn get(
        &self,
        account: &Account,
        list: &str,
        query: &str,
    ) -> Result<(StatusCode, Option<Duration>, Option<Bytes>), reqwest::Error> {
        let sid = utf8_percent_encode(&account.sid, NON_ALPHANUMERIC);
        let url = format!("{}/2010-04-01/Accounts/{sid}/{list}?{query}", self.api_url);
        self.exchange(account, self.http.get(url)).await
    }

    fn messages_url(&self, account: &Account) -> String {
        let sid = utf8_percent_encode(&account.sid, NON_ALPHANUMERIC);
        format!("{}/2010-04-01/Accounts/{sid}/Messages.json", self.api_url)
    }

    /// One request and its answer: the status, how long Twilio asks us to wait, and the body, `None` where that is larger than
    /// anything that is read.
    pub(super) async fn exchange(
        &self,
        account: &Account,
        request: RequestBuilder,
    ) -> Result<(StatusCode, Option<Duration>, Option<Bytes>), reqwest::Error> {
        let request = request.basic_auth(&account.sid, Some(account.token.expose())).timeout(self.timeout);
        let answer = request.send().await?;
        let (status, retry_after) = (answer.status(), retry_after(answer.headers(), Utc::now()));
        let body = match read_body(answer, MAX_ANSWER).await {
            Ok(body) => Some(body),
            Err(BodyError::TooLarge) => None,
            Err(BodyError::Transport(error)) => return Err(error),
        };
        Ok((status, retry_after, body))
    }
}

#[cfg(test)]
mod tests;
