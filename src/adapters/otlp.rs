//! Sends spans to a collector: OTLP over HTTP, as protobuf.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithHttpConfig};
use tokio::runtime::Handle;

use super::http_client::{self, BodyError, describe, read_body};

/// The exporter gives up earlier (`OTEL_EXPORTER_OTLP_TIMEOUT`); this only ends what it no longer waits for.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The maximum size of an answer that is read.
const MAX_ANSWER: usize = 64 * 1024;

/// Why spans cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    /// A variable with `OTEL_EXPORTER_OTLP_` is invalid.
    #[error(transparent)]
    Settings(#[from] ExporterBuildError),
    /// TLS cannot be set up.
    #[error("HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

/// An exporter for the endpoint, headers and timeout in the standard's environment variables.
///
/// # Errors
/// If a variable is invalid or TLS cannot be set up.
pub fn exporter() -> Result<SpanExporter, OtlpError> {
    let http = http_client::builder().timeout(TIMEOUT).build()?;
    let client = Client { http, runtime: Handle::current() };
    Ok(SpanExporter::builder().with_http().with_http_client(client).build()?)
}

/// Exporters run in threads of their own, without a runtime: requests are made in the process's.
#[derive(Debug)]
struct Client {
    http: reqwest::Client,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let exchange = async move {
            let answer = http.execute(request.try_into().map_err(describe)?).await.map_err(describe)?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            let body = read_body(answer, MAX_ANSWER).await.map_err(|error| match error {
                BodyError::TooLarge => format!("an answer of more than {MAX_ANSWER} bytes"),
                BodyError::Transport(error) => describe(error),
            })?;
            let mut response = Response::new(body);
            (*response.status_mut(), *response.headers_mut()) = (status, headers);
            Ok::<_, String>(response)
        };
        Ok(self.runtime.spawn(exchange).await??)
    }
}
