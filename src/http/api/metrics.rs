//! `/metrics`: JSON by default, OpenMetrics or Prometheus text on request (docs/contract.md, section 6).

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
    #[oai(content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8")]
    OpenMetrics(PlainText<String>),
    #[oai(content_type = "text/plain; version=0.0.4; charset=utf-8")]
    Prometheus(PlainText<String>),
}

/// The response with the metrics.
#[derive(ApiResponse)]
enum MetricsAnswer {
    /// The metrics, as JSON; in the OpenMetrics format if `Accept` asks for that; else in Prometheus' text format if it
    /// asks for `text/plain`.
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
    /// JSON by default; the OpenMetrics format, with exemplars, if `Accept` asks for that; Prometheus' text format if it
    /// asks for `text/plain` alone.
    #[oai(path = "/metrics", method = "get", operation_id = "metrics")]
    async fn metrics(&self, operation: OperationData<'_>, request: &Request) -> MetricsAnswer {
        // One at a time: a client that requests metrics without end keeps only one core busy.
        let _turn = WRITING.lock().await;
        let accept = request.header(header::ACCEPT).unwrap_or_default();
        let metrics = &operation.metrics;
        let shown = if accept.contains("openmetrics") {
            metrics.openmetrics().map(|text| Shown::OpenMetrics(PlainText(text)))
        } else if accept.contains("text/plain") {
            metrics.prometheus().map(|text| Shown::Prometheus(PlainText(text)))
        } else {
            Ok(Shown::Json(Json(metrics.json(Instant::now()))))
        };
        match shown {
            Ok(shown) => MetricsAnswer::Shown(shown),
            Err(_) => {
                let problem = Problem::new(Code::Internal, "the metrics could not be encoded");
                MetricsAnswer::Failed(failure::body(&problem))
            }
        }
    }
}
