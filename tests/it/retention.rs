//! Retention: old data is deleted with everything that belongs to it, and nothing else.

use chrono::DateTime;
use nevermisscall::internals::JetStream;
use nmc_testbed::servers::{Signal, connect_redis};
use nmc_testbed::twilio::{TwilioOptions, new_call_sid};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use crate::harness::{CUSTOMER, Child, OUR_NUMBER, Servers, customer, eventually, run, spawn_app};

/// Tables, and the column that refers to the conversation.
const BELONGS: [(&str, &str); 8] = [
    ("conversations", "id"),
    ("messages", "subject_conversation_id"),
    ("windows", "conversation_id"),
    ("window_steps", "conversation_id"),
    ("analyses", "conversation_id"),
    ("emergency_verdicts", "conversation_id"),
    ("calls", "conversation_id"),
    ("audit", "conversation_id"),
];

async fn rows_of(sql: &mut PgConnection, id: Uuid) -> Vec<(&'static str, i64)> {
    let mut rows = Vec::new();
    for (table, column) in BELONGS {
        let count = AssertSqlSafe(format!("SELECT count(*) FROM {table} WHERE {column} = $1"));
        rows.push((table, sqlx::query_scalar(count).bind(id).fetch_one(&mut *sql).await.unwrap()));
    }
    rows
}

