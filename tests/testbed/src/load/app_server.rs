//! The requests of a person's app. None is repeated.

use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::settings::API_KEY;
use crate::sim::http_client;

/// A takeover may wait half a minute for messages at Twilio.
const TIMEOUT: Duration = Duration::from_secs(45);

/// A client of the REST API. Clones share their connections.
#[derive(Clone)]
pub(crate) struct AppServer {
    url: String,
    http: reqwest::Client,
}

impl AppServer {
    /// A client of the service at this URL.
    pub(crate) fn new(url: &str) -> anyhow::Result<Self> {
        Ok(Self { url: url.to_owned(), http: http_client(TIMEOUT)? })
    }

    /// Creates or replaces a business.
    pub(super) async fn put_business(&self, id: &str, business: &Value) -> anyhow::Result<()> {
        let answer = self.ask(Method::PUT, &format!("/businesses/{id}"), Some(business)).await?;
        ensure!(answer.status().is_success(), "PUT /businesses/{id}: {}", answer.text().await?);
        Ok(())
    }

    /// The newest conversation of this customer.
    pub(super) async fn conversation_of(&self, phone: &str) -> anyhow::Result<Uuid> {
        let path = format!("/conversations?limit=1&customer_phone=%2B{}", phone.trim_start_matches('+'));
        let list: Value = self.ask(Method::GET, &path, None).await?.error_for_status()?.json().await?;
        let id = list["conversations"][0]["id"].as_str().with_context(|| format!("{phone} has no conversation"))?;
        Ok(id.parse()?)
    }

    /// Takes a conversation over; returns the HTTP status of the answer.
    pub(super) async fn take_over(&self, id: Uuid) -> reqwest::Result<u16> {
        self.command(id, "takeover", &json!({ "user_id": "user-joe", "reason": "load" })).await
    }

    /// Gives a conversation back to the AI; returns the HTTP status of the answer.
    pub(super) async fn release(&self, id: Uuid) -> reqwest::Result<u16> {
        self.command(id, "release", &json!({ "user_id": "user-joe" })).await
    }

    async fn command(&self, id: Uuid, command: &str, body: &Value) -> reqwest::Result<u16> {
        let answer = self.ask(Method::POST, &format!("/conversations/{id}/{command}"), Some(body)).await?;
        let status = answer.status().as_u16();
        answer.bytes().await?;
        Ok(status)
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> reqwest::Result<reqwest::Response> {
        let request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth(API_KEY);
        match body {
            Some(body) => request.json(body).send().await,
            None => request.send().await,
        }
    }
}
