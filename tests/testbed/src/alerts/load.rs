//! Customers who call and write all the time, whatever happens.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::OUR_NUMBER;
use super::stage::Stage;

const EVERY: Duration = Duration::from_millis(250);
/// One of so many customers calls before writing.
const CALLS: u32 = 4;

static CUSTOMERS: AtomicU32 = AtomicU32::new(0);

/// A number that no customer has had before.
pub(super) fn new_customer() -> String {
    format!("+1212{:07}", 5_550_000 + CUSTOMERS.fetch_add(1, Ordering::Relaxed))
}

/// Customers, until it is enough. Whether a webhook succeeds is what the alerts are about, so failures are ignored here.
pub(super) async fn run(stage: Arc<Stage>, enough: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    let mut count = 0;
    let mut busy = tokio::task::JoinSet::new();
    while enough.run_until_cancelled(ticks.tick()).await.is_some() {
        count += 1;
        let stage = Arc::clone(&stage);
        busy.spawn(async move {
            let customer = new_customer();
            if count % CALLS == 0 {
                let _ = stage.twilio.call(&customer, OUR_NUMBER, "no-answer").await;
            }
            let _ = stage.twilio.text(&customer, OUR_NUMBER, "My sink is blocked").await;
        });
        while busy.try_join_next().is_some() {}
    }
    busy.shutdown().await;
}
