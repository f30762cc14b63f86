//! `/metrics`: JSON by default, Prometheus text for who asks for it (docs/contract.md, section 6).

use std::time::Instant;

use poem::Request;
use poem::http::header;
use poem_openapi::payload::{Json, PlainText};
use poem_openapi::{ApiResponse, OpenApi, ResponseContent};
use serde_json::Value;
use tokio::sync::Mutex;

use super::failure::{self, ErrorBody};
use super::{EdgeData, Group};
use crate::http::problem::{Code, Problem};

static WRITING: Mutex<()> = Mutex::const_new(());

/// The metrics, as JSON or as text.
#[derive(ResponseContent)]
enum Shown {
    Json(Json<Value>),
    // The same as `telemetry::metrics::CONTENT_TYPE`: a derive reads no constant.
    #[oai(content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8")]
    Prometheus(PlainText<String>),
}

/// The metrics of this process.
#[derive(ApiResponse)]
enum MetricsAnswer {
    /// The metrics: JSON, or Prometheus text where `Accept` asks for `text/plain` or OpenMetrics.
    #[oai(status = 200)]
    Shown(Shown),
    /// Our fault: `INTERNAL`.
    #[oai(status = 500)]
    Failed(Json<ErrorBody>),
}

pub(super) struct MetricsApi;

#[OpenApi(tag = "Group::Operation")]
impl MetricsApi {
    /// The metrics of this process: JSON, or Prometheus text where `Accept` asks for it.
    #[oai(path = "/metrics", method = "get", operation_id = "metrics")]
    async fn metrics(&self, edge: EdgeData<'_>, request: &Request) -> MetricsAnswer {
        // Written for one after the other: whoever asks for it without end keeps one core busy, not all.
        let _turn = WRITING.lock().await;
        let accept = request.header(header::ACCEPT).unwrap_or_default();
        if !(accept.contains("text/plain") || accept.contains("openmetrics")) {
            return MetricsAnswer::Shown(Shown::Json(Json(edge.metrics.json(Instant::now()))));
        }
        match edge.metrics.prometheus() {
            Ok(text) => MetricsAnswer::Shown(Shown::Prometheus(PlainText(text))),
            Err(_) => {
                let problem = Problem::new(Code::Internal, "the metrics could not be written");
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
