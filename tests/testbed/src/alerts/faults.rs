//! The faults: how each is planted and repaired, and the alerts that it must cause.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use async_nats::jetstream;
use reqwest::Method;
use serde_json::json;
use sqlx::{Connection, PgConnection};
use tokio::task::JoinSet;

use super::OUR_NUMBER;
use super::drill::Drill;
use super::load::new_customer;
use super::report::Row;
use crate::dispatchbot;
use crate::servers::Signal;
use crate::sim::{Rule, lock};
use crate::twilio;

/// A number that no business has at first: texts to it become dead letters.
const NOBODYS: &str = "+15555559999";
/// Texts during the outage of Redis: each causes several events, and consumer_lag fires above 500.
const TEXTS_WITHOUT_REDIS: usize = 100;
/// A stream that fills the storage.
const FILLER: &str = "FILLER";
/// The size of its messages, below nats.conf's `max_payload`.
const FILLER_BYTES: usize = 500_000;
/// Above the threshold of jetstream_storage, when it is critical.
const FULL: f64 = 0.96;
/// Messages of the filler that are removed then: 8 % of the storage, so that only the warning remains.
const REMOVED: u64 = 11;

/// The alerts whose end is awaited while other faults are planted.
#[derive(Default)]
struct Ends {
    awaited: Mutex<JoinSet<Row>>,
    ended: Mutex<Vec<Row>>,
}

impl Ends {
    /// Lets a fault fire its alerts, and awaits their end from its repair on.
    async fn after(
        &self,
        drill: &Arc<Drill>,
        fault: impl Future<Output = anyhow::Result<(Vec<Row>, Instant)>>,
    ) -> anyhow::Result<()> {
        let (rows, repaired) = fault.await?;
        for row in rows {
            let drill = Arc::clone(drill);
            lock(&self.awaited).spawn(async move { drill.await_end(row, repaired).await });
        }
        Ok(())
    }

    /// Waits for them all.
    async fn all(&self) {
        let awaited = std::mem::take(&mut *lock(&self.awaited));
        let ended = awaited.join_all().await;
        lock(&self.ended).extend(ended);
    }
}

/// Plants all faults: those that do not disturb each other at the same time.
pub(super) async fn all(drill: &Arc<Drill>) -> anyhow::Result<Vec<Row>> {
    let ends = Ends::default();
    let answers = async {
        // In this order: without DispatchBot these customers would get the fallback text, which counts.
        ends.after(drill, customers_unanswered(drill)).await?;
        ends.after(drill, dispatchbot_fails(drill)).await
    };
    tokio::try_join!(
        answers,
        ends.after(drill, dead_letters(drill)),
        ends.after(drill, emergency_unacknowledged(drill)),
        storage_full(drill, &ends),
        worker_with_a_bug(drill, &ends),
        async {
            // Its end is awaited here: an alert that ends while another holds it back ends without a notification.
            let without_redis = Ends::default();
            without_redis.after(drill, redis_away(drill)).await?;
            without_redis.all().await;
            lock(&ends.ended).append(&mut lock(&without_redis.ended));
            Ok(())
        },
    )?;
    ends.after(drill, jetstream_frozen(drill)).await?;
    ends.after(drill, both_stores_away(drill)).await?;
    ends.all().await;
    ends.after(drill, workers_killed(drill)).await?;
    ends.all().await;
    let mut rows = ends.ended.into_inner().unwrap_or_else(PoisonError::into_inner);
    rows.sort_by_key(|row| (row.fault, row.alert));
    Ok(rows)
}

async fn dispatchbot_fails(drill: &Drill) -> anyhow::Result<(Vec<Row>, Instant)> {
    let (fault, bot) = ("DispatchBot answers 500", &drill.stage.dispatchbot);
    drill.say(fault);
    bot.add_rule(Rule::always(dispatchbot::Fault::Respond(500)));
    let rows = drill.await_alerts(fault, &["ai_service_degradation warning"], Instant::now()).await?;
    bot.set_faults(dispatchbot::Faults::default());
    Ok((rows, Instant::now()))
}

async fn dead_letters(drill: &Drill) -> anyhow::Result<(Vec<Row>, Instant)> {
    let (fault, stage) = ("texts to a number of no business", &drill.stage);
    drill.say(fault);
    for _ in 0..8 {
        stage.twilio.text(&new_customer(), NOBODYS, "Is anybody there?").await?;
    }
    let rows = drill.await_alerts(fault, &["dead_letters_growing warning"], Instant::now()).await?;
    // What the runbook says: give the number to a business, and replay.
    stage.put_business("anns-pipes", NOBODYS).await?;
    stage.ask(Method::POST, "/dead-letters/replay", Some(json!({ "all": true }))).await?;
    Ok((rows, Instant::now()))
}

