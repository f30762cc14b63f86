//! The spans of requests for OpenTelemetry.

use std::sync::Arc;

use poem::http::StatusCode;
use poem::{Endpoint, IntoResponse, PathPattern, Request, Response};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::trace::{self, Trace};

/// The paths that probes and scrapers call all the time.
const NOT_TRACED: [&str; 4] = ["/health", "/metrics", "/docs", "/openapi.json"];

/// The span of a request. A path is given only where it cannot contain a phone number; a query may always.
pub(super) fn server_span(method: &str, route: Option<&str>, path: Option<&str>) -> Span {
    tracing::trace_span!(
        target: trace::TARGET,
        parent: None,
        "request",
        otel.name = %format_args!("{method}{}{}", if route.is_some() { " " } else { "" }, route.unwrap_or_default()),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        url.path = path,
        url.scheme = "http",
        error.type = Empty,
        otel.status_code = Empty,
    )
}

/// Records the status of an answer. Only a server error is a failure.
pub(super) fn record_status(span: &Span, status: StatusCode) {
    span.record("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        trace::failed(span, status.as_str());
    }
}

/// Handles a REST request in its span, and as a part of a trace: what it changes belongs to that.
pub(super) async fn traced<E: Endpoint>(endpoint: Arc<E>, request: Request) -> poem::Result<Response> {
    let path = request.uri().path();
    if NOT_TRACED.iter().any(|prefix| path.starts_with(prefix)) {
        return endpoint.call(request).await.map(IntoResponse::into_response);
    }
    let span = server_span(request.method().as_str(), None, None);
    let method = (!span.is_disabled()).then(|| request.method().clone());
    let trace = Trace::of_span(&span).unwrap_or_else(Trace::start);
    let response = match trace.scope(endpoint.call(request)).instrument(span.clone()).await {
        Ok(answer) => answer.into_response(),
        Err(error) => super::answer(error),
    };
    record_status(&span, response.status());
    if let Some((method, route)) = method.zip(response.data::<PathPattern>()) {
        let parts = route.0.split('/').map(|part| match part.strip_prefix(':') {
            Some(name) => format!("{{{name}}}"),
            None => part.to_owned(),
        });
        let route = parts.collect::<Vec<_>>().join("/");
        trace::rename(&span, format!("{method} {route}"));
        span.record("url.path", &*route).record("http.route", route);
    }
    Ok(response)
}
