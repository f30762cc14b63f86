//! `/metrics`: JSON by default, Prometheus text on request (docs/contract.md, section 6).

use std::time::Instant;

use poem::Request;
use poem::http::header;
use poem_openapi::payload::{Json, PlainText};
use poem_openapi::{ApiResponse, OpenApi, ResponseContent};
use serde_json::Value;
use tokio::sync::Mutex;

use super::failure::{self, ErrorBody};
use super::{Group, OperationData};
use crate::http::problem::{Code, Problem};

static WRITING: Mutex<()> = Mutex::const_new(());

/// The metrics, as JSON or as text.
#[derive(ResponseContent)]
enum Shown {
    Json(Json<Value>),
    // The same as `telemetry::metrics::CONTENT_TYPE`: the derive macro accepts no constant.
    #[oai(content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8")]
    Prometheus(PlainText<String>),
}

/// The response with the metrics.
#[derive(ApiResponse)]
enum MetricsAnswer {
    /// The metrics, as JSON, or as Prometheus text in the OpenMetrics format if `Accept` asks for `text/plain` or
    /// OpenMetrics.
    #[oai(status = 200)]
    Shown(Shown),
    /// An internal error: `INTERNAL`.
    #[oai(status = 500)]
    Failed(Json<ErrorBody>),
}

pub(super) struct MetricsApi;

#[OpenApi(tag = "Group::Operation")]
impl MetricsApi {
    /// Returns the metrics of this process.
    ///
    /// JSON by default; Prometheus text in the OpenMetrics format if `Accept` asks for `text/plain` or OpenMetrics.
    #[oai(path = "/metrics", method = "get", operation_id = "metrics")]
    async fn metrics(&self, operation: OperationData<'_>, request: &Request) -> MetricsAnswer {
        // One at a time: a client that requests metrics without end keeps only one core busy.
        let _turn = WRITING.lock().await;
        let accept = request.header(header::ACCEPT).unwrap_or_default();
        if !(accept.contains("text/plain") || accept.contains("openmetrics")) {
            return MetricsAnswer::Shown(Shown::Json(Json(operation.metrics.json(Instant::now()))));
        }
        match operation.metrics.prometheus() {
            Ok(text) => MetricsAnswer::Shown(Shown::Prometheus(PlainText(text))),
            Err(_) => {
                let problem = Problem::new(Code::Internal, "the metrics could not be encoded");
                MetricsAnswer::Failed(failure::body(&problem))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use poem::IntoResponse;

    use super::*;
    use crate::telemetry::CONTENT_TYPE;

    #[test]
    fn the_text_has_its_media_type() {
        let response = Shown::Prometheus(PlainText(String::new())).into_response();
        assert_eq!(response.content_type(), Some(CONTENT_TYPE));
    }
}
