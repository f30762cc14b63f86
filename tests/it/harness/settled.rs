//! Waits until no work is pending, so that what has not happened will not happen.

use async_nats::jetstream::{self, Context};
use sqlx::Connection;

use super::servers::Servers;
use super::wait::eventually;

/// How much passed through `NMC_INBOUND` and `NMC_EVENTS`, and how many callbacks: if two looks are equal, nothing
/// happened in between.
#[derive(PartialEq, Eq)]
struct Quiet {
    received: u64,
    emitted: u64,
    callbacks: usize,
}

/// Waits until no webhook, timer, task, effect or event is pending, and no message is queued at Twilio.
pub async fn settled(servers: &Servers) {
    let client = async_nats::connect(servers.nats.url()).await.expect("a connection to NATS");
    let context = jetstream::new(client);
    let mut before = None;
    eventually("nothing under way", async || {
        let now = quiet(servers, &context).await;
        let same = now.is_some() && now == before;
        before = now;
        same.then_some(())
    })
    .await;
}

async fn quiet(servers: &Servers, context: &Context) -> Option<Quiet> {
    let on_their_way = servers.twilio.messages().iter().any(|message| matches!(message.status.as_str(), "queued"));
    if on_their_way {
        return None;
    }
    let callbacks = servers.twilio.callbacks().len();
    let received = idle(context, "NMC_INBOUND", "conversations").await?;
    let mut sql = servers.sql().await;
    // A test that holds windows open for minutes does not wait for them.
    let held = "SELECT count(*) FROM conversations WHERE next_timer_at > now() + interval '1 minute'";
    let held: i64 = sqlx::query_scalar(held).fetch_one(&mut sql).await.ok()?;
    for (stream, held) in [("NMC_WINDOWS", u64::try_from(held).ok()?), ("NMC_TASKS", 0)] {
        let waiting = context.get_stream(stream).await.ok()?.get_info().await.ok()?.state.messages;
        if waiting > held {
            return None;
        }
    }
    let unpublished: i64 =
        sqlx::query_scalar("SELECT count(*) FROM outbox WHERE published_at IS NULL").fetch_one(&mut sql).await.ok()?;
    sql.close().await.ok()?;
    if unpublished > 0 {
        return None;
    }
    let emitted = idle(context, "NMC_EVENTS", "redis").await?;
    Some(Quiet { received, emitted, callbacks })
}

/// The stream's last sequence, if its consumer has acknowledged all of it.
async fn idle(context: &Context, stream: &str, consumer: &str) -> Option<u64> {
    let stream = context.get_stream(stream).await.ok()?;
    let info = stream.consumer_info(consumer).await.ok()?;
    let last = stream.get_info().await.ok()?.state.last_sequence;
    (info.num_pending == 0 && info.num_ack_pending == 0).then_some(last)
}
