//! The `RateLimit` headers of REST responses: how many requests a key has left.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use poem::http::{HeaderName, HeaderValue, StatusCode, header};
use poem::{Endpoint, IntoResponse, Request, Response};

use crate::config::Rate;
use crate::http::limiter::Verdict;
use crate::telemetry::CountedBy;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
const SCOPE: HeaderName = HeaderName::from_static("ratelimit-scope");

/// Set when a request is admitted, and read when it is answered.
#[derive(Clone, Default)]
pub(super) struct Quota(Arc<OnceLock<Left>>);

/// What is left of a key's limit.
struct Left {
    limit: u32,
    remaining: u32,
    reset: Duration,
    by: CountedBy,
}

impl Quota {
    /// Records the limiter's verdict.
    pub(super) fn set(&self, rate: Rate, verdict: Verdict, by: CountedBy) {
        let (remaining, reset) = match verdict {
            Verdict::Accepted { remaining, reset } => (remaining, reset),
            Verdict::Refused { retry_after } => (0, retry_after),
        };
        let _ = self.0.set(Left { limit: rate.count, remaining, reset, by }); // a request is admitted only once
    }
}

/// Calls the endpoint, and adds the headers if a key was checked.
pub(super) async fn told<E: Endpoint>(endpoint: Arc<E>, mut request: Request) -> poem::Result<Response> {
    let quota = Quota::default();
    request.extensions_mut().insert(quota.clone());
    let mut response = match endpoint.call(request).await {
        Ok(answer) => answer.into_response(),
        Err(error) => crate::http::answer(error),
    };
    let asks_to_wait = matches!(response.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    if asks_to_wait && !response.headers().contains_key(header::RETRY_AFTER) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if let Some(left) = quota.0.get() {
        // Seconds, rounded up.
        let reset = left.reset.as_secs() + u64::from(left.reset.subsec_nanos() > 0);
        let headers = response.headers_mut();
        headers.insert(LIMIT, HeaderValue::from(left.limit));
        headers.insert(REMAINING, HeaderValue::from(left.remaining));
        headers.insert(RESET, HeaderValue::from(reset));
        let scope = match left.by {
            CountedBy::Redis => "all",
            CountedBy::Edge => "edge",
        };
        headers.insert(SCOPE, HeaderValue::from_static(scope));
    }
    Ok(response)
}