/// Three customers whose answers Twilio refuses. Their texts are made older in the database, because nothing else in the
/// drill takes five minutes.
async fn customers_unanswered(drill: &Drill) -> anyhow::Result<(Vec<Row>, Instant)> {
    let (fault, stage) = ("Twilio refuses the answers to 3 customers", &drill.stage);
    drill.say(fault);
    let customers: Vec<String> = (0..3).map(|_| new_customer()).collect();
    for customer in &customers {
        stage.twilio.add_rule(Rule::always(twilio::Fault::Respond(twilio::Refusal::status(503))).to(customer));
        stage.twilio.text(customer, OUR_NUMBER, "My boiler is cold").await?;
    }
    let planted = Instant::now();
    let sql = &mut PgConnection::connect(&stage.database_url).await?;
    for customer in &customers {
        let claimed = "SELECT count(*) FROM windows w JOIN conversations c ON c.id = w.conversation_id
                       WHERE c.customer_phone = $1 AND w.state = 'claimed'";
        until_there(sql, customer, claimed).await?;
    }
    let older = "UPDATE windows SET opened_at = opened_at - interval '6 minutes'
                 WHERE conversation_id IN (SELECT id FROM conversations WHERE customer_phone = ANY($1))";
    sqlx::query(older).bind(&customers).execute(sql).await?;
    let alerts = ["customer_unanswered critical", "customer_unanswered warning"];
    let rows = drill.await_alerts(fault, &alerts, planted).await?;
    stage.twilio.set_faults(twilio::Faults::default());
    Ok((rows, Instant::now()))
}

async fn emergency_unacknowledged(drill: &Drill) -> anyhow::Result<(Vec<Row>, Instant)> {
    let (fault, stage) = ("an emergency that nobody takes over", &drill.stage);
    drill.say(fault);
    let customer = new_customer();
    stage.twilio.text(&customer, OUR_NUMBER, "The basement is flooding!").await?;
    let planted = Instant::now();
    let sql = &mut PgConnection::connect(&stage.database_url).await?;
    let detected = "SELECT count(*) FROM conversations WHERE customer_phone = $1 AND emergency_detected";
    until_there(sql, &customer, detected).await?;
    // The version rises, so that no worker writes the state that it has in its cache.
    let older = "UPDATE conversations SET version = version + 1,
                   rules_state = jsonb_set(rules_state, '{memory,emergency_at}',
                     to_jsonb((rules_state->'memory'->>'emergency_at')::timestamptz - interval '6 minutes'))
                 WHERE customer_phone = $1";
    sqlx::query(older).bind(&customer).execute(&mut *sql).await?;
    let rows = drill.await_alerts(fault, &["emergency_unacknowledged critical"], planted).await?;
    let id: uuid::Uuid = sqlx::query_scalar("SELECT id FROM conversations WHERE customer_phone = $1")
        .bind(&customer)
        .fetch_one(sql)
        .await?;
    let takeover = json!({ "user_id": "user-joe", "reason": "the drill" });
    stage.ask(Method::POST, &format!("/conversations/{id}/takeover"), Some(takeover)).await?;
    Ok((rows, Instant::now()))
}

/// Events pile up in their consumer.
async fn redis_away(drill: &Drill) -> anyhow::Result<(Vec<Row>, Instant)> {
    let (fault, stage) = ("Redis away, events pile up", &drill.stage);
    drill.say(fault);
    stage.redis.lock().await.stop().await?;
    let planted = Instant::now();
    for _ in 0..TEXTS_WITHOUT_REDIS {
        stage.twilio.text(&new_customer(), OUR_NUMBER, "My tap drips").await?;
    }
    let alerts = ["dependency_down warning service=redis", "consumer_lag warning consumer=redis"];
    let rows = drill.await_alerts(fault, &alerts, planted).await?;
    stage.redis.lock().await.restart().await?;
    Ok((rows, Instant::now()))
}

