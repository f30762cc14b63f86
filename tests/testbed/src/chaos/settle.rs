//! After the load: waits until nothing is under way, so that what has not happened by then will not happen.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use async_nats::jetstream::{self, Context};
use sqlx::{Connection, PgConnection};
use tokio::time::sleep;
use uuid::Uuid;

use super::load::AppServer;
use super::servers::Addresses;
use super::surroundings::Surroundings;

/// No wait between two tries is longer than half a minute, but a few of them may follow each other.
const PATIENCE: Duration = Duration::from_secs(300);
const BETWEEN: Duration = Duration::from_secs(1);
/// Number of consecutive checks that must find nothing under way and no change.
const LOOKS: u32 = 3;
/// The consumers; none of them may have messages left.
const CONSUMERS: [(&str, &str); 9] = [
    ("NMC_INBOUND", "conversations"),
    ("NMC_WINDOWS", "due"),
    ("NMC_TASKS", "express"),
    ("NMC_TASKS", "analyze"),
    ("NMC_TASKS", "analyze_urgent"),
    ("NMC_TASKS", "send_sms"),
    ("NMC_TASKS", "send_sms_urgent"),
    ("NMC_TASKS", "ring"),
    ("NMC_EVENTS", "redis"),
];

/// Whether windows that wait for a person may remain open; they wait forever.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WithAPerson {
    /// They may remain.
    May,
    /// They must have ended.
    MayNot,
}

/// Waits, then completes the conversations that a person still owns, because nobody else will, and waits again. Returns
/// what is still under way at the timeout.
pub(super) async fn settle(
    addresses: &Addresses,
    surroundings: &Surroundings,
    app_server: &AppServer,
) -> anyhow::Result<Vec<String>> {
    let servers: Vec<&str> = addresses.nats.split(',').collect();
    let context = jetstream::new(async_nats::connect(servers).await?);
    let mut sql = PgConnection::connect(&addresses.database).await?;
    let left = quiet(&mut sql, &context, surroundings, WithAPerson::May).await?;
    if !left.is_empty() {
        return Ok(left);
    }
    // Nothing of the AI is under way any more, so no text can reopen what is completed here.
    for id in with_a_person(&mut sql).await? {
        app_server.complete(id).await;
    }
    quiet(&mut sql, &context, surroundings, WithAPerson::MayNot).await
}

async fn quiet(
    sql: &mut PgConnection,
    context: &Context,
    surroundings: &Surroundings,
    with_a_person: WithAPerson,
) -> anyhow::Result<Vec<String>> {
    let begun = Instant::now();
    let (mut quiet, mut before) = (0, (0, 0));
    loop {
        // A consumer that has just lost its leader may not be found; that only means "not yet".
        let waiting = match under_way(sql, context, surroundings, with_a_person).await {
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

/// Conversations with texts that a person must answer.
async fn with_a_person(sql: &mut PgConnection) -> sqlx::Result<Vec<Uuid>> {
    let owned = "SELECT DISTINCT c.id FROM conversations c JOIN windows w ON w.conversation_id = c.id
                 WHERE c.ownership = 'user' AND c.status <> 'completed' AND w.state = 'open'";
    sqlx::query_scalar(owned).fetch_all(sql).await
}

async fn under_way(
    sql: &mut PgConnection,
    context: &Context,
    surroundings: &Surroundings,
    with_a_person: WithAPerson,
) -> anyhow::Result<Vec<String>> {
    let windows = match with_a_person {
        WithAPerson::May => {
            "SELECT count(*) FROM windows w JOIN conversations c ON c.id = w.conversation_id
             WHERE w.state = 'claimed' OR (w.state = 'open' AND NOT (c.ownership = 'user' AND c.status <> 'completed'))"
        }
        WithAPerson::MayNot => "SELECT count(*) FROM windows WHERE state IN ('open', 'claimed')",
    };
    let counts = [
        ("webhooks that wait in PostgreSQL", "SELECT count(*) FROM waiting_webhooks"),
        ("effects that are not published", "SELECT count(*) FROM outbox WHERE published_at IS NULL"),
        ("messages on their way to Twilio", "SELECT count(*) FROM messages WHERE status IN ('queued', 'sending')"),
        ("windows without an end", windows),
        // Counts rows, not messages: a timer that has fired may be in NMC_WINDOWS again, but does not fire again
        // (docs/reliability.md).
        // For customers who wait for an answer timers fire for half an hour: the evidence is read between two of them.
        (
            "timers that have to fire",
            "SELECT count(*) FROM conversations WHERE next_timer_at < now() + interval '20 seconds'
               OR rules_state -> 'window' ->> 'deadline' IS NOT NULL
               OR rules_state -> 'memory' ->> 'alerting' IS NOT NULL",
        ),
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
