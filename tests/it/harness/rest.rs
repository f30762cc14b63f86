//! A client that plays the App Server: JSON over HTTP with a key.

use nmc_testbed::sim::http_client;
use reqwest::{Method, header::HeaderMap};
use serde_json::Value;
use url::form_urlencoded::Serializer;

use super::wait::{PATIENCE, eventually};

/// A client of the REST API.
#[derive(Clone)]
pub struct Rest {
    http: reqwest::Client,
    base: String,
    key: Option<String>,
}

/// An HTTP response; a body that is not JSON is a string.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Rest {
    /// A client for this base URL with this key.
    pub fn new(base: impl Into<String>, key: &str) -> Self {
        let http = http_client(PATIENCE).expect("an HTTP client");
        Self { http, base: base.into(), key: Some(key.to_owned()) }
    }

    /// The same with another key, or none.
    pub fn with_key(&self, key: Option<&str>) -> Self {
        Self { key: key.map(str::to_owned), ..self.clone() }
    }

    /// The base URL.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Waits until the service is ready for webhooks.
    pub async fn ready(&self) {
        eventually("readiness", async || {
            let answer = self.try_send(Method::GET, "/health/ready", None).await.ok()?;
            (answer.status == 200).then_some(())
        })
        .await;
    }

    /// Sends a request; panics if there is no answer.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.try_send(method, path, body).await.unwrap_or_else(|error| panic!("{path}: {error:?}"))
    }

    /// Sends a request to a service that may be unavailable.
    pub async fn try_send(&self, method: Method, path: &str, body: Option<&Value>) -> reqwest::Result<Answer> {
        self.request(method, path, body, None).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    /// The same with an `Accept` header.
    pub async fn get_as(&self, path: &str, accept: &str) -> Answer {
        self.request(Method::GET, path, None, Some(accept)).await.expect("an answer")
    }

    /// Puts a document at `path`.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, Some(body)).await
    }

    /// Sends a request with an additional header.
    pub async fn send_with(&self, method: Method, path: &str, body: &Value, header: (&str, &str)) -> Answer {
        self.send_with_all(method, path, body, &[header]).await
    }

    /// Sends a request with additional headers.
    pub async fn send_with_all(&self, method: Method, path: &str, body: &Value, headers: &[(&str, &str)]) -> Answer {
        let request = self.http.request(method, format!("{}{path}", self.base)).json(body);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = self.key.iter().fold(request, |request, key| request.bearer_auth(key));
        answer(request.send().await.expect("an answer")).await.expect("a body")
    }

    /// Opens a Server-Sent Events stream; returns the response once its headers have arrived.
    pub async fn follow(&self, path: &str, last_event_id: Option<&str>) -> reqwest::Response {
        let request = self.http.get(format!("{}{path}", self.base));
        let request = self.key.iter().fold(request, |request, key| request.bearer_auth(key));
        let request = last_event_id.iter().fold(request, |request, id| request.header("last-event-id", *id));
        request.send().await.expect("an answer")
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        accept: Option<&str>,
    ) -> reqwest::Result<Answer> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        if let Some(accept) = accept {
            request = request.header("accept", accept);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        answer(request.send().await?).await
    }
}

async fn answer(response: reqwest::Response) -> reqwest::Result<Answer> {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await?;
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Ok(Answer { status, headers, body })
}

impl Answer {
    /// The body of a success.
    pub fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{} {}", self.status, self.body);
        self.body
    }

    /// The value of a header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The code of an error; asserts that the error has the shape of docs/contract.md.
    pub fn error_code(&self) -> &str {
        let content_type = self.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert!(content_type.starts_with("application/json"), "{content_type}: {}", self.body);
        let error = &self.body["error"];
        assert!(error["message"].is_string() && error["request_id"].is_string(), "{} {}", self.status, self.body);
        error["code"].as_str().unwrap_or_default()
    }
}

/// A path with its query, encoded.
pub fn query(path: &str, pairs: &[(&str, &str)]) -> String {
    format!("{path}?{}", Serializer::new(String::new()).extend_pairs(pairs).finish())
}
