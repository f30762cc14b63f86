//! Windows that stay open during a run: customers who have written once, and wait for a person.

use std::time::Duration;

use anyhow::ensure;
use futures::{StreamExt, TryStreamExt, stream};
use sqlx::{Connection, PgConnection};
use tokio::time::{Instant, sleep};

use super::Options;
use super::cast::waiting_customer;
use super::stage::Stage;

const AT_ONCE: usize = 64;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(1_800);

/// Opens the windows, as fast as the texts are taken. Returns how long it took until all were open.
pub(super) async fn open(options: &Options, stage: &Stage) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let texts = (0..options.open_windows)
        .map(async |number| stage.first_text(&waiting_customer(number, options.businesses)).await);
    stream::iter(texts).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    let mut database = PgConnection::connect(&stage.servers.database).await?;
    let wanted = i64::try_from(options.open_windows)?;
    loop {
        let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM windows WHERE state = 'open'");
        let open = count.fetch_one(&mut database).await?;
        if open >= wanted {
            return Ok(begun.elapsed());
        }
        ensure!(begun.elapsed() < PATIENCE, "{open} of {wanted} windows are open after {PATIENCE:?}");
        sleep(BETWEEN_LOOKS).await;
    }
}
