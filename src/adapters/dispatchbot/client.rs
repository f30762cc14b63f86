//! Calls DispatchBot at most twice, within a time budget.
//!
//! A call ends within its budget even if DispatchBot does not answer, so that the customer gets the fallback text in
//! time.

use std::time::Duration;

use chrono::Utc;
use reqwest::Response;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};
use tracing::{Instrument, Span};
use uuid::Uuid;

use super::endpoint::{Endpoint, OwnEndpoints};
use super::error::{AnalyzeError, malformed};
use super::question::Question;
use super::wire::{self, MAX_ANSWER, Wire, Written, read_answer};
use crate::adapters::http_client::{BodyError, describe, read_body, record_result, request_span, retry_after};
use crate::config::{Dialect, Secret};
use crate::domain::conversation::Answer;
use crate::telemetry::{LeftOutList, Metrics};
use crate::trace::{self, Trace};

const TRIES: u32 = 2;
const PER_TRY: Duration = Duration::from_secs(2);

/// How long to wait before the second try, if the first was answered without a `Retry-After`.
const PAUSE: Duration = Duration::from_millis(100);

/// With less time left than this, a second try is not worth the load on DispatchBot.
const WORTH_A_TRY: Duration = Duration::from_millis(100);

/// A failed try, and how long to wait before the next one.
struct Failed {
    error: AnalyzeError,
    pause: Duration,
}

/// A client of DispatchBot: of the service's, and of those that businesses have themselves.
#[derive(Debug, Clone)]
pub struct DispatchBotClient {
    pub(super) http: reqwest::Client,
    pub(super) endpoint: Endpoint,
    own: Option<OwnEndpoints>,
    metrics: Option<Metrics>,
    per_try: Duration,
}

/// A question as one dialect has it, and where it goes.
struct Request<'a> {
    http: &'a reqwest::Client,
    wire: &'static Wire,
    dialect: Dialect,
    url: String,
    api_key: Secret,
    body: Value,
    window_id: Uuid,
}

impl DispatchBotClient {
    /// Creates a client for this DispatchBot. Businesses that have their own cannot be asked about.
    pub fn new(http: reqwest::Client, endpoint: Endpoint) -> Self {
        Self { http, endpoint, own: None, metrics: None, per_try: PER_TRY }
    }

    /// The same, which asks the DispatchBots of businesses that have their own.
    pub fn with_own(self, own: OwnEndpoints) -> Self {
        Self { own: Some(own), ..self }
    }

    /// The same, which counts what does not fit into requests.
    pub fn counted(self, metrics: Metrics) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    /// Requests an answer to a window within `budget`, in at most two tries of 2 s each.
    ///
    /// A second try is made after a timeout, a lost connection, a malformed answer, a 5xx or a 429, if there is time
    /// left. Both tries carry the window's id as idempotency key.
    ///
    /// # Errors
    ///
    /// The error of the last try; or what the business lacks, without a try.
    pub async fn analyze(&self, question: &Question, budget: Duration) -> Result<Answer, AnalyzeError> {
        let deadline = Instant::now() + budget;
        let request = self.request(question)?;
        let mut tries = 0;
        loop {
            tries += 1;
            let left = deadline.saturating_duration_since(Instant::now());
            let span = request_span("POST", &request.url);
            if tries > 1 {
                span.record("http.request.resend_count", i64::from(tries) - 1);
            }
            let asked = ask(&request, &span).instrument(span.clone());
            let Failed { error, pause } = match timeout(left.min(self.per_try), asked).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(failed)) => failed,
                Err(_elapsed) => {
                    trace::failed(&span, "timeout");
                    Failed { error: AnalyzeError::TimedOut, pause: Duration::ZERO }
                }
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if tries == TRIES || !error.is_transient() || pause + WORTH_A_TRY > left {
                return Err(error);
            }
            tracing::debug!(window.id = %question.window_id, error = %error.reason(), "retrying call to DispatchBot");
            sleep(pause).await;
        }
    }

    /// The request to the DispatchBot of the business.
    fn request(&self, question: &Question) -> Result<Request<'_>, AnalyzeError> {
        let business = &question.business;
        let (http, endpoint) = match (&business.policy.dispatchbot, &self.own) {
            (None, _) => (&self.http, self.endpoint.clone()),
            (Some(own), Some(endpoints)) => (endpoints.http(), endpoints.of(business, own)?),
            (Some(_), None) => {
                return Err(AnalyzeError::NotConfigured { why: "its own DispatchBot cannot be asked here".to_owned() });
            }
        };
        let wire = wire::of(endpoint.dialect);
        let Written { body, left_out } = (wire.write)(question)?;
        if let Some(metrics) = &self.metrics {
            metrics.left_out(LeftOutList::JobEstimates, left_out.job_estimates);
            metrics.left_out(LeftOutList::Calendar, left_out.calendar);
        }
        let url = format!("{}{}", endpoint.url.trim_end_matches('/'), wire.path);
        let (dialect, api_key, window_id) = (endpoint.dialect, endpoint.api_key, question.window_id);
        Ok(Request { http, wire, dialect, url, api_key, body, window_id })
    }
}

