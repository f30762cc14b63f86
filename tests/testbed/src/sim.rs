//! What both simulators are made of: a loopback server that can go down and come back, fault rules, and journals that wake
//! whoever waits for an entry.
//!
//! Fed by tests (in-process) and by shells (HTTP under `/_sim`); feeds [`crate::twilio`] and [`crate::dispatchbot`].
//! Nothing here polls: every wait is woken by the change it waits for.

mod connection;
mod faults;
mod journal;
mod server;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use connection::Connections;
pub use faults::{Rule, Rules, Span, When, millis};
pub use journal::Journal;
pub use server::SimServer;

/// Locks a mutex; a panic elsewhere does not hide the state from the test that wants to report it.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An HTTP client that ignores proxy settings, follows no redirect, and gives up after `timeout`.
pub fn http_client(timeout: Duration) -> reqwest::Result<reqwest::Client> {
    // The second call in a process is refused, and that is what we want.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        // The service closes what is idle for 30 s: a client lets go before, or a request meets the closing.
        .pool_idle_timeout(Duration::from_secs(20))
        .timeout(timeout)
        .build()
}

/// Waits for Ctrl-C or SIGTERM: the end of a simulator that runs as a program.
pub async fn until_signal() -> anyhow::Result<()> {
    let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = term.recv() => {}
    }
    Ok(())
}
