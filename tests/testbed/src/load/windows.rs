//! Windows that stay open during a run: customers who have written once, and wait for a person.

use std::time::Duration;

use anyhow::ensure;
use futures::{StreamExt, TryStreamExt, stream};
use sqlx::{Connection, PgConnection};
use tokio::time::{Instant, sleep};

use super::cast::{number_of, waiting_customer};
use super::stage::Stage;
use super::{Addresses, Options};
use crate::twilio::new_message_sid;

const AT_ONCE: usize = 64;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(1_800);

/// Opens the windows, as fast as the texts are taken. Returns how long it took until all were open.
pub(super) async fn open(options: &Options, addresses: &Addresses, stage: &Stage) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let texts = (0..options.open_windows).map(async |number| {
        let (from, to) = (waiting_customer(number), number_of(number % options.businesses));
        let answer = stage.webhooks.sms(&new_message_sid(), &from, &to, "Do you mend boilers?").await?;
        ensure!(answer.status == 200, "the text of {from} was answered {}", answer.status);
        anyhow::Ok(())
    });
    stream::iter(texts).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    let mut database = PgConnection::connect(&addresses.database).await?;
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
