//! Code shared by both simulators: a loopback server that can go down and come back, fault rules, latencies, and
//! journals that wake their waiters.
//!
//! Driven by tests (in-process) and by shells (HTTP under `/_sim`); used by [`crate::twilio`] and
//! [`crate::dispatchbot`]. Nothing here polls: the change that a task waits for wakes it.

mod connection;
mod faults;
mod journal;
mod latency;
mod server;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use connection::Connections;
pub use faults::{Rule, Rules, Span, When, millis};
pub use journal::Journal;
pub use latency::Latency;
pub use server::SimServer;

/// Locks a mutex. It ignores poisoning, so that a test can still read the state after a panic elsewhere.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An HTTP client that ignores proxy settings, follows no redirect, and gives up after `timeout`.
pub fn http_client(timeout: Duration) -> reqwest::Result<reqwest::Client> {
    // A second call in a process returns an error, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        // The service closes connections that are idle for 30 s. The client closes them earlier, so that no request
        // meets the close.
        .pool_idle_timeout(Duration::from_secs(20))
        .timeout(timeout)
        .build()
}

/// Waits for Ctrl-C or SIGTERM, which end a simulator that runs as a program.
pub async fn until_signal() -> anyhow::Result<()> {
    let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = term.recv() => {}
    }
    Ok(())
}
