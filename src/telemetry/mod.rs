//! Metrics and logs for operators.
//!
//! Neither ever contains a message body, phone number or token.

mod labelled;
mod labels;
pub mod metrics;
mod prometheus;
mod report;
mod rolling;

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

pub use metrics::{AiResult, Batch, ConnectionEnd, Metrics, SmsResult, Stage, Unanswered, WindowEvent};
pub use prometheus::{AnswerTimes, database_connection_failed, reference};

/// Sends logs to standard error, as text or, with `NMC_LOG=json`, as JSON. `RUST_LOG` filters them; the default level
/// is info, and warn for async_nats.
pub fn init_logs() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,async_nats=warn"));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && !colours_refused());
    // In tests, a second initialisation has no effect.
    let _ = if std::env::var("NMC_LOG").is_ok_and(|format| format == "json") {
        logs.json().try_init()
    } else {
        logs.try_init()
    };
}

/// Whether `NO_COLOR` is set and not empty (<https://no-color.org>).
fn colours_refused() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}