/// First more than 95 %, then less but still more than 80 %: the critical alert ends, and the warning no longer waits.
async fn storage_full(drill: &Arc<Drill>, ends: &Ends) -> anyhow::Result<()> {
    let (fault, stage) = ("JetStream's storage is filled", &drill.stage);
    drill.say(fault);
    let jetstream = jetstream::new(async_nats::connect(&stage.nats_url).await?);
    let filler = jetstream::stream::Config {
        name: FILLER.to_owned(),
        subjects: vec!["filler".to_owned()],
        ..jetstream::stream::Config::default()
    };
    let filler = jetstream.create_stream(filler).await?;
    let planted = Instant::now();
    let mut filled = 0;
    while stage.storage_ratio().await? < FULL {
        jetstream.publish("filler", vec![0; FILLER_BYTES].into()).await?.await?;
        filled += 1;
    }
    let less = Ends::default();
    let critical = async {
        let rows = drill.await_alerts(fault, &["jetstream_storage critical"], Instant::now()).await?;
        filler.purge().keep(filled - REMOVED).await?;
        Ok((rows, Instant::now()))
    };
    less.after(drill, critical).await?;
    // While it fires, it holds the warning back.
    less.all().await;
    lock(&ends.ended).append(&mut lock(&less.ended));
    let warning = drill.await_alerts(fault, &["jetstream_storage warning"], planted).await?;
    jetstream.delete_stream(FILLER).await?;
    ends.after(drill, async { Ok((warning, Instant::now())) }).await
}

/// Every webhook waits a second for JetStream before it is kept in PostgreSQL.
async fn jetstream_frozen(drill: &Drill) -> anyhow::Result<(Vec<Row>, Instant)> {
    let (fault, stage) = ("JetStream is frozen, webhooks are slow", &drill.stage);
    drill.say(fault);
    stage.nats.lock().await.signal(Signal::Stop)?;
    let alerts = ["slow_response_time warning", "dependency_down critical service=nats"];
    let rows = drill.await_alerts(fault, &alerts, Instant::now()).await?;
    stage.nats.lock().await.signal(Signal::Cont)?;
    Ok((rows, Instant::now()))
}

/// Without PostgreSQL webhooks are still accepted; without JetStream too, they are answered 503.
async fn both_stores_away(drill: &Drill) -> anyhow::Result<(Vec<Row>, Instant)> {
    let (fault, stage) = ("PostgreSQL away", &drill.stage);
    drill.say(fault);
    let (mut nats, mut postgres) = (stage.nats.lock().await, stage.postgres.lock().await);
    postgres.kill().await?;
    let mut rows = drill.await_alerts(fault, &["database_connection_issues critical"], Instant::now()).await?;
    let fault = "JetStream away too, webhooks are answered 503";
    drill.say(fault);
    nats.kill().await?;
    let alerts = ["high_error_rate critical", "error_budget_burn critical burn_rate=14.4"];
    rows.extend(drill.await_alerts(fault, &alerts, Instant::now()).await?);
    tokio::try_join!(nats.restart(), postgres.restart())?;
    Ok((rows, Instant::now()))
}

/// A second worker, whose task panics while it sends a text, and which is then killed: the first does its work.
async fn worker_with_a_bug(drill: &Arc<Drill>, ends: &Ends) -> anyhow::Result<()> {
    let (fault, stage) = ("a task of one worker panics", &drill.stage);
    drill.say(fault);
    let mut worker = stage.second_worker(Some("after_claim:5:panic"))?;
    let rows = drill.await_alerts(fault, &["panics warning"], Instant::now()).await?;
    let fault = "one of two workers is killed";
    drill.say(fault);
    worker.kill().await?;
    let killed = Instant::now();
    ends.after(drill, async { Ok((rows, killed)) }).await?;
    let rows = drill.await_alerts(fault, &["service_down warning role=worker"], killed).await?;
    stage.workers.lock().await.push(stage.second_worker(None)?);
    ends.after(drill, async { Ok((rows, Instant::now())) }).await
}

async fn workers_killed(drill: &Drill) -> anyhow::Result<(Vec<Row>, Instant)> {
    let fault = "both workers are killed";
    drill.say(fault);
    let mut workers = drill.stage.workers.lock().await;
    for worker in workers.iter_mut() {
        worker.kill().await?;
    }
    let rows = drill.await_alerts(fault, &["service_down critical role=worker"], Instant::now()).await?;
    for worker in workers.iter_mut() {
        worker.restart()?;
    }
    Ok((rows, Instant::now()))
}

/// Waits until the query counts something for this customer.
async fn until_there(sql: &mut PgConnection, customer: &str, count: &'static str) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let found: i64 = sqlx::query_scalar(count).bind(customer).fetch_one(&mut *sql).await.context(count)?;
        if found > 0 {
            return Ok(());
        }
        ensure!(begun.elapsed().as_secs() < 30, "not seen: {count}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