async fn ask(request: &Request<'_>, span: &Span) -> Result<Answer, Failed> {
    let unreachable = |error: reqwest::Error| {
        let timed_out = error.is_timeout();
        let why = describe(error);
        let error = if timed_out { AnalyzeError::TimedOut } else { AnalyzeError::Unreachable { why } };
        Failed { error, pause: PAUSE }
    };
    let asked = (request.wire.authorize)(request.http.post(&request.url), &request.api_key);
    let asked = asked.header("Idempotency-Key", request.window_id.to_string()).json(&request.body);
    let asked = match Trace::current() {
        Some(trace) => asked.header("traceparent", trace.header()),
        None => asked,
    };
    let answer = asked.send().await;
    record_result(span, answer.as_ref().map(Response::status));
    let answer = answer.map_err(unreachable)?;
    let status = answer.status();
    if !status.is_success() {
        let pause = retry_after(answer.headers(), Utc::now()).unwrap_or(PAUSE);
        return Err(Failed { error: AnalyzeError::Rejected { status: status.as_u16() }, pause });
    }
    let body = read_body(answer, MAX_ANSWER).await.map_err(|error| match error {
        BodyError::Transport(error) => unreachable(error),
        BodyError::TooLarge => Failed { error: malformed(format!("more than {MAX_ANSWER} bytes")), pause: PAUSE },
    })?;
    read_answer(request.dialect, &body).map_err(|error| Failed { error, pause: PAUSE })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::adapters::dispatchbot::examples::question;
    use crate::adapters::http_client::{
        self,
        loopback::{Loopback, Reply, nobody},
    };

    /// Long enough not to matter in tests of something else.
    const LONG: Duration = Duration::from_secs(30);
    /// Short, for tests in which the server does not answer.
    const SHORT: Duration = Duration::from_secs(1);

    fn request() -> Question {
        question(json!([{ "job_type": "leak" }]))
    }

    fn good() -> Reply {
        let answer = json!({
            "success": true, "job_type": "leak", "urgency_level": "normal", "emergency_detected": false,
            "message_to_customer": "On my way", "confidence": 0.9,
        });
        Reply::Answer(200, "", answer.to_string())
    }

    fn status(status: u16) -> Reply {
        Reply::Answer(status, "", String::new())
    }

    fn garbage() -> Reply {
        Reply::Answer(200, "", "<html>".into())
    }

    fn client(url: &str, per_try: Duration) -> DispatchBotClient {
        let endpoint = Endpoint { url: url.to_owned(), dialect: Dialect::V1, api_key: Secret::new("key") };
        let client = DispatchBotClient::new(http_client::build().unwrap(), endpoint);
        DispatchBotClient { per_try, ..client }
    }

    #[tokio::test]
    async fn the_request_is_what_was_agreed() {
        let mut server = Loopback::start([good()]).await;
        let analysis = client(&server.url, LONG).analyze(&request(), LONG).await.unwrap();
        assert_eq!(analysis.text, "On my way");
        let received = &server.received()[0];
        assert!(received.head.starts_with("POST /v1/conversations/analyze HTTP/1.1\r\n"));
        assert_eq!(received.header("authorization"), Some("Bearer key"));
        assert_eq!(received.header("idempotency-key"), Some("00000000-0000-0000-0000-000000000002"));
        let body: Value = serde_json::from_str(&received.body).unwrap();
        let media = json!([{"url": "https://m.example/1", "content_type": "image/png"}]);
        let sent_at = "2026-01-05T14:00:00Z";
        let message = json!({"sender_type": "customer", "body": "My sink leaks", "media": media, "sent_at": sent_at});
        let business = json!({"id": "b1", "name": "Pipes", "trade": "plumbing", "timezone": "America/New_York"});
        assert_eq!(
            body,
            json!({
                "conversation_id": Uuid::from_u128(1), "window_id": Uuid::from_u128(2), "priority": "normal",
                "bypass_timer": false, "messages": [message], "customer_phone": "+15550001111", "business": business,
                "user_settings": {}, "business_settings": {}, "business_hours": {"monday": null},
                "job_estimates": [{ "job_type": "leak" }], "calendar": [],
            })
        );
    }

    #[rstest]
    #[case::no_answer(Reply::Hang)]
    #[case::a_connection_that_breaks(Reply::Close)]
    #[case::half_an_answer(Reply::Break(200))]
    #[case::a_server_error(status(500))]
    #[case::too_many_requests(Reply::Answer(429, "retry-after: 0\r\n", String::new()))]
    #[case::a_malformed_answer(garbage())]
    #[tokio::test]
    async fn a_passing_failure_is_followed_by_one_more_try(#[case] first: Reply) {
        let mut server = Loopback::start([first, good()]).await;
        // A hanging try times out soon; the others end long before.
        assert!(client(&server.url, SHORT).analyze(&request(), LONG).await.is_ok());
        let keys: Vec<_> =
            server.received().iter().map(|request| request.header("idempotency-key").map(str::to_owned)).collect();
        assert_eq!(keys.len(), 2);
        assert_eq!(keys[0], keys[1]);
    }

    #[rstest]
    #[case::told_to_be(Some(400_000_000))]
    #[case::without_a_length(None)]
    #[tokio::test]
    async fn an_answer_without_end_is_malformed_and_not_kept_in_memory(#[case] length: Option<u64>) {
        let server = Loopback::start([Reply::Endless(200, length), Reply::Endless(200, length)]).await;
        let error = client(&server.url, LONG).analyze(&request(), LONG).await.unwrap_err();
        assert_eq!(error.reason().as_str(), "malformed");
        assert!(server.poured() < 32_000_000, "{}", server.poured());
    }

    #[rstest]
    #[case::bad_request(status(400), "rejected")]
    #[case::bad_key(status(401), "rejected")]
    #[case::a_redirect(status(302), "rejected")]
    #[case::no_success(Reply::Answer(200, "", r#"{"success":false}"#.into()), "not_successful")]
    #[tokio::test]
    async fn a_lasting_failure_is_not_tried_again(#[case] first: Reply, #[case] label: &str) {
        let mut server = Loopback::start([first, good()]).await;
        let error = client(&server.url, LONG).analyze(&request(), LONG).await.unwrap_err();
        assert_eq!((error.reason().as_str(), server.received().len()), (label, 1));
    }

    #[rstest]
    #[case::server_errors([status(502), status(503)], AnalyzeError::Rejected { status: 503 })]
    #[case::then_no_answer([status(502), Reply::Hang], AnalyzeError::TimedOut)]
    #[tokio::test]
    async fn the_second_failure_is_the_last(#[case] replies: [Reply; 2], #[case] last: AnalyzeError) {
        let server = Loopback::start(replies.into_iter().chain([good()])).await;
        assert_eq!(client(&server.url, SHORT).analyze(&request(), LONG).await, Err(last));
    }

    #[tokio::test]
    async fn nobody_there_is_unreachable() {
        let error = client(&nobody().await, LONG).analyze(&request(), LONG).await.unwrap_err();
        assert_eq!(error.reason().as_str(), "unreachable");
    }

    #[tokio::test]
    async fn all_tries_together_stay_within_the_budget() {
        let server = Loopback::start([Reply::Hang, Reply::Hang]).await;
        assert_eq!(client(&server.url, LONG).analyze(&request(), SHORT).await, Err(AnalyzeError::TimedOut));
    }

    #[tokio::test]
    async fn there_is_no_second_try_for_which_there_is_no_time() {
        let busy = Reply::Answer(429, "retry-after: 60\r\n", String::new());
        let mut server = Loopback::start([busy, good()]).await;
        let error = client(&server.url, LONG).analyze(&request(), LONG).await.unwrap_err();
        assert_eq!((error, server.received().len()), (AnalyzeError::Rejected { status: 429 }, 1));
    }
}
