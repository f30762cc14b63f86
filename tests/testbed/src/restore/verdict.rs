//! Compares what customers did, as the simulated Twilio recorded it, with the restored database.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use tokio::time::{Instant, sleep};

use super::parts::{Place, Running};

/// How long the last answers may take.
const PATIENCE: Duration = Duration::from_secs(90);
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// The restored database, before the recovery.
#[derive(Debug)]
pub struct Before {
    /// The last commit that it has.
    pub last_commit: DateTime<Utc>,
    /// Texts and calls of customers.
    pub customers: usize,
    /// Those that the database does not have.
    pub lost: usize,
    /// Messages that it was about to send.
    pub pending: i64,
}

/// What became of everybody.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Texts and calls that the database still does not have.
    pub missing: Vec<String>,
    /// Customers who got the same text twice.
    pub twice: Vec<String>,
    /// Customers whom nobody answered, and who are left to no person.
    pub silent: Vec<String>,
    /// Conversations of the gap that wait for no person.
    pub not_handed_over: Vec<String>,
    /// Messages and calls of the gap that were recovered.
    pub recovered: i64,
    /// Opt-outs of the gap and before that are in the ledger.
    pub opted_out: i64,
    /// Customers who said STOP, of whom the ledger does not know.
    pub not_opted_out: Vec<String>,
}

impl Verdict {
    pub fn is_good(&self) -> bool {
        self.missing.is_empty()
            && self.twice.is_empty()
            && self.silent.is_empty()
            && self.not_handed_over.is_empty()
            && self.not_opted_out.is_empty()
            && self.recovered > 0
    }
}

pub(super) async fn before_recovery(running: &Running, place: &Place) -> anyhow::Result<Before> {
    let mut sql = running.sql().await?;
    let last_commit =
        sqlx::query_scalar("SELECT since FROM recovery WHERE ended_at IS NULL").fetch_one(&mut sql).await?;
    let pending = "SELECT count(*) FROM messages WHERE status IN ('queued', 'sending')";
    let pending = sqlx::query_scalar(pending).fetch_one(&mut sql).await?;
    let (texts, calls) = (place.twilio.received(), place.twilio.calls());
    let lost = missing(&mut sql, place).await?.len();
    Ok(Before { last_commit, customers: texts.len() + calls.len(), lost, pending })
}

/// The verdict, as soon as it is good, or nothing changes any more.
pub(super) async fn after(running: &Running, place: &Place) -> anyhow::Result<Verdict> {
    let mut sql = running.sql().await?;
    let begun = Instant::now();
    loop {
        let verdict = look(&mut sql, place).await?;
        if verdict.is_good() || begun.elapsed() > PATIENCE {
            return Ok(verdict);
        }
        sleep(BETWEEN_LOOKS).await;
    }
}

/// Texts and calls at Twilio that the database does not have.
async fn missing(sql: &mut PgConnection, place: &Place) -> anyhow::Result<Vec<String>> {
    let texts: Vec<String> = place.twilio.received().into_iter().map(|text| text.sid).collect();
    let mut missing: Vec<String> = sqlx::query_scalar(
        "SELECT sid FROM unnest($1::text[]) AS sid WHERE NOT EXISTS (SELECT FROM messages WHERE twilio_sid = sid)",
    )
    .bind(&texts)
    .fetch_all(&mut *sql)
    .await?;
    let calls: Vec<String> = sqlx::query_scalar(
        "SELECT sid FROM unnest($1::text[]) AS sid
         WHERE NOT EXISTS (SELECT FROM calls WHERE call_sid = sid AND status <> 'ringing')",
    )
    .bind(place.twilio.calls())
    .fetch_all(sql)
    .await?;
    missing.extend(calls);
    Ok(missing)
}

async fn look(sql: &mut PgConnection, place: &Place) -> anyhow::Result<Verdict> {
    let (texts, sent) = (place.twilio.received(), place.twilio.messages());
    let mut verdict = Verdict { missing: missing(sql, place).await?, ..Verdict::default() };
    let mut counts: HashMap<(&str, &str), usize> = HashMap::new();
    for message in &sent {
        *counts.entry((&message.to, &message.body)).or_default() += 1;
    }
    verdict.twice = counts.iter().filter(|(_, count)| **count > 1).map(|((to, _), _)| (*to).to_owned()).collect();
    let answered: HashSet<&str> = sent.iter().map(|message| message.to.as_str()).collect();
    let left: Vec<(String, bool)> = sqlx::query_as(
        "SELECT customer_phone, bool_or(ownership = 'user' OR opted_out) FROM conversations
         WHERE business_id = 'joes-plumbing' GROUP BY customer_phone",
    )
    .fetch_all(&mut *sql)
    .await?;
    verdict.silent = left
        .into_iter()
        .filter(|(customer, is_left)| !is_left && !answered.contains(customer.as_str()))
        .map(|(customer, _)| customer)
        .collect();
    verdict.not_handed_over = sqlx::query_scalar(
        "SELECT DISTINCT c.id::text FROM conversations c
         WHERE c.ownership <> 'user'
           AND (EXISTS (SELECT FROM messages m WHERE m.conversation_id = c.id AND m.is_recovered)
                OR EXISTS (SELECT FROM audit a WHERE a.conversation_id = c.id AND a.action LIKE 'recovered%'))",
    )
    .fetch_all(&mut *sql)
    .await?;
    verdict.recovered =
        sqlx::query_scalar("SELECT count(*) FROM audit WHERE action LIKE 'recovered%'").fetch_one(&mut *sql).await?;
    verdict.opted_out = sqlx::query_scalar("SELECT count(*) FROM opt_outs").fetch_one(&mut *sql).await?;
    let stops: Vec<String> = texts.into_iter().filter(|text| text.body == "STOP").map(|text| text.from).collect();
    verdict.not_opted_out = sqlx::query_scalar(
        "SELECT phone FROM unnest($1::text[]) AS phone
         WHERE NOT EXISTS (SELECT FROM opt_outs o WHERE o.customer_phone = phone)",
    )
    .bind(&stops)
    .fetch_all(sql)
    .await?;
    Ok(verdict)
}
