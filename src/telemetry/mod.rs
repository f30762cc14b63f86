//! What operators see: metrics, and logs.
//!
//! No message body, phone number or token is ever written to either.

mod labelled;
mod labels;
pub mod metrics;
mod prometheus;
mod report;
mod rolling;

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

pub use metrics::{AiResult, ConnectionEnd, Metrics, SmsResult, WebhookKind, WindowEvent};
#[cfg(test)]
pub use prometheus::CONTENT_TYPE;

/// Sends logs to standard error: as text on a terminal, as JSON with `NMC_LOG=json`. `RUST_LOG` chooses what is told;
/// without it, everything from info on.
pub fn init_logs() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,async_nats=warn"));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && !colours_refused());
    // A second initialisation, in a test, changes nothing.
    let _ = if std::env::var("NMC_LOG").is_ok_and(|format| format == "json") {
        logs.json().try_init()
    } else {
        logs.try_init()
    };
}

/// <https://no-color.org>: set, and not empty.
fn colours_refused() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}
