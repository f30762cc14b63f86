//! Metrics and logs for operators.
//!
//! Neither ever contains a message body, phone number or token.

mod ecs;
mod labelled;
mod labels;
pub mod metrics;
mod panics;
mod prometheus;
pub mod records;
mod repeats;
mod report;
mod rolling;
mod traces;

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use opentelemetry_otlp::SpanExporter;
use tokio::runtime::Handle;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{self, JsonFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::trace::TARGET;
use ecs::Ecs;
use repeats::{Limited, Repeated, Repeats};
use traces::Traces;

pub use metrics::{
    AiResult, Batch, ConnectionEnd, CountedBy, LeftOutList, Metrics, ReadFrom, SmsResult, Stage, Unanswered,
    WindowEvent,
};
pub use prometheus::{AnswerTimes, database_connection_failed, reference};
#[cfg(feature = "sentry")]
pub use repeats::FewRepeats;
pub use traces::traces_are_wanted;

/// The name under which this service appears where none is configured.
const SERVICE: &str = "nevermisscall";
/// How often it is told how many lines were left out.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// The traces of this process, if they are exported.
static TRACES: OnceLock<Traces> = OnceLock::new();
/// The log lines that repeat.
static REPEATS: OnceLock<Repeats> = OnceLock::new();

/// Sends logs to standard error, as text or, with `NMC_LOG=json`, as JSON with the names of the Elastic Common Schema, and
/// spans to an exporter if there is one. `RUST_LOG` filters logs, not spans; the default level is info, and warn for
/// async_nats. Panics are logged. A reporter gets what is logged, too.
pub fn init(exporter: Option<SpanExporter>, reporter: Option<Box<dyn Layer<Registry> + Send + Sync>>) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,async_nats=warn"));
    let repeats = REPEATS.get_or_init(Repeats::default).clone();
    let logs = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && !colours_refused());
    let logs = match std::env::var("NMC_LOG").is_ok_and(|format| format == "json") {
        true => {
            let format = Limited::new(Ecs::new(service_name()), repeats);
            logs.fmt_fields(JsonFields::new()).event_format(format).with_filter(filter).boxed()
        }
        false => logs.event_format(Limited::new(format::format(), repeats)).with_filter(filter).boxed(),
    };
    let spans = exporter.map(|exporter| {
        let layer = tracing_opentelemetry::layer()
            .with_tracer(TRACES.get_or_init(|| Traces::new(exporter)).tracer())
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false);
        layer.with_filter(Targets::new().with_target(TARGET, LevelFilter::TRACE))
    });
    // In tests, a second initialisation has no effect.
    let _ = tracing_subscriber::registry().with(reporter).with(logs).with(spans).try_init();
    panics::log_them();
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(tell_of_repeats());
    }
}

/// Sends what has not been sent yet, for at most this long; blocks.
pub fn flush(timeout: Duration) {
    if let Some(repeats) = REPEATS.get() {
        repeats.take(Instant::now(), true).iter().for_each(Repeated::tell);
    }
    if let Some(traces) = TRACES.get() {
        traces.shut_down(timeout);
    }
}

async fn tell_of_repeats() {
    let mut ticks = tokio::time::interval(TELL_EVERY);
    loop {
        ticks.tick().await;
        if let Some(repeats) = REPEATS.get() {
            repeats.take(Instant::now(), false).iter().for_each(Repeated::tell);
        }
    }
}

/// The service's name, as in its traces.
fn service_name() -> String {
    std::env::var("OTEL_SERVICE_NAME").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| SERVICE.to_owned())
}

/// Whether `NO_COLOR` is set and not empty (<https://no-color.org>).
fn colours_refused() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}
