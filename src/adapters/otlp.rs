//! Sends spans to a collector: OTLP over HTTP, as protobuf.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithHttpConfig};
use tokio::runtime::Handle;

use super::http_client::{self, BodyError, describe, read_body};
use crate::config::{ConfigError, secret_in_env};

/// The exporter gives up earlier (`OTEL_EXPORTER_OTLP_TIMEOUT`); this only ends what it no longer waits for.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The maximum size of an answer that is read.
const MAX_ANSWER: usize = 64 * 1024;
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
/// Takes precedence over the other.
const TRACES_HEADERS: &str = "OTEL_EXPORTER_OTLP_TRACES_HEADERS";

/// Why spans cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    /// A variable with `OTEL_EXPORTER_OTLP_` is invalid.
    #[error(transparent)]
    Settings(#[from] ExporterBuildError),
    /// The headers or their file cannot be read.
    #[error(transparent)]
    Headers(#[from] ConfigError),
    /// The text is not quoted, because it may contain a key.
    #[error("{HEADERS}: must be like `authorization=Bearer%20key,x-tenant=7`")]
    NotHeaders,
    /// TLS cannot be set up.
    #[error("HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

/// An exporter for the endpoint, headers and timeout in the standard's environment variables; the headers may be in a file.
///
/// # Errors
/// If a variable is invalid or TLS cannot be set up.
pub fn exporter() -> Result<SpanExporter, OtlpError> {
    let http = http_client::builder().timeout(TIMEOUT).build()?;
    let client = Client { http, runtime: Handle::current() };
    let headers = headers(|name| std::env::var(name).ok())?;
    Ok(SpanExporter::builder().with_http().with_http_client(client).with_headers(headers).build()?)
}

/// The headers as they are written, with percent signs in place of what would end them: the exporter decodes them.
fn headers(env: impl Fn(&str) -> Option<String>) -> Result<HashMap<String, String>, OtlpError> {
    let headers = secret_in_env(HEADERS, &env)?.filter(|_| env(TRACES_HEADERS).is_none_or(|own| own.trim().is_empty()));
    let Some(headers) = headers else { return Ok(HashMap::new()) };
    let header = |header: &str| {
        let (name, value) = header.split_once('=')?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    };
    headers
        .expose()
        .split(',')
        .filter(|header| !header.trim().is_empty())
        .map(header)
        .collect::<Option<_>>()
        .ok_or(OtlpError::NotHeaders)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Vec<(String, String)>, OtlpError> {
        let env = |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let mut headers: Vec<_> = headers(env)?.into_iter().collect();
        headers.sort();
        Ok(headers)
    }

    #[test]
    fn headers_may_come_from_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "authorization=Bearer%20hush, x-tenant = a=b\n").unwrap();
        let path = file.path().to_str().unwrap();
        let of_file = read(&[("OTEL_EXPORTER_OTLP_HEADERS_FILE", path)]).unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(of_file, [pair("authorization", "Bearer%20hush"), pair("x-tenant", "a=b")]);
        let own = [("OTEL_EXPORTER_OTLP_HEADERS_FILE", path), (TRACES_HEADERS, "x=y")];
        assert!(read(&own).unwrap().is_empty(), "those of traces alone count");
        assert!(read(&[]).unwrap().is_empty());
        std::fs::write(file.path(), "hush").unwrap();
        let error = read(&[("OTEL_EXPORTER_OTLP_HEADERS_FILE", path)]).unwrap_err().to_string();
        assert!(error.contains(HEADERS) && !error.contains("hush"), "{error}");
    }
}
