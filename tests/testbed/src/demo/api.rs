//! The App Server's side: calls to our REST API, each of them shown.

use std::time::{Duration, Instant};

use anyhow::Context;
use reqwest::Method;
use serde_json::Value;

use super::screen::{Screen, Tag};
use super::settings::API_KEY;
use crate::sim::http_client;

/// A takeover may wait for messages under way as long as the contract allows.
const TIMEOUT: Duration = Duration::from_secs(40);

/// Calls the REST API with the demo's key.
pub(super) struct Api {
    screen: Screen,
    url: String,
    http: reqwest::Client,
}

/// The status and the body of an answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Api {
    pub(super) fn new(screen: Screen, url: String) -> anyhow::Result<Self> {
        Ok(Self { screen, url, http: http_client(TIMEOUT)? })
    }

    /// Makes a call, and shows it with its outcome.
    pub(super) async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Answer> {
        let begun = Instant::now();
        let answer = self.ask(method.clone(), path, body).await?;
        let took = format!("{} ms", begun.elapsed().as_millis());
        self.screen.line(Tag::Rest, &format!("{method} {path} → {}", answer.status), &took);
        if answer.status >= 400 {
            self.screen.below(&answer.body.to_string());
        }
        Ok(answer)
    }

    /// The body of a `GET`, not shown; an error unless the status is 200.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self.ask(Method::GET, path, None).await?;
        anyhow::ensure!(answer.status == 200, "GET {path} gives {}: {}", answer.status, answer.body);
        Ok(answer.body)
    }

    /// The customer's most recently active conversation, if there is one.
    pub(super) async fn newest_conversation(&self, customer: &str) -> anyhow::Result<Option<Value>> {
        let customer = customer.replace('+', "%2B");
        let page = self.get(&format!("/conversations?customer_phone={customer}&limit=1")).await?;
        Ok(page["conversations"].get(0).cloned())
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Answer> {
        let asked = || format!("{method} {path}");
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.url)).bearer_auth(API_KEY);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.with_context(asked)?;
        let status = answer.status().as_u16();
        let text = answer.text().await.with_context(asked)?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Answer { status, body })
    }
}
