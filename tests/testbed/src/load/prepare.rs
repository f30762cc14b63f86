//! Before the run: the businesses, and a conversation of the AI for each customer who will text or be taken over. It
//! also warms up connections and caches. The simulators answer at once, and nothing is measured.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::ensure;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use super::Options;
use super::app_server::AppServer;
use super::cast::{Cast, number_of};
use super::stage::Stage;

const AT_ONCE: usize = 8;
/// Below the rate that the service can carry.
const BETWEEN_TEXTS: Duration = Duration::from_millis(25);
const PATIENCE: Duration = Duration::from_secs(120);

/// Prepares everything; returns the conversations to be taken over, by the customer's number.
pub(super) async fn prepare(options: &Options, cast: &Cast, stage: &Stage) -> anyhow::Result<HashMap<String, Uuid>> {
    put_businesses(&stage.app_server, options.businesses).await?;
    converse(cast, stage).await?;
    let finding = stream::iter(cast.taken_over()).map(async |customer| {
        let id = stage.app_server.conversation_of(&customer.phone).await?;
        anyhow::Ok((customer.phone.clone(), id))
    });
    finding.buffer_unordered(AT_ONCE).try_collect().await
}

/// Creates this many businesses.
pub(crate) async fn put_businesses(app_server: &AppServer, count: usize) -> anyhow::Result<()> {
    let putting = stream::iter(0..count)
        .map(async |number| app_server.put_business(&format!("business-{number}"), &business(number)).await);
    putting.buffer_unordered(AT_ONCE).try_collect().await
}

/// Each customer writes once, and the AI answers.
async fn converse(cast: &Cast, stage: &Stage) -> anyhow::Result<()> {
    let mut pace = interval(BETWEEN_TEXTS);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for customer in cast.prepared() {
        pace.tick().await;
        stage.book.expect_answer(0, &customer.phone, stage.book.now());
        stage.first_text(customer).await?;
    }
    let unanswered = stage.book.settle(PATIENCE).await;
    ensure!(unanswered == 0, "{unanswered} first texts were not answered within {PATIENCE:?}");
    Ok(())
}

/// A business's document. Its answers have one segment: it has no estimates, and a short name.
fn business(number: usize) -> Value {
    json!({
        "name": format!("Joe's {number}"), "user_id": "user-joe", "phone_numbers": [number_of(number)],
        "forward_to": format!("+1917{:07}", 2_000_000 + number), "timezone": "America/New_York", "trade": "plumbing",
    })
}
