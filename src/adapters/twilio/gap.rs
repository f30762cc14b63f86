//! Lists what Twilio has of an account since a time: messages in both directions, and calls.
//!
//! Twilio filters by whole days, and shows the newest first. Pages are read until one is older than `since` altogether.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::client::{Account, ListError, MESSAGES_PER_PAGE, TwilioClient, query};
use super::wire::{ListedMessage, Page, or_empty, rfc_2822_or_null};

const CALLS_PER_PAGE: &str = "500";
/// How often a page is requested before the list counts as unreadable.
const ATTEMPTS: u32 = 5;
/// The pause before another attempt, if Twilio does not name one.
const PAUSE: Duration = Duration::from_secs(1);

/// A call in Twilio's list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ListedCall {
    /// Twilio's id of the call.
    pub sid: String,
    /// The number that was called.
    #[serde(default, deserialize_with = "or_empty")]
    pub to: String,
    /// The caller.
    #[serde(default, deserialize_with = "or_empty")]
    pub from: String,
    /// `completed`, `no-answer` and so on.
    pub status: String,
    /// `inbound`, or `outbound-dial` for the leg to the owner's phone.
    pub direction: String,
    /// When it began, to the second; `None` while it waits.
    #[serde(default, deserialize_with = "rfc_2822_or_null")]
    pub start_time: Option<DateTime<Utc>>,
    /// When Twilio got it, to the second.
    #[serde(default, deserialize_with = "rfc_2822_or_null")]
    pub date_created: Option<DateTime<Utc>>,
}

impl ListedCall {
    /// When it began.
    pub fn began_at(&self) -> Option<DateTime<Utc>> {
        self.start_time.or(self.date_created)
    }
}

#[derive(Deserialize)]
struct Calls {
    calls: Vec<ListedCall>,
    next_page_uri: Option<String>,
}

/// A page of any list.
trait Listed {
    type Item;
    fn take(self) -> (Vec<Self::Item>, Option<String>);
    fn sid(item: &Self::Item) -> &str;
    /// When Twilio got it.
    fn at(item: &Self::Item) -> Option<DateTime<Utc>>;
}

impl Listed for Page {
    type Item = ListedMessage;
    fn take(self) -> (Vec<ListedMessage>, Option<String>) {
        (self.messages, self.next_page_uri)
    }
    fn sid(item: &ListedMessage) -> &str {
        &item.sid
    }
    fn at(item: &ListedMessage) -> Option<DateTime<Utc>> {
        Some(item.date_created)
    }
}

impl Listed for Calls {
    type Item = ListedCall;
    fn take(self) -> (Vec<ListedCall>, Option<String>) {
        (self.calls, self.next_page_uri)
    }
    fn sid(item: &ListedCall) -> &str {
        &item.sid
    }
    fn at(item: &ListedCall) -> Option<DateTime<Utc>> {
        item.began_at()
    }
}

impl TwilioClient {
    /// The messages of an account since a time, in and out, oldest first.
    ///
    /// # Errors
    /// If the list could not be read.
    pub async fn messages_since(
        &self,
        account: &Account,
        since: DateTime<Utc>,
    ) -> Result<Vec<ListedMessage>, ListError> {
        let day = since.date_naive().to_string();
        let sent = query(&[("DateSent>", &day), ("PageSize", MESSAGES_PER_PAGE)]);
        let mut found = self.since::<Page>(account, "Messages.json", &sent, since).await?;
        // A message that is still queued at Twilio has no date of sending.
        let queued = query(&[("PageSize", MESSAGES_PER_PAGE)]);
        let known: HashSet<String> = found.iter().map(|message| message.sid.clone()).collect();
        let others = self.since::<Page>(account, "Messages.json", &queued, since).await?;
        found.extend(others.into_iter().filter(|message| !known.contains(&message.sid)));
        found.reverse();
        found.sort_by_key(|message| message.date_created);
        Ok(found)
    }

    /// The calls of an account since a time, oldest first: those that came in, and the legs that were dialled for them.
    ///
    /// # Errors
    /// If the list could not be read.
    pub async fn calls_since(&self, account: &Account, since: DateTime<Utc>) -> Result<Vec<ListedCall>, ListError> {
        let day = since.date_naive().to_string();
        let started = query(&[("StartTime>", &day), ("PageSize", CALLS_PER_PAGE)]);
        let mut found = self.since::<Calls>(account, "Calls.json", &started, since).await?;
        found.reverse();
        found.sort_by_key(ListedCall::began_at);
        Ok(found)
    }

    async fn since<P: Listed + DeserializeOwned>(
        &self,
        account: &Account,
        list: &str,
        query: &str,
        since: DateTime<Utc>,
    ) -> Result<Vec<P::Item>, ListError> {
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        let mut url = self.list_url(account, list, query);
        loop {
            let (items, next) = self.page::<P>(account, &url).await?.take();
            let is_older = !items.is_empty() && items.iter().all(|item| P::at(item).is_some_and(|at| at < since));
            let recent = items.into_iter().filter(|item| P::at(item).is_none_or(|at| at >= since));
            found.extend(recent.filter(|item| seen.insert(P::sid(item).to_owned())));
            match next.filter(|uri| !uri.is_empty()) {
                Some(next) if !is_older => url = self.next_page(&next)?,
                _ => return Ok(found),
            }
        }
    }

    /// Requests a page, until Twilio answers.
    pub(super) async fn page<P: DeserializeOwned>(&self, account: &Account, url: &str) -> Result<P, ListError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let page = self.read_list(account, url).await;
            let pause = match &page {
                Err(ListError::TooManyRequests { retry_after }) => retry_after.unwrap_or(PAUSE * attempt),
                Err(ListError::Unreachable(_)) => PAUSE * attempt,
                Err(ListError::Refused { http_status: 500.., .. }) => PAUSE * attempt,
                _ => return page,
            };
            if attempt == ATTEMPTS {
                return page;
            }
            tokio::time::sleep(pause).await;
        }
    }
}
