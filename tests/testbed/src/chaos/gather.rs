//! Gathers the evidence after the run: the tables, Twilio's journal, Redis's log and the dead letters.

use anyhow::Context as _;
use async_nats::jetstream::{self, consumer::pull::OrderedConfig};
use futures::StreamExt;
use redis::streams::StreamRangeReply;
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{Connection, FromRow, PgConnection};
use uuid::Uuid;

use super::ledger::{Accepted, Event, Evidence, Report};
use super::load::Journal;
use super::servers::Addresses;
use super::surroundings::Surroundings;
use crate::event_contract::EventContract;
use crate::servers::connect_redis;
use crate::twilio::SentMessage;

const LOG: &str = "conversation.events:log";
/// Number of Redis's entries read at once.
const PAGE: usize = 5_000;

/// Collects the evidence from the four sources.
pub(super) async fn gather(
    addresses: &Addresses,
    surroundings: &Surroundings,
    journal: &Journal,
) -> anyhow::Result<Evidence> {
    let (count, posted, asked) = journal.read();
    let mut evidence = Evidence { count, posted, asked, ..Evidence::default() };
    evidence.twilio = surroundings.twilio.requests();
    evidence.accepted = surroundings.twilio.messages().iter().map(accepted).collect();
    let callbacks = surroundings.twilio.callbacks();
    let acknowledged = callbacks.into_iter().filter(|callback| callback.http_status.is_some_and(|s| s < 300));
    let report =
        |callback: crate::twilio::CallbackRecord| Report { sid: callback.message_sid, status: callback.status };
    evidence.reports = acknowledged.map(report).collect();
    tables(addresses, &mut evidence).await.context("the tables")?;
    log(addresses, &mut evidence).await.context("Redis's log")?;
    evidence.dead = dead_letters(addresses).await.context("NMC_DEAD")?;
    Ok(evidence)
}

fn accepted(message: &SentMessage) -> Accepted {
    let url = message.status_callback.as_deref().and_then(|url| url::Url::parse(url).ok());
    let id = url.and_then(|url| {
        let found = url.query_pairs().find(|(name, _)| name == "message_id")?.1.parse::<Uuid>();
        found.ok()
    });
    Accepted { sid: message.sid.clone(), message: id, at: message.accepted_at }
}

async fn tables(addresses: &Addresses, evidence: &mut Evidence) -> anyhow::Result<()> {
    let sql = &mut PgConnection::connect(&addresses.database).await?;
    evidence.conversations = rows(sql, "SELECT id, customer_phone, event_sequence FROM conversations").await?;
    evidence.messages = rows(
        sql,
        "SELECT id, conversation_id, sender_type, body, twilio_sid, status, window_id, in_reply_to_window, created_at,
                stream_sequence, attempted_at FROM messages",
    )
    .await?;
    evidence.windows = rows(sql, "SELECT id, conversation_id, state FROM windows").await?;
    evidence.steps =
        rows(sql, "SELECT window_id, conversation_id, state, reason AS because FROM window_steps ORDER BY id").await?;
    evidence.calls = rows(sql, "SELECT id, call_sid, event_sequence, dial_status FROM calls").await?;
    Ok(())
}

async fn rows<T>(sql: &mut PgConnection, query: &'static str) -> sqlx::Result<Vec<T>>
where
    T: for<'row> FromRow<'row, PgRow> + Send + Unpin,
{
    sqlx::query_as(query).fetch_all(sql).await
}

async fn log(addresses: &Addresses, evidence: &mut Evidence) -> anyhow::Result<()> {
    let mut connection = connect_redis(&redis::Client::open(addresses.redis.as_str())?).await?;
    let mut from = "-".to_owned();
    loop {
        let page: StreamRangeReply = redis::cmd("XRANGE")
            .arg(LOG)
            .arg(&from)
            .arg("+")
            .arg("COUNT")
            .arg(PAGE)
            .query_async(&mut connection)
            .await?;
        let Some(last) = page.ids.last() else { break };
        from = format!("({}", last.id);
        for entry in &page.ids {
            let text: String = entry.get("event").context("an entry without an event")?;
            let envelope = serde_json::from_str(&text)?;
            EventContract::committed()?.redis(&envelope)?;
            evidence.events.push(event(&envelope)?);
        }
    }
    let added: u64 = information(&mut connection, "entries-added").await?;
    evidence.events_trimmed = added != evidence.events.len() as u64;
    Ok(())
}

/// A number from `XINFO STREAM`; zero if there is no log.
async fn information(connection: &mut redis::aio::MultiplexedConnection, name: &str) -> anyhow::Result<u64> {
    let exists: bool = redis::cmd("EXISTS").arg(LOG).query_async(connection).await?;
    if !exists {
        return Ok(0);
    }
    let all: std::collections::HashMap<String, redis::Value> =
        redis::cmd("XINFO").arg("STREAM").arg(LOG).query_async(connection).await?;
    match all.get(name) {
        Some(redis::Value::Int(figure)) => Ok(u64::try_from(*figure)?),
        other => anyhow::bail!("{name} is {other:?}"),
    }
}

fn event(envelope: &Value) -> anyhow::Result<Event> {
    let text = |name: &str| envelope[name].as_str().map(str::to_owned);
    let id = |value: &Value| value.as_str().and_then(|id| id.parse().ok());
    Ok(Event {
        id: text("event_id").context("an event without an id")?,
        event_type: text("event_type").unwrap_or_default(),
        // An event belongs to its conversation or, without one, to its call.
        about: id(&envelope["conversation_id"]).or_else(|| id(&envelope["data"]["call_id"])),
        message: id(&envelope["data"]["message_id"]),
        sequence: envelope["sequence"].as_i64().unwrap_or_default(),
    })
}

/// The events of the stream, for a run in which Redis has lost its log. The service publishes them in order.
pub(super) async fn stream(addresses: &Addresses) -> anyhow::Result<Vec<Event>> {
    let servers: Vec<&str> = addresses.nats.split(',').collect();
    let stream = jetstream::new(async_nats::connect(servers).await?).get_stream("NMC_EVENTS").await?;
    let stored = usize::try_from(stream.get_info().await?.state.messages)?;
    let consumer = stream.create_consumer(OrderedConfig::default()).await?;
    let stored = consumer.messages().await?.take(stored);
    stored
        .map(|message| event(&serde_json::from_slice(&message?.payload)?))
        .collect::<Vec<anyhow::Result<Event>>>()
        .await
        .into_iter()
        .collect()
}

async fn dead_letters(addresses: &Addresses) -> anyhow::Result<Vec<String>> {
    let servers: Vec<&str> = addresses.nats.split(',').collect();
    let stream = jetstream::new(async_nats::connect(servers).await?).get_stream("NMC_DEAD").await?;
    let stored = stream.get_info().await?.state.messages;
    if stored == 0 {
        return Ok(Vec::new());
    }
    let consumer = stream.create_consumer(OrderedConfig::default()).await?;
    let letters = consumer.messages().await?.take(usize::try_from(stored)?);
    let subjects = letters.map(|letter| Ok(letter?.subject.to_string())).collect::<Vec<anyhow::Result<String>>>();
    subjects.await.into_iter().collect()
}
