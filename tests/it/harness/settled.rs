//! Waits until no work is pending, so that what has not happened will not happen.

use async_nats::jetstream::{self, Context};
use chrono::{DateTime, TimeDelta, Utc};
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
    let tasks = context.get_stream("NMC_TASKS").await.ok()?.get_info().await.ok()?.state.messages;
    if tasks > 0 || any_timer_soon(context).await? {
        return None;
    }
    let mut sql = servers.sql().await;
    let unpublished: i64 =
        sqlx::query_scalar("SELECT count(*) FROM outbox WHERE published_at IS NULL").fetch_one(&mut sql).await.ok()?;
    sql.close().await.ok()?;
    if unpublished > 0 {
        return None;
    }
    let emitted = idle(context, "NMC_EVENTS", "redis").await?;
    Some(Quiet { received, emitted, callbacks })
}

/// Whether a timer is due, or will be within ten seconds. Later ones are not under way: a window that a test holds open
/// for minutes, an announcement after a minute's wait. A timer that is no longer wanted remains in the stream until it is
/// due.
async fn any_timer_soon(context: &Context) -> Option<bool> {
    let mut stream = context.get_stream("NMC_WINDOWS").await.ok()?;
    let state = stream.info().await.ok()?.state.clone();
    let soon = Utc::now() + TimeDelta::seconds(10);
    for sequence in state.first_sequence..=state.last_sequence {
        // Replaced or fired ones have left gaps.
        let Ok(message) = stream.direct_get(sequence).await else { continue };
        let at = message.headers.get("Nats-Schedule").and_then(|at| at.as_str().strip_prefix("@at "));
        if at.is_none_or(|at| DateTime::parse_from_rfc3339(at).is_ok_and(|at| at < soon)) {
            return Some(true);
        }
    }
    Some(false)
}

/// The stream's last sequence, if its consumer has acknowledged all of it.
async fn idle(context: &Context, stream: &str, consumer: &str) -> Option<u64> {
    let stream = context.get_stream(stream).await.ok()?;
    let info = stream.consumer_info(consumer).await.ok()?;
    let last = stream.get_info().await.ok()?.state.last_sequence;
    (info.num_pending == 0 && info.num_ack_pending == 0).then_some(last)
}
