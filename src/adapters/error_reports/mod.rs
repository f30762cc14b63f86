//! Reports errors and panics to a service for error tracking that speaks Sentry's protocol.
//!
//! Only in builds with the cargo feature `sentry`, and only if `SENTRY_DSN` or `SENTRY_DSN_FILE` is set.

#[cfg(feature = "sentry")]
mod sentry;

use std::time::Duration;

use tracing_subscriber::{Layer, Registry};

use crate::config::{ConfigError, secret_in_env};

/// Takes the log lines that are reported.
pub type Reporter = Box<dyn Layer<Registry> + Send + Sync>;

/// Why errors are not reported.
#[derive(Debug, thiserror::Error)]
pub enum ReportsError {
    /// The variable or its file cannot be read.
    #[error(transparent)]
    Settings(#[from] ConfigError),
    /// The value is not a DSN. It is not quoted, because it contains a key.
    #[cfg(feature = "sentry")]
    #[error("SENTRY_DSN is invalid")]
    Dsn,
    /// This build cannot.
    #[cfg(not(feature = "sentry"))]
    #[error("SENTRY_DSN is set, but this build has no cargo feature `sentry`")]
    NotBuilt,
    /// TLS cannot be set up.
    #[cfg(feature = "sentry")]
    #[error("HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

/// The reporter, if `SENTRY_DSN` is set, or the file with it.
///
/// # Errors
/// If it is set, and errors cannot be reported.
pub fn reporter() -> Result<Option<Reporter>, ReportsError> {
    match secret_in_env("SENTRY_DSN", |name| std::env::var(name).ok())? {
        #[cfg(feature = "sentry")]
        Some(dsn) => sentry::reporter(dsn.expose()).map(Some),
        #[cfg(not(feature = "sentry"))]
        Some(_) => Err(ReportsError::NotBuilt),
        None => Ok(None),
    }
}

/// Sends what has not been sent yet, for at most this long; blocks.
pub fn flush(timeout: Duration) {
    #[cfg(feature = "sentry")]
    sentry::flush(timeout);
    #[cfg(not(feature = "sentry"))]
    let _ = timeout;
}
