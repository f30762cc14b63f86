//! The spans of requests, for OpenTelemetry and for logs.

use std::sync::Arc;
use std::time::Instant;

use poem::http::StatusCode;
use poem::{Endpoint, IntoResponse, PathPattern, Request, Response};
use tracing::field::Empty;
use tracing::{Instrument, Level, Span};

use crate::telemetry::records;
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

/// The span of a request for logs, with the trace that it belongs to.
pub(super) fn log_span(trace: &Trace) -> Span {
    let span = tracing::info_span!("request", trace.id = trace.trace_id(), span.id = Empty);
    if trace.is_exported() {
        span.record("span.id", trace.span_id());
    }
    span
}

/// Logs an answer. The path is left out, because it may contain a phone number.
pub(super) fn log_answer(method: &str, route: Option<&str>, status: StatusCode, begun: Instant) {
    tracing::debug!(
        target: records::REQUEST, { http.request.method = method,
        http.route = route,
        http.response.status_code = status.as_u16(),
        event.duration = begun.elapsed().as_nanos() as u64 }, "request answered"
    );
}

/// Handles a REST request in its spans, and as a part of a trace: what it changes belongs to that.
pub(super) async fn traced<E: Endpoint>(endpoint: Arc<E>, request: Request) -> poem::Result<Response> {
    let path = request.uri().path();
    if NOT_TRACED.iter().any(|prefix| path.starts_with(prefix)) {
        return endpoint.call(request).await.map(IntoResponse::into_response);
    }
    let (begun, method) = (Instant::now(), request.method().clone());
    let span = server_span(method.as_str(), None, None);
    let trace = Trace::of_span(&span).unwrap_or_else(Trace::start);
    let log = log_span(&trace);
    let handled = trace.scope(endpoint.call(request)).instrument(log.clone()).instrument(span.clone()).await;
    let response = match handled {
        Ok(answer) => answer.into_response(),
        Err(error) => log.in_scope(|| super::answer(error)),
    };
    record_status(&span, response.status());
    if !span.is_disabled() || tracing::enabled!(target: records::REQUEST, Level::DEBUG) {
        let route = response.data::<PathPattern>().map(template);
        log.in_scope(|| log_answer(method.as_str(), route.as_deref(), response.status(), begun));
        if let Some(route) = route {
            trace::rename(&span, format!("{method} {route}"));
            span.record("url.path", &*route).record("http.route", route);
        }
    }
    Ok(response)
}

/// A route as OpenTelemetry writes it: with its parameters in braces.
fn template(route: &PathPattern) -> String {
    let parts = route.0.split('/').map(|part| match part.strip_prefix(':') {
        Some(name) => format!("{{{name}}}"),
        None => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("/")
}
