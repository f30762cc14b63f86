//! After the load: waits until nothing is under way any more, so that what has not happened by then will not happen.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use async_nats::jetstream::{self, Context};
use sqlx::{Connection, PgConnection};
use tokio::time::sleep;
use uuid::Uuid;

use super::load::AppServer;
use super::servers::Addresses;
use super::surroundings::Surroundings;

/// The longest wait between two tries of anything is half a minute, a few of which may follow each other.
const PATIENCE: Duration = Duration::from_secs(300);
const BETWEEN: Duration = Duration::from_secs(1);
/// So many looks in a row have to find nothing under way, and nothing moved.
const LOOKS: u32 = 3;
/// What a work queue or a consumer may be asked for.
const CONSUMERS: [(&str, &str); 2] = [("NMC_INBOUND", "conversations"), ("NMC_EVENTS", "redis")];
const QUEUES: [&str; 2] = ["NMC_WINDOWS", "NMC_TASKS"];

/// Waits, ending what a person still owns, for nobody else will; what is still under way when patience ends.
pub(super) async fn settle(
    addresses: &Addresses,
    surroundings: &Surroundings,
    app_server: &AppServer,
) -> anyhow::Result<Vec<String>> {
    let servers: Vec<&str> = addresses.nats.split(',').collect();
    let context = jetstream::new(async_nats::connect(servers).await?);
    let mut sql = PgConnection::connect(&addresses.database).await?;
    let begun = Instant::now();
    let (mut quiet, mut before) = (0, (0, 0));
    loop {
        for id in with_a_person(&mut sql).await? {
            app_server.complete(id).await;
        }
        // A consumer that has just lost its leader may not be found: that is no more than "not yet".
        let waiting = match under_way(&mut sql, &context, surroundings).await {
            Ok(waiting) => waiting,
            Err(error) => vec![format!("cannot look: {error:#}")],
        };
        let now = (surroundings.twilio.callbacks().len(), surroundings.twilio.messages().len());
        quiet = if waiting.is_empty() && now == before { quiet + 1 } else { 0 };
        before = now;
        if quiet >= LOOKS {
            return Ok(Vec::new());
        }
        if begun.elapsed() > PATIENCE {
            return Ok(if waiting.is_empty() { vec!["Twilio's callbacks do not end".to_owned()] } else { waiting });
        }
        sleep(BETWEEN).await;
    }
}

/// Conversations whose texts a person has to answer.
async fn with_a_person(sql: &mut PgConnection) -> sqlx::Result<Vec<Uuid>> {
    let owned = "SELECT DISTINCT c.id FROM conversations c JOIN windows w ON w.conversation_id = c.id
                 WHERE c.ownership = 'user' AND c.status <> 'completed' AND w.state = 'open'";
    sqlx::query_scalar(owned).fetch_all(sql).await
}

async fn under_way(
    sql: &mut PgConnection,
    context: &Context,
    surroundings: &Surroundings,
) -> anyhow::Result<Vec<String>> {
    let counts = [
        ("effects that are not published", "SELECT count(*) FROM outbox WHERE published_at IS NULL"),
        ("messages on their way to Twilio", "SELECT count(*) FROM messages WHERE status IN ('queued', 'sending')"),
        ("windows without an end", "SELECT count(*) FROM windows WHERE state IN ('open', 'claimed')"),
    ];
    let mut waiting = Vec::new();
    let mut tell = |what: &str, count: i64| {
        if count > 0 {
            waiting.push(format!("{count} {what}"));
        }
    };
    for (what, query) in counts {
        tell(what, sqlx::query_scalar(query).fetch_one(&mut *sql).await?);
    }
    for queue in QUEUES {
        let stored = context.get_stream(queue).await?.get_info().await?.state.messages;
        tell(&format!("messages in {queue}"), i64::try_from(stored)?);
    }
    for (stream, consumer) in CONSUMERS {
        let stream = context.get_stream(stream).await?;
        let info = stream.consumer_info(consumer).await.with_context(|| format!("consumer {consumer}"))?;
        let left = info.num_pending + info.num_ack_pending as u64;
        tell(&format!("messages for the consumer {consumer}"), i64::try_from(left)?);
    }
    let queued = surroundings.twilio.messages().iter().filter(|message| message.status == "queued").count();
    tell("messages that Twilio has not sent", i64::try_from(queued)?);
    Ok(waiting)
}
