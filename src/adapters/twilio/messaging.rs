//! Messaging Services: their senders, and their registration for A2P 10DLC. Read only.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::client::{Account, ListError, TwilioClient, query};
use super::incoming_numbers::ReadError;

const PER_PAGE: &str = "100";
/// More pages than this are a list that does not end.
const MAX_PAGES: usize = 500;

/// A client of `https://messaging.twilio.com`.
#[derive(Debug, Clone)]
pub struct MessagingClient {
    /// Its base is that of this API, which names whole URLs of next pages.
    twilio: TwilioClient,
}

/// A Messaging Service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MessagingService {
    /// `MG…`.
    pub sid: String,
    /// Its name.
    #[serde(default)]
    pub friendly_name: String,
    /// Where texts to its senders go.
    #[serde(default)]
    pub inbound_request_url: Option<String>,
    /// Whether texts go where each number's own settings say instead.
    #[serde(default)]
    pub use_inbound_webhook_on_number: bool,
}

#[derive(Deserialize)]
struct Page {
    meta: Meta,
    #[serde(flatten)]
    lists: Map<String, Value>,
}

#[derive(Deserialize)]
struct Meta {
    /// The name of the list.
    key: String,
    next_page_url: Option<String>,
}

#[derive(Deserialize)]
struct Sender {
    phone_number: String,
}

#[derive(Deserialize)]
struct Campaign {
    campaign_status: Option<String>,
}

impl MessagingClient {
    /// Creates a client for the API at `url`; see [`TwilioClient::new`].
    pub fn new(http: reqwest::Client, url: String, timeout: Duration) -> Self {
        Self { twilio: TwilioClient::new(http, url, timeout) }
    }

    /// The Messaging Services of an account.
    ///
    /// # Errors
    /// If the list cannot be read to its end.
    pub async fn services(&self, account: &Account) -> Result<Vec<MessagingService>, ReadError> {
        Ok(self.all(account, "/v1/Services").await?)
    }

    /// The numbers among the senders of a service.
    ///
    /// # Errors
    /// If the list cannot be read to its end.
    pub async fn senders(&self, account: &Account, service_sid: &str) -> Result<Vec<String>, ReadError> {
        let senders = self.all::<Sender>(account, &format!("/v1/Services/{service_sid}/PhoneNumbers")).await?;
        Ok(senders.into_iter().map(|sender| sender.phone_number).collect())
    }

    /// The status of each A2P 10DLC campaign of a service, such as `VERIFIED`.
    ///
    /// # Errors
    /// If the list cannot be read to its end.
    pub async fn campaigns(&self, account: &Account, service_sid: &str) -> Result<Vec<String>, ReadError> {
        let campaigns = self.all::<Campaign>(account, &format!("/v1/Services/{service_sid}/Compliance/Usa2p")).await?;
        Ok(campaigns.into_iter().map(|one| one.campaign_status.unwrap_or_else(|| "unknown".to_owned())).collect())
    }

    async fn all<T: DeserializeOwned>(&self, account: &Account, path: &str) -> Result<Vec<T>, ListError> {
        let base = &self.twilio.api_url;
        let mut url = format!("{base}{path}?{}", query(&[("PageSize", PER_PAGE)]));
        let mut found = Vec::new();
        for _ in 0..MAX_PAGES {
            let Page { meta, mut lists } = self.twilio.page(account, &url).await?;
            let items: Vec<T> = serde_json::from_value(lists.remove(&meta.key).unwrap_or_default())
                .map_err(|_| ListError::Malformed(format!("no {}", meta.key)))?;
            found.extend(items);
            let Some(next) = meta.next_page_url.filter(|url| !url.is_empty()) else { return Ok(found) };
            url = self.next_page(&next)?;
        }
        Err(ListError::TooManyPages)
    }

    /// The URL of a next page, which must be below the API's address: our credentials go to no other.
    fn next_page(&self, url: &str) -> Result<String, ListError> {
        let path = url.strip_prefix(self.twilio.api_url.as_str()).ok_or(ListError::ForeignPage)?;
        self.twilio.next_page(path)
    }
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

    async fn services(body: &str) -> (Result<Vec<MessagingService>, ReadError>, Loopback) {
        let server = Loopback::start([Reply::Answer(200, "", body.to_owned())]).await;
        let timeout = Duration::from_secs(30);
        let client = MessagingClient::new(http_client::build().unwrap(), server.url.clone(), timeout);
        let account = Account { sid: "AC1".to_owned(), token: Secret::new("token") };
        (client.services(&account).await, server)
    }

    #[tokio::test]
    async fn a_list_is_the_one_that_its_meta_names() {
        let body = r#"{"services":[{"sid":"MG1","friendly_name":"Plumbers","inbound_request_url":null,
            "use_inbound_webhook_on_number":true}],"meta":{"key":"services","next_page_url":null}}"#;
        let (services, mut server) = services(body).await;
        let service = &services.unwrap()[0];
        assert_eq!((service.sid.as_str(), service.use_inbound_webhook_on_number), ("MG1", true));
        assert!(server.received()[0].head.starts_with("GET /v1/Services?PageSize=100 "));
    }

    #[rstest]
    #[case::the_same("https://messaging.example/v1/Services?Page=1", true)]
    #[case::another("https://elsewhere.example/v1/Services?Page=1", false)]
    #[case::one_that_begins_alike("https://messaging.example.elsewhere.example/v1/Services", false)]
    #[case::as_a_user_name("https://messaging.example@elsewhere.example/v1/Services", false)]
    #[case::no_scheme("/v1/Services", false)]
    fn a_next_page_is_at_the_same_host(#[case] next: &str, #[case] is_followed: bool) {
        let http = http_client::build().unwrap();
        let timeout = Duration::from_secs(1);
        let client = MessagingClient::new(http, "https://messaging.example".to_owned(), timeout);
        assert_eq!(client.next_page(next).is_ok(), is_followed);
    }

    #[tokio::test]
    async fn what_is_not_a_list_is_an_error() {
        let (found, _server) = services(r#"{"services":7,"meta":{"key":"services","next_page_url":null}}"#).await;
        assert!(found.unwrap_err().to_string().contains("not the expected list"));
    }
}
