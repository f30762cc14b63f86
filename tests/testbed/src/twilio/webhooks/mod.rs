//! The client of the server under test: signs and posts webhooks as Twilio does.

mod answer;
pub mod params;
mod signature;

use std::time::Duration;

use anyhow::Context;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use url::form_urlencoded::Serializer;

pub use answer::WebhookAnswer;
pub use params::Params;
pub use signature::signature;

use super::sid::new_call_sid;
use crate::sim::http_client;

/// Name of the header that carries the signature.
pub const SIGNATURE_HEADER: &str = "x-twilio-signature";

/// How long Twilio waits for a webhook's answer.
pub const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(15);

/// Posts as one Twilio account. Clones share their connections.
#[derive(Clone)]
pub struct WebhookClient {
    public_url: String,
    target: String,
    account_sid: String,
    auth_token: String,
    headers: Vec<(String, Option<String>)>,
    http: reqwest::Client,
}

impl WebhookClient {
    /// Signs for `public_url` (the server's `NMC_PUBLIC_URL`) and posts there.
    pub fn new(
        public_url: impl Into<String>,
        account_sid: impl Into<String>,
        auth_token: impl Into<String>,
    ) -> anyhow::Result<Self> {
        Ok(Self::over(http_client(WEBHOOK_TIMEOUT)?, public_url, account_sid, auth_token))
    }

    /// Like [`WebhookClient::new`], with a shared HTTP client.
    pub fn over(
        http: reqwest::Client,
        public_url: impl Into<String>,
        account_sid: impl Into<String>,
        auth_token: impl Into<String>,
    ) -> Self {
        let public_url = public_url.into().trim_end_matches('/').to_owned();
        Self {
            target: public_url.clone(),
            public_url,
            account_sid: account_sid.into(),
            auth_token: auth_token.into(),
            headers: Vec::new(),
            http,
        }
    }

    /// Posts to this base URL instead, but still signs for the public one (as if a proxy were in between).
    #[must_use]
    pub fn with_target(mut self, base: impl Into<String>) -> Self {
        self.target = base.into().trim_end_matches('/').to_owned();
        self
    }

    /// Adds or replaces a header of every request; this includes the signature and the content type.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), Some(value.into())));
        self
    }

    /// Omits a header from every request, for example [`SIGNATURE_HEADER`].
    #[must_use]
    pub fn without_header(mut self, name: impl Into<String>) -> Self {
        self.headers.push((name.into(), None));
        self
    }

    /// The AccountSid in its requests.
    pub fn account_sid(&self) -> &str {
        &self.account_sid
    }

    /// The signature of these parameters for exactly this URL.
    pub fn sign<K: AsRef<str>, V: AsRef<str>>(&self, url: &str, params: &[(K, V)]) -> String {
        signature(&self.auth_token, url, params)
    }

    /// `POST /webhooks/twilio/call`: a call has reached one of our numbers.
    pub async fn incoming_call(
        &self,
        call_sid: &str,
        from: &str,
        to: &str,
        status: &str,
    ) -> anyhow::Result<WebhookAnswer> {
        let params = params::incoming_call(&self.account_sid, call_sid, from, to, status);
        self.post("/webhooks/twilio/call", &params).await
    }

    /// `POST /webhooks/twilio/call/status/{call_sid}`: the dial has ended; `duration_seconds` applies to an answered
    /// call.
    pub async fn call_status(
        &self,
        call_sid: &str,
        dial_status: &str,
        from: Option<&str>,
        to: Option<&str>,
        duration_seconds: u32,
    ) -> anyhow::Result<WebhookAnswer> {
        let leg = new_call_sid();
        let params = params::dial_result(&self.account_sid, call_sid, &leg, dial_status, from, to, duration_seconds);
        self.post(&format!("/webhooks/twilio/call/status/{call_sid}"), &params).await
    }

    /// `POST /webhooks/twilio/sms`: a customer has texted one of our numbers.
    pub async fn sms(&self, message_sid: &str, from: &str, to: &str, body: &str) -> anyhow::Result<WebhookAnswer> {
        self.post("/webhooks/twilio/sms", &params::sms(&self.account_sid, message_sid, from, to, body)).await
    }

    /// `POST /webhooks/twilio/message-status?message_id=…`: the delivery status of a message that we sent.
    pub async fn message_status(
        &self,
        message_id: &str,
        message_sid: &str,
        status: &str,
    ) -> anyhow::Result<WebhookAnswer> {
        let code = matches!(status, "undelivered" | "failed").then_some(30003);
        let mut params = params::message_status(&self.account_sid, message_sid, "", "", status, code);
        params.retain(|(key, _)| key != "From" && key != "To");
        self.post(&format!("/webhooks/twilio/message-status?message_id={message_id}"), &params).await
    }

    /// Posts any parameters to a path (query included) below the public URL.
    pub async fn post<K: AsRef<str>, V: AsRef<str>>(
        &self,
        path_and_query: &str,
        params: &[(K, V)],
    ) -> anyhow::Result<WebhookAnswer> {
        self.post_url(&format!("{}{path_and_query}", self.public_url), params).await
    }

    /// Posts to an absolute URL, signed for exactly this URL; a URL below the public one is posted to the target.
    pub async fn post_url<K: AsRef<str>, V: AsRef<str>>(
        &self,
        url: &str,
        params: &[(K, V)],
    ) -> anyhow::Result<WebhookAnswer> {
        let signed = url.split('#').next().unwrap_or_default(); // the fragment is Twilio's own connection override
        let body = Serializer::new(String::new()).extend_pairs(params).finish();
        self.send(signed, &self.sign(signed, params), body.into_bytes()).await
    }

    /// Posts any bytes below the public URL with a signature chosen by the caller.
    pub async fn post_raw(
        &self,
        path_and_query: &str,
        signature: &str,
        body: impl Into<Vec<u8>>,
    ) -> anyhow::Result<WebhookAnswer> {
        self.send(&format!("{}{path_and_query}", self.public_url), signature, body.into()).await
    }

    async fn send(&self, url: &str, signature: &str, body: Vec<u8>) -> anyhow::Result<WebhookAnswer> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded; charset=UTF-8"));
        headers.insert(HeaderName::from_static(SIGNATURE_HEADER), HeaderValue::from_str(signature)?);
        headers.insert(reqwest::header::USER_AGENT, HeaderValue::from_static("TwilioProxy/1.1"));
        for (name, value) in &self.headers {
            let name: HeaderName = name.parse()?;
            match value {
                Some(value) => headers.insert(name, HeaderValue::from_str(value)?),
                None => headers.remove(name),
            };
        }
        let request = self.http.post(self.reached(url)).headers(headers).body(body);
        let response = request.send().await.with_context(|| format!("webhook {url}"))?;
        Ok(WebhookAnswer::read(response).await?)
    }

    fn reached(&self, url: &str) -> String {
        match url.strip_prefix(&self.public_url) {
            Some(below) if below.is_empty() || below.starts_with(['/', '?']) => {
                format!("{}{below}", self.target)
            }
            _ => url.to_owned(),
        }
    }
}
