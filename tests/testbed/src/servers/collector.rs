//! The OpenTelemetry Collector as a private child process, with the project's example configuration. It also prints the
//! spans that it receives.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::json;

use super::{
    binaries::workspace_root,
    ports,
    process::{Process, Signal, Spec},
    ready,
};

/// A span as the collector prints it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CollectedSpan {
    /// Of its trace.
    pub trace_id: String,
    /// Its own.
    pub span_id: String,
    /// Of its parent. Empty if it has none.
    pub parent_id: String,
    /// Such as `publish effects`.
    pub name: String,
    /// Such as `Server`.
    pub kind: String,
}

/// A running collector. Dropping it kills it.
pub struct OtelCollector {
    port: u16,
    log: PathBuf,
    _process: Process,
}

impl OtelCollector {
    /// The program, if `scripts/get-tools collector` has built it, for which it needs Go.
    pub fn program() -> Option<PathBuf> {
        Some(workspace_root().join(".run/bin/otelcol")).filter(|program| program.is_file())
    }

    /// Starts it, with its log in `dir`; when this returns, it takes spans.
    ///
    /// # Errors
    /// If it does not start, for example because it refuses the configuration.
    pub async fn start(program: PathBuf, dir: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let port = ports::free()?;
        // Merged with the example: its own exporter has no backend here.
        let here = json!({
            "receivers": { "otlp": { "protocols": { "http": { "endpoint": format!("127.0.0.1:{port}") } } } },
            "exporters": { "debug": { "verbosity": "detailed" } },
            "service": {
                "telemetry": { "metrics": { "level": "none" } },
                "pipelines": { "traces": { "exporters": ["debug"] } },
            },
        });
        let config = dir.join("here.yaml");
        std::fs::write(&config, here.to_string()).context("the collector's configuration")?;
        let log = dir.join("otelcol.log");
        let files = [workspace_root().join("deploy/otel/collector.yaml"), config];
        let process = Process::spawn(Spec {
            name: "the OpenTelemetry Collector",
            program,
            args: files.iter().flat_map(|file| ["--config".to_owned(), file.display().to_string()]).collect(),
            environment: Vec::new(),
            log: log.clone(),
            privileges: Vec::new(),
            last_signal: Signal::Kill,
        })?;
        // Nothing is found at this path, but the server answers.
        let listens = async || ready::answers(port, b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.0 404").await;
        ready::wait("the OpenTelemetry Collector", &process, listens).await?;
        Ok(Self { port, log, _process: process })
    }

    /// The value for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The spans that it has received so far.
    ///
    /// # Errors
    /// If its output cannot be read.
    pub fn spans(&self) -> anyhow::Result<Vec<CollectedSpan>> {
        Ok(parse(&std::fs::read_to_string(&self.log).context("the collector's output")?))
    }
}

/// Reads the blocks that the debug exporter prints. A last block may be incomplete.
fn parse(text: &str) -> Vec<CollectedSpan> {
    let mut spans: Vec<CollectedSpan> = Vec::new();
    for line in text.lines() {
        let Some((name, value)) = line.trim_start().split_once(':') else { continue };
        let (name, value) = (name.trim_end(), value.trim().to_owned());
        if name == "Trace ID" {
            spans.push(CollectedSpan { trace_id: value, ..CollectedSpan::default() });
            continue;
        }
        let Some(span) = spans.last_mut() else { continue };
        match name {
            "Parent ID" => span.parent_id = value,
            "ID" => span.span_id = value,
            "Name" => span.name = value,
            "Kind" => span.kind = value,
            _ => {}
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_read_without_its_attributes_and_links() {
        let text = "Span #0\n    Trace ID       : aa\n    Parent ID      : \n    ID             : b1\n    \
                    Name           : POST /a\n    Kind           : Server\nAttributes:\n     -> Name: Str(other)\n\
                    Links:\nSpanLink #0\n     -> Trace ID: ff\n     -> ID: ee\nSpan #1\n    Trace ID       : cc\n";
        let [first, second] = parse(text).try_into().unwrap_or_else(|spans| panic!("{spans:?}"));
        let expected = ["aa", "b1", "", "POST /a", "Server"].map(str::to_owned);
        assert_eq!([first.trace_id, first.span_id, first.parent_id, first.name, first.kind], expected);
        assert_eq!(second.trace_id, "cc");
    }
}
