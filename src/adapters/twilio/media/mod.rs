//! Attachments, fetched from where Twilio keeps them.
//!
//! Fed by the edge with the URL that came with a message; feeds it with the bytes, as they come. It guarantees that an
//! account's token goes to Twilio's API and nowhere else, that nobody but Twilio is asked, and that what is handed on is of
//! a known type and no larger than [`MAX_BYTES`].

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

/// The most that an attachment may have: what Twilio carries over the channel that carries most. An MMS has 5 MB.
/// (<https://www.twilio.com/docs/messaging/guides/accepted-mime-types>, as of July 2026.)
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// The API leads to the content network, and that to where the file lies; one more for what may change there.
const MAX_REDIRECTS: usize = 3;

/// An attachment is not to be had. None of these names a URL: it is what lets who knows it in.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// Deleted, or never there.
    #[error("Twilio does not have it")]
    Gone,
    /// Nobody else is asked.
    #[error("it is not where Twilio keeps attachments")]
    Foreign,
    /// Whoever is led around like this arrives nowhere.
    #[error("it is redirected more than {MAX_REDIRECTS} times")]
    Redirected,
    /// A page or a program, for example.
    #[error("its content type is none that Twilio carries")]
    WrongType,
    /// Told beforehand, or found out on the way.
    #[error("it is larger than {} MiB", MAX_BYTES / 1024 / 1024)]
    TooLarge,
    /// No answer, or one that says nothing of the attachment: another try may fare better.
    #[error("Twilio does not give it at the moment: {0}")]
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
    /// A client beside the API at `api_url`, that waits for Twilio no longer than `patience` in all, from the first request
    /// to the last byte. How long the reader of the bytes takes is not counted.
    ///
    /// `http` has to follow no redirect by itself, as [`http_client::build`](crate::adapters::http_client::build)'s does.
    ///
    /// # Errors
    ///
    /// Where `api_url` is none.
    pub fn new(http: reqwest::Client, api_url: &str, patience: Duration) -> Result<Self, url::ParseError> {
        Ok(Self { http, hosts: Hosts::new(api_url)?, patience })
    }

    /// The attachment at `url`, which was told to be of `told_type`.
    ///
    /// # Errors
    ///
    /// Where it is not to be had, or must not be handed on.
    pub async fn fetch(&self, account: &Account, url: &str, told_type: &str) -> Result<FetchedMedia, MediaError> {
        let started = Instant::now();
        let answered = timeout(self.patience, self.follow(account, url)).await;
        let answer = answered.map_err(|_| MediaError::Away("no answer in time".to_owned()))??;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return Err(MediaError::Gone),
            // 401 and 403 among them: the account's token is wrong, or the link has expired. The attachment is still there.
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

    /// The answer at the end of the redirects.
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
            // Without the token, wherever it leads: what stands in the link is enough there.
            request = self.http.get(next);
        }
        Err(MediaError::Redirected)
    }
}

/// Where an answer leads, if it leads elsewhere: `Some(None)` where that cannot be read.
fn redirect(answer: &Response) -> Option<Option<Url>> {
    if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    Some(location.and_then(|location| answer.url().join(location).ok()))
}

#[cfg(test)]
mod tests;
