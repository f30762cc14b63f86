//! What workers read every few seconds.

use async_nats::HeaderMap;
use reqwest::Method;
use serde_json::json;

use super::scrape::{Scrape, wait_for_value};
use crate::harness::{App, CUSTOMER, spawn_app};

#[tokio::test]
async fn what_redis_does_not_take_waits_for_its_consumer() {
    let mut app = spawn_app().await;
    let lag = "nmc_consumer_lag{consumer=\"redis\"}";
    let unacknowledged = "nmc_consumer_unacknowledged{consumer=\"redis\"}";
    wait_for_value(&app.rest, lag, |count| count == 0.0).await;
    let scrape = Scrape::of(&app.rest).await;
    for consumer in ["conversations", "due", "analyze", "analyze_urgent", "send_sms", "send_sms_urgent", "express"] {
        assert_eq!(scrape.value(&format!("nmc_consumer_lag{{consumer=\"{consumer}\"}}")), 0.0);
    }
    app.servers.redis.kill().await.unwrap();
    app.text(CUSTOMER, "My sink is blocked").await;
    app.wait_for_sms(CUSTOMER, 1).await;
    wait_for_value(&app.rest, unacknowledged, |count| count >= 2.0).await;
    app.publishes_its_own_events();
    publish_events(&app, IN_PROGRESS + 500).await;
    wait_for_value(&app.rest, lag, |count| count >= 500.0).await;
    app.servers.redis.restart().await.unwrap();
    wait_for_value(&app.rest, lag, |count| count == 0.0).await;
    wait_for_value(&app.rest, unacknowledged, |count| count == 0.0).await;
}

/// `max_ack_pending` of the consumer: as many events may be delivered and not acknowledged.
const IN_PROGRESS: usize = 2_000;

async fn publish_events(app: &App, count: usize) {
    let context = async_nats::jetstream::new(async_nats::connect(app.servers.nats.url()).await.unwrap());
    for _ in 0..count {
        let id = uuid::Uuid::new_v4().to_string();
        let payload = json!({ "event_id": id, "sequence": 1 }).to_string();
        let mut headers = HeaderMap::new();
        headers.insert("ce-subject", id.as_str());
        // Not awaited: the next message need not wait for its acknowledgement.
        drop(context.publish_with_headers("nmc.event.test._", headers, payload.into()).await.unwrap());
    }
}

#[tokio::test]
async fn effects_that_cannot_be_published_wait_in_the_outbox() {
    let mut app = spawn_app().await;
    app.text(CUSTOMER, "My sink is blocked").await;
    app.wait_for_event("message.delivered").await;
    app.settled().await;
    let id = app.conversation_of(CUSTOMER).await["id"].as_str().unwrap().to_owned();
    wait_for_value(&app.rest, "nmc_outbox_waiting", |count| count == 0.0).await;
    app.servers.nats.kill().await.unwrap();
    let body = json!({ "user_id": "u1", "reason": "r" });
    app.rest.send(Method::POST, &format!("/conversations/{id}/takeover"), Some(&body)).await.ok();
    wait_for_value(&app.rest, "nmc_outbox_waiting", |count| count >= 1.0).await;
    app.servers.nats.restart().await.unwrap();
    wait_for_value(&app.rest, "nmc_outbox_waiting", |count| count == 0.0).await;
}

#[tokio::test]
async fn a_dead_letter_waits_until_it_is_put_back() {
    let app = App::setup().set("NMC_NATS_STORAGE", "1MB").start().await;
    app.text(CUSTOMER, "My sink is blocked").await;
    app.wait_for_event("message.delivered").await;
    app.settled().await;
    wait_for_value(&app.rest, "nmc_dead_letters_waiting", |count| count == 0.0).await;
    wait_for_value(&app.rest, "nmc_jetstream_storage_ratio", |ratio| ratio > 0.0 && ratio < 1.0).await;
    let stored = app.stored("NMC_INBOUND").await;
    let webhook = stored.iter().find(|message| message.subject.starts_with("nmc.inbound.sms")).unwrap();
    let letter = json!({
        "reason": "exhausted", "detail": "no connection", "subject": webhook.subject, "stream_sequence": 1,
        "delivery_count": 1000, "first_seen": "2026-11-23T14:05:06Z", "headers": webhook.headers,
        "payload": { "text": String::from_utf8_lossy(&webhook.payload) },
    });
    let client = async_nats::connect(app.servers.nats.url()).await.unwrap();
    let context = async_nats::jetstream::new(client);
    for _ in 0..2 {
        let published = context.publish_with_headers("nmc.dead.exhausted", HeaderMap::new(), letter.to_string().into());
        published.await.unwrap().await.unwrap();
    }
    wait_for_value(&app.rest, "nmc_dead_letters_waiting", |count| count == 2.0).await;
    app.rest.send(Method::POST, "/dead-letters/1/replay", None).await.ok();
    wait_for_value(&app.rest, "nmc_dead_letters_waiting", |count| count == 1.0).await;
}

#[tokio::test]
async fn the_connections_to_postgresql_and_what_fails_of_them_are_counted() {
    let app = spawn_app().await;
    wait_for_value(&app.rest, "nmc_db_pool_connections{state=\"idle\"}", |count| count >= 1.0).await;
    let scrape = Scrape::of(&app.rest).await;
    assert_eq!(scrape.value("nmc_db_pool_size_max"), 28.0);
    let open = ["idle", "used"].map(|state| scrape.value(&format!("nmc_db_pool_connections{{state=\"{state}\"}}")));
    assert!(open.iter().sum::<f64>() <= 28.0, "{open:?}");
    // The counter is the process's: other tests may have lost their PostgreSQL in it.
    let before = scrape.value("nmc_db_connection_errors_total");
    app.servers.database.take_away().await.unwrap();
    wait_for_value(&app.rest, "nmc_db_connection_errors_total", |count| count >= before + 3.0).await;
}