fn id(conversation: &Value) -> Uuid {
    conversation["id"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_conversation_that_was_kept_long_enough_goes_with_all_that_belongs_to_it() {
    let mut app = spawn_app().await;
    let (old, young) = (CUSTOMER.to_owned(), customer(1));
    for from in [&old, &young] {
        app.miss_call(from).await;
        app.wait_for_event_of(from, 1, "message.delivered").await;
        app.text(from, "The basement is flooding!").await;
        app.wait_for_event_of(from, 2, "message.delivered").await;
    }
    let answered = new_call_sid();
    app.webhook().incoming_call(&answered, &customer(2), OUR_NUMBER, "ringing").await.unwrap();
    app.webhook().call_status(&answered, "completed", Some(&customer(2)), Some(OUR_NUMBER), 9).await.unwrap();
    app.wait_for_event("call.answered").await;
    app.settled().await;
    let (old, young) = (id(&app.conversation_of(&old).await), id(&app.conversation_of(&young).await));
    let settings = app.servers.settings(&[("NMC_KEEP".to_owned(), "100d".to_owned())]);
    app.stop().await;
    let mut sql = app.servers.sql().await;
    assert!(rows_of(&mut sql, old).await.iter().all(|(_, count)| *count > 0), "{:?}", rows_of(&mut sql, old).await);
    // This connection disables triggers; otherwise an entry of the record could not be made older.
    let age = format!(
        "SET session_replication_role = replica;
         UPDATE conversations SET last_activity = now() - interval '101 days', next_timer_at = NULL WHERE id = '{old}';
         UPDATE audit SET at = now() - interval '102 days' WHERE conversation_id = '{old}';
         UPDATE conversations SET last_activity = now() - interval '99 days' WHERE id = '{young}';
         UPDATE calls SET created_at = now() - interval '101 days' WHERE conversation_id IS NULL;
         SET session_replication_role = origin"
    );
    sqlx::raw_sql(AssertSqlSafe(age)).execute(&mut sql).await.unwrap();
    let before = rows_of(&mut sql, young).await;
    let mut worker = Child::start(&app.servers, "worker", &["worker"], &settings);
    eventually("the old conversation to go", async || {
        let mut sql = app.servers.sql().await;
        rows_of(&mut sql, old).await.iter().all(|(_, count)| *count == 0).then_some(())
    })
    .await;
    eventually("the old call to go", async || {
        let mut sql = app.servers.sql().await;
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM calls WHERE conversation_id IS NULL")
            .fetch_one(&mut sql)
            .await
            .unwrap();
        (left == 0).then_some(())
    })
    .await;
    worker.signal(Signal::Term);
    worker.end().await;
    assert_eq!(rows_of(&mut sql, young).await, before);
    sql.close().await.unwrap();
}

#[tokio::test]
async fn the_record_lets_go_of_nothing_that_is_young_or_belongs_to_a_conversation() {
    let app = spawn_app().await;
    app.text(CUSTOMER, "My sink is blocked").await;
    app.wait_for_event("message.delivered").await;
    app.settled().await;
    let id = id(&app.conversation_of(CUSTOMER).await);
    let mut sql = app.servers.sql().await;
    sqlx::query("SET ROLE nevermisscall_service").execute(&mut sql).await.unwrap();
    let prune = "SELECT prune_audit(ARRAY[$1], interval '0')";
    let pruned: i64 = sqlx::query_scalar(prune).bind(id).fetch_one(&mut sql).await.unwrap();
    assert_eq!(pruned, 0, "its conversation is there");
    let hidden = sqlx::query("SELECT secret FROM erasure_secret").execute(&mut sql).await.unwrap_err();
    assert!(hidden.to_string().contains("permission denied"), "{hidden}");
    sqlx::raw_sql("RESET ROLE; SET session_replication_role = replica").execute(&mut sql).await.unwrap();
    sqlx::query("DELETE FROM conversations").execute(&mut sql).await.unwrap();
    sqlx::raw_sql("SET session_replication_role = origin").execute(&mut sql).await.unwrap();
    let pruned: i64 = sqlx::query_scalar(prune).bind(id).fetch_one(&mut sql).await.unwrap();
    assert_eq!(pruned, 0, "its entries are young");
    let error = sqlx::query("DELETE FROM audit").execute(&mut sql).await.unwrap_err();
    assert!(error.to_string().contains("append-only"), "{error}");
    sql.close().await.unwrap();
}

#[tokio::test]
async fn the_log_in_redis_keeps_events_for_thirty_days() {
    let servers = Servers::start(TwilioOptions::default()).await;
    let mut redis = connect_redis(&redis::Client::open(servers.redis.url()).unwrap()).await.unwrap();
    let days_ago = |days: i64| (chrono::Utc::now() - chrono::TimeDelta::days(days)).timestamp_millis();
    for days in [40, 31, 29] {
        let added: redis::RedisResult<String> = redis::cmd("XADD")
            .arg("conversation.events:log")
            .arg(format!("{}-0", days_ago(days)))
            .arg(&["event_id", "e", "event", "{}"])
            .query_async(&mut redis)
            .await;
        added.unwrap();
    }
    let mut worker = Child::start(&servers, "worker", &["worker"], &servers.settings(&[]));
    eventually("the log to be trimmed", async || {
        let length: i64 =
            redis::cmd("XLEN").arg("conversation.events:log").query_async(&mut redis.clone()).await.ok()?;
        (length == 1).then_some(())
    })
    .await;
    worker.signal(Signal::Term);
    worker.end().await;
}

/// Timers that reappear when nats-server is killed stay in NMC_WINDOWS, which has no `max_age`.
#[tokio::test]
async fn timers_are_removed_when_they_are_old_and_no_others() {
    let servers = Servers::start(TwilioOptions::default()).await;
    let applied = run(&["streams", "apply"], &servers.settings(&[])).await;
    assert!(applied.status.success());
    let jetstream = JetStream::connect(&servers.nats.url()).await.unwrap();
    let context = async_nats::jetstream::new(async_nats::connect(servers.nats.url()).await.unwrap());
    let store = async |key: &str| {
        let stored = context.publish(format!("nmc.window.due.{key}"), "{}".into()).await.unwrap().await.unwrap();
        let stream = context.get_stream("NMC_WINDOWS").await.unwrap();
        let message = stream.get_raw_message(stored.sequence).await.unwrap();
        DateTime::from_timestamp_nanos(i64::try_from(message.time.unix_timestamp_nanos()).unwrap())
    };
    for key in ["a", "b", "c"] {
        store(key).await;
    }
    let young = store("d").await;
    assert_eq!(jetstream.remove_old_timers(young, 2).await.unwrap(), 2, "no more than are asked for");
    assert_eq!(jetstream.remove_old_timers(young, 1_000).await.unwrap(), 1);
    assert_eq!(jetstream.remove_old_timers(young, 1_000).await.unwrap(), 0);
    let left = context.get_stream("NMC_WINDOWS").await.unwrap().get_info().await.unwrap().state;
    assert_eq!((left.messages, left.first_sequence), (1, 4));
}

#[tokio::test]
async fn a_retention_shorter_than_that_of_dead_letters_is_refused() {
    let output = run(&["serve"], &[("NMC_KEEP".to_owned(), "99d".to_owned())]).await;
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.lines().any(|line| line.contains("NMC_KEEP: must be from 100d")), "{told}");
}
