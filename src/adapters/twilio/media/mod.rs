//! Fetches attachments from Twilio.
//!
//! The edge gets the bytes for a URL that came with a message, as a stream. An account's token is sent only to Twilio's
//! API, only Twilio's hosts are requested, and only attachments of a known type and of at most [`MAX_BYTES`] are
//! served.

mod fetched;
mod hosts;
mod types;

use std::time::Duration;

use reqwest::{
    Response, StatusCode,
    header::{CONTENT_TYPE, LOCATION},
};
use tokio::time::{Instant, timeout};
use url::Url;

use self::hosts::{Hosts, Keeper};
use super::Account;
use crate::adapters::http_client::describe;

pub use self::fetched::FetchedMedia;

/// The maximum size of an attachment: the largest that Twilio carries over any channel. An MMS has at most 5 MB.
/// (<https://www.twilio.com/docs/messaging/guides/accepted-mime-types>, as of July 2026.)
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// The API redirects to the content network, and that to the host of the file; one more, in case this changes.
const MAX_REDIRECTS: usize = 3;

/// Why an attachment cannot be fetched. No variant contains the URL, because the URL alone gives access.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// Deleted, or it never existed.
    #[error("Twilio does not have this attachment")]
    Gone,
    /// The URL is not at one of Twilio's hosts, and no other host is requested.
    #[error("its URL is not an attachment URL of Twilio")]
    Foreign,
    /// There were too many redirects.
    #[error("more than {MAX_REDIRECTS} redirects")]
    Redirected,
    /// For example, a web page or a program.
    #[error("Twilio does not support its content type")]
    WrongType,
    /// Known from the declared length, or found out while reading.
    #[error("it is larger than {} MiB", MAX_BYTES / 1024 / 1024)]
    TooLarge,
    /// No answer, or one that says nothing about the attachment: another try may succeed.
    #[error("currently unavailable from Twilio: {0}")]
    Away(String),
}

/// Fetches attachments.
#[derive(Debug, Clone)]
pub struct MediaClient {
    http: reqwest::Client,
    hosts: Hosts,
    patience: Duration,
}

impl MediaClient {
    /// Creates a client for attachments of the API at `api_url`, and of Conversations at `media_url`. It waits for Twilio at
    /// most `patience` in total, from the first request to the last byte; the time that the reader of the bytes takes is not
    /// counted.
    ///
    /// `http` must not follow redirects by itself; [`http_client::build`](crate::adapters::http_client::build)'s does
    /// not.
    ///
    /// # Errors
    ///
    /// If one of them is not a URL.
    pub fn new(
        http: reqwest::Client,
        api_url: &str,
        media_url: &str,
        patience: Duration,
    ) -> Result<Self, url::ParseError> {
        Ok(Self { http, hosts: Hosts::new(api_url, media_url)?, patience })
    }

    /// Fetches the attachment at `url`. `told_type` is its content type according to the webhook, used if the answer
    /// has none.
    ///
    /// # Errors
    ///
    /// If it cannot be fetched, or must not be served.
    pub async fn fetch(&self, account: &Account, url: &str, told_type: &str) -> Result<FetchedMedia, MediaError> {
        let started = Instant::now();
        let answered = timeout(self.patience, self.follow(account, url)).await;
        let answer = answered.map_err(|_| MediaError::Away("timeout".to_owned()))??;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return Err(MediaError::Gone),
            // Includes 401 and 403: the account's token is wrong, or the link has expired. The attachment still exists.
            status => return Err(MediaError::Away(format!("status {status}"))),
        }
        let content_type = match answer.headers().get(CONTENT_TYPE) {
            Some(value) => value.to_str().map_err(|_| MediaError::WrongType)?.to_owned(),
            None => told_type.to_owned(),
        };
        if !types::is_carried(&content_type) {
            return Err(MediaError::WrongType);
        }
        FetchedMedia::of(content_type, answer, self.patience.saturating_sub(started.elapsed())).await
    }

    /// Follows redirects, and returns the last answer.
    async fn follow(&self, account: &Account, url: &str) -> Result<Response, MediaError> {
        let url = Url::parse(url).map_err(|_| MediaError::Foreign)?;
        let keeper = self.hosts.keeper(&url, &account.sid).ok_or(MediaError::Foreign)?;
        let mut request = self.http.get(url);
        if keeper == Keeper::Api {
            request = request.basic_auth(&account.sid, Some(account.token.expose()));
        }
        for _ in 0..=MAX_REDIRECTS {
            let answer = request.send().await.map_err(|error| MediaError::Away(describe(error)))?;
            let Some(next) = redirect(&answer) else { return Ok(answer) };
            let next = next.filter(|next| self.hosts.may_be_led_to(next)).ok_or(MediaError::Foreign)?;
            // A redirect is always followed without the token: the link itself is sufficient there.
            request = self.http.get(next);
        }
        Err(MediaError::Redirected)
    }
}

/// The target of a redirect; `None` if the answer is not a redirect, `Some(None)` if its target cannot be read.
fn redirect(answer: &Response) -> Option<Option<Url>> {
    if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    Some(location.and_then(|location| answer.url().join(location).ok()))
}

#[cfg(test)]
mod tests;
