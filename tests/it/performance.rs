//! The document's absolute bounds, measured while nothing else runs: `make performance`.

use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::join_all;
use nmc_testbed::twilio::new_call_sid;
use serde_json::Value;
use sqlx::{Connection, Row};

use crate::harness::{API_KEY, App, BUSINESS, OUR_NUMBER, customer, query, spawn_app};

async fn call(app: &App, number: u32) -> Duration {
    let begun = Instant::now();
    let answer = app.webhook().incoming_call(&new_call_sid(), &customer(number), OUR_NUMBER, "ringing").await.unwrap();
    assert_eq!(answer.status, 200);
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: make performance"]
async fn performance_should_handle_concurrent_webhook_processing() {
    let app = spawn_app().await;
    let begun = Instant::now();
    join_all((0..100).map(|number| call(&app, number))).await;
    let took = begun.elapsed();
    println!("100 concurrent webhooks: {took:?} (bound: 5 s)");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: make performance"]
async fn performance_webhook_p95_is_below_500_ms() {
    let app = spawn_app().await;
    let calls = (0..500).map(|number| call(&app, number));
    let mut times: Vec<_> = futures::stream::iter(calls).buffer_unordered(20).collect().await;
    times.sort_unstable();
    let p95 = times[times.len() * 95 / 100];
    println!("500 webhooks, 20 at once: p50 {:?}, p95 {p95:?} (bound: 500 ms)", times[times.len() / 2]);
    assert!(p95 < Duration::from_millis(500), "{p95:?}");
    let metrics = app.rest.get("/metrics").await.ok();
    let told = metrics["webhook_processing"]["p95_processing_time_ms"].as_f64().expect("a number");
    assert!(told < 500.0, "{told}");
}

/// `createMultipleConversations(1000)`, directly in the table: a thousand copies of a conversation that the service
/// made.
async fn thousand_conversations(app: &App) {
    app.text(&customer(9999), "Hello").await;
    app.wait_for_event("message.received").await;
    let mut sql = app.servers.sql().await;
    let columns: String = sqlx::query_scalar(
        "SELECT string_agg(column_name, ', ') FROM information_schema.columns
         WHERE table_name = 'conversations' AND column_name NOT IN ('id', 'customer_phone', 'last_activity')",
    )
    .fetch_one(&mut sql)
    .await
    .unwrap();
    let copies = format!(
        "INSERT INTO conversations (id, customer_phone, last_activity, {columns})
         SELECT gen_random_uuid(), '+1313' || (1000000 + n), last_activity - n * interval '1 second', {columns}
         FROM conversations, generate_series(1, 1000) n"
    );
    // The copies have no window, so no timer is needed.
    let copies = format!("{copies}; UPDATE conversations SET next_timer_at = NULL WHERE customer_phone LIKE '+1313%'");
    sqlx::raw_sql(sqlx::AssertSqlSafe(copies)).execute(&mut sql).await.unwrap();
    sqlx::raw_sql("ANALYZE conversations").execute(&mut sql).await.unwrap();
    sql.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: make performance"]
async fn performance_should_maintain_database_performance_under_load() {
    let app = spawn_app().await;
    thousand_conversations(&app).await;
    let mut sql = app.servers.sql().await;
    let begun = Instant::now();
    let rows = sqlx::query(
        "SELECT * FROM conversations
         WHERE status IN ('active', 'ai_handling', 'user_handling')
         ORDER BY last_activity DESC",
    )
    .fetch_all(&mut sql)
    .await
    .unwrap();
    let took = begun.elapsed();
    println!("the document's query over {} conversations: {took:?} (bound: 100 ms)", rows.len());
    assert!(rows.len() > 1000 && rows[0].try_get::<uuid::Uuid, _>("id").is_ok());
    assert!(took < Duration::from_millis(100), "{took:?}");
}

/// Reads the whole list, 200 at a time. Returns the number of conversations and the time that the service took, without
/// our parsing.
async fn whole_list(app: &App, http: &reqwest::Client) -> (usize, Duration) {
    let (mut seen, mut took, mut cursor) = (0, Duration::ZERO, None::<String>);
    loop {
        let mut pairs = vec![("business_id", BUSINESS), ("limit", "200")];
        pairs.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let url = format!("{}{}", app.rest.base(), query("/conversations", &pairs));
        let begun = Instant::now();
        let text = http.get(url).bearer_auth(API_KEY).send().await.unwrap().text().await.unwrap();
        took += begun.elapsed();
        let page: Value = serde_json::from_str(&text).expect("JSON");
        seen += page["conversations"].as_array().map_or(0, Vec::len);
        match page["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return (seen, took),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: make performance"]
async fn performance_the_list_of_1000_conversations_takes_less_than_100_ms() {
    let app = spawn_app().await;
    thousand_conversations(&app).await;
    let http = nmc_testbed::sim::http_client(Duration::from_secs(10)).unwrap();
    let mut times = Vec::new();
    for _ in 0..9 {
        let (seen, took) = whole_list(&app, &http).await;
        assert!(seen > 1000);
        times.push(took);
    }
    times.sort_unstable();
    let median = times[times.len() / 2];
    println!("the whole list, 200 at a time, in six requests: median {median:?} of {times:?} (bound: 100 ms)");
    assert!(median < Duration::from_millis(100), "{times:?}");
}
