//! `openapi/asyncapi.yaml`: that it allows what the service sends, and that a test fails by what it does not allow.
//!
//! The harness holds the events of every test to it (`harness/contract.rs`).

use std::collections::BTreeMap;

use async_nats::{HeaderMap, jetstream};
use nmc_testbed::servers::connect_redis;
use serde_json::Value;

use crate::harness::{App, CUSTOMER, Stored, contract, spawn_app};

/// A service that has published an event, and the event.
async fn told() -> (App, Stored) {
    let app = spawn_app().await;
    app.text(CUSTOMER, "My sink is blocked").await;
    app.wait_for_event("message.received").await;
    let stored = app.stored("NMC_EVENTS").await;
    let received = stored.into_iter().find(|event| event.subject.contains("message.received"));
    (app, received.expect("just waited for"))
}

/// The event with a field that the document does not name.
fn with_an_unknown_field(event: &Stored) -> Value {
    let mut changed = event.json();
    changed["data"]["colour"] = "red".into();
    changed
}

async fn publish(app: &App, event: &Stored, payload: &Value) {
    let context = jetstream::new(async_nats::connect(app.servers.nats.url()).await.unwrap());
    let mut headers = HeaderMap::new();
    for (name, value) in event.headers.iter().filter(|(name, _)| *name != "Nats-Msg-Id") {
        headers.insert(name.as_str(), value.as_str());
    }
    headers.insert("Nats-Msg-Id", "planted");
    let published = context.publish_with_headers(event.subject.clone(), headers, payload.to_string().into()).await;
    published.unwrap().await.unwrap();
    app.servers.published.arrived().await;
}

#[tokio::test]
#[should_panic(expected = "1 events that openapi/asyncapi.yaml does not allow")]
async fn an_event_in_jetstream_that_the_document_does_not_allow_fails_the_test() {
    let (mut app, event) = told().await;
    // Only JetStream is to judge it.
    app.events.are_the_tests_own();
    publish(&app, &event, &with_an_unknown_field(&event)).await;
}

#[tokio::test]
#[should_panic(expected = "1 events that openapi/asyncapi.yaml does not allow")]
async fn an_event_in_redis_that_the_document_does_not_allow_fails_the_test() {
    let (app, event) = told().await;
    let planted = with_an_unknown_field(&event);
    let client = redis::Client::open(app.servers.redis.url()).unwrap();
    let mut redis = connect_redis(&client).await.unwrap();
    let mut publish = redis::cmd("PUBLISH");
    publish.arg("conversation.events").arg(planted.to_string());
    let heard: i64 = publish.query_async(&mut redis).await.unwrap();
    assert_eq!(heard, 1);
    app.events.wait_for("the planted event", |seen| seen.contains(&planted)).await;
}

#[tokio::test]
async fn an_event_that_is_delivered_again_is_allowed() {
    let (app, event) = told().await;
    publish(&app, &event, &event.json()).await;
}

#[tokio::test]
async fn the_documents_examples_are_allowed_by_its_schemas() {
    assert!(contract::committed().check_examples().unwrap() >= 40);
}

/// The types of events in the document, from the messages of JetStream.
fn event_types() -> Vec<String> {
    let messages = contract::committed().document()["channels"]["jetstream"]["messages"].clone();
    let messages: BTreeMap<String, Value> = serde_json::from_value(messages).unwrap();
    messages.values().filter_map(|message| message["name"].as_str().map(str::to_owned)).collect()
}

#[test]
fn the_pages_about_events_name_every_type_that_the_document_has() {
    let types = event_types();
    assert!(types.len() >= 21, "{types:?}");
    let pages = [
        ("docs/contract.md", include_str!("../../docs/contract.md")),
        ("docs/api.md", include_str!("../../docs/api.md")),
        ("docs/api-changelog.md", include_str!("../../docs/api-changelog.md")),
    ];
    for (page, text) in pages {
        for event_type in &types {
            assert!(text.contains(&format!("`{event_type}`")), "{page} says nothing of {event_type}");
        }
    }
}
