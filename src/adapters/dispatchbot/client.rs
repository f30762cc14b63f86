//! Calls DispatchBot at most twice, within a time budget.
//!
//! A call ends within its budget even if DispatchBot does not answer, so that the customer gets the fallback text in
//! time.

use std::time::Duration;

use chrono::Utc;
use reqwest::{Response, StatusCode};
use tokio::time::{Instant, sleep, timeout};
use tracing::{Instrument, Span};

use super::wire::{Analysis, AnalyzeRequest, MAX_ANSWER, read_answer};
use crate::adapters::http_client::{BodyError, describe, read_body, record_result, request_span, retry_after};
use crate::config::Secret;
use crate::domain::conversation::AnalysisReason;
use crate::trace::{self, Trace};

const TRIES: u32 = 2;
const PER_TRY: Duration = Duration::from_secs(2);

/// How long to wait before the second try, if the first was answered without a `Retry-After`.
const PAUSE: Duration = Duration::from_millis(100);

/// With less time left than this, a second try is not worth the load on DispatchBot.
const WORTH_A_TRY: Duration = Duration::from_millis(100);

/// Why there is no analysis.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnalyzeError {
    /// No answer in time.
    #[error("DispatchBot did not answer in time")]
    TimedOut,
    /// No connection, or a broken one.
    #[error("DispatchBot cannot be reached: {why}")]
    Unreachable {
        /// The transport error.
        why: String,
    },
    /// An answer with an error status.
    #[error("DispatchBot answered with status {status}")]
    Rejected {
        /// The status of the answer.
        status: u16,
    },
    /// A successful answer that cannot be used.
    #[error("DispatchBot's answer is malformed: {why}")]
    Malformed {
        /// What is wrong with it. Never quotes the answer, because it is logged.
        why: String,
    },
    /// DispatchBot reports that it could not analyze the window.
    #[error("DispatchBot could not analyze the window")]
    NotSuccessful,
    /// DispatchBot was not called, because the circuit breaker is open.
    #[error("DispatchBot was not called: the circuit breaker is open")]
    NotAsked,
}

impl AnalyzeError {
    /// The kind of error.
    pub fn reason(&self) -> AnalysisReason {
        match self {
            Self::TimedOut => AnalysisReason::TimedOut,
            Self::Unreachable { .. } => AnalysisReason::Unreachable,
            Self::Rejected { .. } => AnalysisReason::Rejected,
            Self::Malformed { .. } => AnalysisReason::Malformed,
            Self::NotSuccessful => AnalysisReason::NotSuccessful,
            Self::NotAsked => AnalysisReason::NotAsked,
        }
    }

    /// Whether a second try may succeed: the cause is DispatchBot, not the request.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::TimedOut | Self::Unreachable { .. } | Self::Malformed { .. } => true,
            Self::Rejected { status } => *status >= 500 || *status == StatusCode::TOO_MANY_REQUESTS,
            Self::NotSuccessful | Self::NotAsked => false,
        }
    }
}

/// A failed try, and how long to wait before the next one.
struct Failed {
    error: AnalyzeError,
    pause: Duration,
}

/// A client of DispatchBot.
#[derive(Debug, Clone)]
pub struct DispatchBotClient {
    pub(super) http: reqwest::Client,
    pub(super) analyze_url: String,
    pub(super) api_key: Secret,
    per_try: Duration,
}

impl DispatchBotClient {
    /// Creates a client for the DispatchBot at `url`.
    pub fn new(http: reqwest::Client, url: &str, api_key: Secret) -> Self {
        let analyze_url = format!("{}/v1/conversations/analyze", url.trim_end_matches('/'));
        Self { http, analyze_url, api_key, per_try: PER_TRY }
    }

    /// Requests an answer to a window within `budget`, in at most two tries of 2 s each.
    ///
    /// A second try is made after a timeout, a lost connection, a malformed answer, a 5xx or a 429, if there is time
    /// left. Both tries carry the window's id as idempotency key.
    ///
    /// # Errors
    ///
    /// The error of the last try.
    pub async fn analyze(&self, request: &AnalyzeRequest, budget: Duration) -> Result<Analysis, AnalyzeError> {
        let deadline = Instant::now() + budget;
        let mut tries = 0;
        loop {
            tries += 1;
            let left = deadline.saturating_duration_since(Instant::now());
            let span = request_span("POST", &self.analyze_url);
            if tries > 1 {
                span.record("http.request.resend_count", i64::from(tries) - 1);
            }
            let asked = self.ask(request, &span).instrument(span.clone());
            let Failed { error, pause } = match timeout(left.min(self.per_try), asked).await {
                Ok(Ok(analysis)) => return Ok(analysis),
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
            tracing::debug!(window.id = %request.window_id, error = %error.reason(), "retrying call to DispatchBot");
            sleep(pause).await;
        }
    }

    async fn ask(&self, request: &AnalyzeRequest, span: &Span) -> Result<Analysis, Failed> {
        let unreachable = |error: reqwest::Error| {
            let timed_out = error.is_timeout();
            let why = describe(error);
            let error = if timed_out { AnalyzeError::TimedOut } else { AnalyzeError::Unreachable { why } };
            Failed { error, pause: PAUSE }
        };
        let asked = self.http.post(&self.analyze_url).bearer_auth(self.api_key.expose());
        let asked = asked.header("Idempotency-Key", request.window_id.to_string()).json(request);
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
            BodyError::TooLarge => {
                let why = format!("more than {MAX_ANSWER} bytes");
                Failed { error: AnalyzeError::Malformed { why }, pause: PAUSE }
            }
        })?;
        read_answer(&body).map_err(|error| Failed { error, pause: PAUSE })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;
    use crate::adapters::dispatchbot::{BusinessProfile, Media, SenderType, WindowMessage};
    use crate::adapters::http_client::{
        self,
        loopback::{Loopback, Reply, nobody},
    };
    use crate::domain::conversation::Priority;

    /// Long enough not to matter in tests of something else.
    const LONG: Duration = Duration::from_secs(30);
    /// Short, for tests in which the server does not answer.
    const SHORT: Duration = Duration::from_secs(1);

    fn request() -> AnalyzeRequest {
        let media = vec![Media { url: "https://m.example/1".into(), content_type: "image/png".into() }];
        let sent_at = "2026-01-05T14:00:00Z".parse().unwrap();
        let sender_type = SenderType::Customer;
        AnalyzeRequest {
            conversation_id: Uuid::from_u128(1),
            window_id: Uuid::from_u128(2),
            priority: Priority::Normal,
            bypass_timer: false,
            messages: vec![WindowMessage { sender_type, body: "My sink leaks".into(), media, sent_at }],
            customer_phone: "+15550001111".into(),
            business: BusinessProfile {
                id: "b1".into(),
                name: "Pipes".into(),
                trade: "plumbing".into(),
                timezone: "America/New_York".into(),
            },
            user_settings: json!({}),
            business_settings: json!({}),
            business_hours: json!({"monday": null}),
            job_estimates: json!([]),
            calendar: json!([]),
        }
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
        let client = DispatchBotClient::new(http_client::build().unwrap(), url, Secret::new("key"));
        DispatchBotClient { per_try, ..client }
    }

    #[tokio::test]
    async fn the_request_is_what_was_agreed() {
        let mut server = Loopback::start([good()]).await;
        let analysis = client(&server.url, LONG).analyze(&request(), LONG).await.unwrap();
        assert_eq!(analysis.message_to_customer, "On my way");
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
                "user_settings": {}, "business_settings": {}, "business_hours": {"monday": null}, "job_estimates": [],
                "calendar": [],
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
