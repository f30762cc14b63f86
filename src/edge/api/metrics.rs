//! `/metrics`: JSON by default, Prometheus text for who asks for it (contract, section 6).

use std::time::Instant;

use poem::Request;
use poem::http::header;
use poem_openapi::payload::{Json, PlainText};
use poem_openapi::{ApiResponse, OpenApi};
use serde_json::Value;

use super::{EdgeData, Group};
use crate::telemetry::metrics::CONTENT_TYPE;

/// The metrics of this process.
#[derive(ApiResponse)]
enum MetricsAnswer {
    /// As JSON.
    #[oai(status = 200)]
    Json(Json<Value>),
    /// As Prometheus text, where `Accept` asks for `text/plain` or OpenMetrics.
    #[oai(status = 200)]
    Prometheus(PlainText<String>, #[oai(header = "content-type")] String),
    /// They could not be written.
    #[oai(status = 500)]
    Failed(PlainText<String>),
}

pub(super) struct MetricsApi;

#[OpenApi(tag = "Group::Operation")]
impl MetricsApi {
    /// The metrics of this process: JSON, or Prometheus text where `Accept` asks for it.
    #[oai(path = "/metrics", method = "get")]
    async fn metrics(&self, edge: EdgeData<'_>, request: &Request) -> MetricsAnswer {
        let accept = request.header(header::ACCEPT).unwrap_or_default();
        if !(accept.contains("text/plain") || accept.contains("openmetrics")) {
            return MetricsAnswer::Json(Json(edge.metrics.json(Instant::now())));
        }
        match edge.metrics.prometheus() {
            Ok(text) => MetricsAnswer::Prometheus(PlainText(text), CONTENT_TYPE.to_owned()),
            Err(_) => MetricsAnswer::Failed(PlainText("the metrics could not be written".to_owned())),
        }
    }
}
