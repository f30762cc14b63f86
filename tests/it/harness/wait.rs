//! The one place where something is asked again and again, for what nobody announces.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long anything may take, on a machine that does much else: nothing waits for it when all is well.
pub const PATIENCE: Duration = Duration::from_secs(60);
const BETWEEN: Duration = Duration::from_millis(25);

/// Asks until there is an answer; fails, saying what it waited for, when there is none in time.
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
