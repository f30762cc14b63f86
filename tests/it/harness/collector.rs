//! A collector of OpenTelemetry: `scripts/otlp-receiver`, which decodes spans with OpenTelemetry's own messages.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::process::{Child, Command};

use super::servers::Servers;
use super::wait::eventually;

/// A running collector; stops when dropped.
pub struct Collector {
    url: String,
    spans: PathBuf,
    _process: Child,
}

/// A span as it was received.
#[derive(Debug, Clone, Deserialize)]
pub struct Span {
    pub resource: Map<String, Value>,
    pub trace_id: String,
    pub span_id: String,
    /// Empty if it has none.
    pub parent_span_id: String,
    pub name: String,
    pub kind: String,
    pub status: String,
    pub attributes: Map<String, Value>,
    pub links: Vec<Link>,
}

/// Another span that a span is linked to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Link {
    pub trace_id: String,
    pub span_id: String,
}

impl Collector {
    /// Starts it, with its files in the test's folder.
    pub async fn start(servers: &Servers) -> Self {
        let (spans, address) = (servers.dir().join("spans"), servers.dir().join("collector"));
        let process = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/otlp-receiver"))
            .args([&spans, &address])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("scripts/otlp-receiver");
        let address = eventually("a collector", async || std::fs::read_to_string(&address).ok()).await;
        Self { url: format!("http://{address}"), spans, _process: process }
    }

    /// The value for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// All spans that were received, as text.
    pub fn text(&self) -> String {
        std::fs::read_to_string(&self.spans).unwrap_or_default()
    }

    /// All spans that were received.
    pub fn spans(&self) -> Vec<Span> {
        self.text().lines().map(|line| serde_json::from_str(line).expect("a span")).collect()
    }
}
