//! Polling, for things that nothing announces.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// The time limit for everything, chosen for a busy machine. A test that succeeds does not wait for it.
pub const PATIENCE: Duration = Duration::from_secs(60);
const BETWEEN: Duration = Duration::from_millis(25);

/// Polls until there is an answer. If there is none in time, fails and names what it waited for.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "not seen within {PATIENCE:?}: {what}");
        sleep(BETWEEN).await;
    }
}
