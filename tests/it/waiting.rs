//! Who waits: `waiting_since`, `answer_due_at` and `owned_by` of a conversation, and the list of those that wait longest.

use chrono::{DateTime, TimeDelta, Utc};
use nmc_testbed::dispatchbot::Fault as BotFault;
use nmc_testbed::sim::Rule;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{App, BUSINESS, CUSTOMER, customer, eventually, query, spawn_app, spawn_app_with};

const HELD: [(&str, &str); 2] = [("NMC_WINDOW_HOLD", "300s"), ("NMC_WINDOW_MAX", "600s")];

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap().parse().unwrap()
}

async fn command(app: &App, id: &str, name: &str, body: Value) -> Value {
    app.rest.send(Method::POST, &format!("/conversations/{id}/{name}"), Some(&body)).await.ok()
}

async fn waiting(app: &App, filter: &[(&str, &str)]) -> Vec<Value> {
    let (mut found, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut pairs = vec![("sort", "waiting"), ("limit", "2")];
        pairs.extend_from_slice(filter);
        pairs.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = app.rest.get(&query("/conversations", &pairs)).await.ok();
        found.extend(page["conversations"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return found,
        }
    }
}

#[tokio::test]
async fn a_conversation_says_who_owns_it_and_when_the_customer_gets_an_answer() {
    let app = spawn_app_with(&HELD).await;
    app.text(CUSTOMER, "My sink is blocked").await;
    let texted = app.conversation_of(CUSTOMER).await;
    let id = texted["id"].as_str().unwrap();
    let since = time(&texted["waiting_since"]);
    assert_eq!(texted["owned_by"], Value::Null);
    assert_eq!(time(&texted["answer_due_at"]), since + TimeDelta::seconds(300));
    let messages = app.messages(id).await;
    assert_eq!(time(&messages[0]["created_at"]), since);
    let taken = command(&app, id, "takeover", json!({ "user_id": "u7", "reason": "r" })).await["conversation"].clone();
    assert_eq!((&taken["owned_by"], &taken["answer_due_at"]), (&json!("u7"), &Value::Null));
    assert_eq!(time(&taken["waiting_since"]), since);
    command(&app, id, "messages", json!({ "user_id": "u7", "body": "On my way." })).await;
    assert_eq!(app.conversation(id).await["waiting_since"], Value::Null);
    app.text(CUSTOMER, "Thanks. When?").await;
    app.wait_for_event_of(CUSTOMER, 2, "message.received").await;
    let released = command(&app, id, "release", json!({ "user_id": "u7" })).await;
    assert_eq!(released["owned_by"], Value::Null);
    assert!(time(&released["waiting_since"]) > since && released["answer_due_at"].is_string(), "{released}");
}

#[tokio::test]
async fn the_answer_of_the_ai_ends_the_wait_and_a_fallback_text_does_not() {
    let app = spawn_app().await;
    app.text(CUSTOMER, "My sink is blocked").await;
    app.wait_for_event("message.delivered").await;
    let answered = app.conversation_of(CUSTOMER).await;
    assert_eq!((&answered["waiting_since"], &answered["answer_due_at"]), (&Value::Null, &Value::Null));
    app.servers.dispatchbot.add_rule(Rule::always(BotFault::Respond(500)));
    let other = customer(4_321);
    app.text(&other, "My sink is blocked").await;
    app.wait_for_event_of(&other, 1, "message.delivered").await;
    let put_off = app.conversation_of(&other).await;
    assert!(put_off["waiting_since"].is_string(), "{put_off}");
    assert_eq!(waiting(&app, &[]).await, [put_off]);
}

#[tokio::test]
async fn those_who_wait_longest_come_first() {
    let app = spawn_app_with(&HELD).await;
    let customers: Vec<String> = (0..5).map(|n| customer(5_000 + n)).collect();
    for customer in &customers {
        app.text(customer, "My sink is blocked").await;
        app.conversation_of(customer).await;
    }
    let phones = |list: &[Value]| -> Vec<String> {
        list.iter().map(|c| c["customer_phone"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(phones(&waiting(&app, &[]).await), customers);
    // A second text does not move its customer back; an answer takes one out.
    app.text(&customers[0], "Hello?").await;
    app.wait_for_event_of(&customers[0], 2, "message.received").await;
    let answered = app.conversation_of(&customers[1]).await["id"].as_str().unwrap().to_owned();
    command(&app, &answered, "messages", json!({ "user_id": "u7", "body": "On my way." })).await;
    let taken = app.conversation_of(&customers[3]).await["id"].as_str().unwrap().to_owned();
    command(&app, &taken, "takeover", json!({ "user_id": "u7", "reason": "r" })).await;
    let left = [&customers[0], &customers[2], &customers[3], &customers[4]].map(String::clone);
    assert_eq!(phones(&waiting(&app, &[]).await), left);
    assert_eq!(phones(&waiting(&app, &[("business_id", BUSINESS)]).await), left);
    assert_eq!(phones(&waiting(&app, &[("ownership", "user")]).await), [customers[3].clone()]);
    assert_eq!(phones(&waiting(&app, &[("customer_phone", &customers[4])]).await), [customers[4].clone()]);
    assert_eq!(phones(&waiting(&app, &[("business_id", "nobody")]).await), [] as [String; 0]);
    let (_, of_others) = app.key(Some(&["nobody"]), false).await;
    assert_eq!(of_others.get("/conversations?sort=waiting").await.ok()["conversations"], json!([]));
}

#[tokio::test]
async fn an_order_or_a_cursor_that_does_not_fit_is_refused() {
    let app = spawn_app_with(&HELD).await;
    for n in 0..2 {
        app.text(&customer(6_000 + n), "My sink is blocked").await;
        app.conversation_of(&customer(6_000 + n)).await;
    }
    let unknown = app.rest.get("/conversations?sort=urgency").await;
    assert_eq!((unknown.status, &unknown.body["error"]["details"][0]["field"]), (400, &json!("sort")));
    let page = eventually("a page", async || {
        let page = app.rest.get("/conversations?limit=1").await.ok();
        page["next_cursor"].is_string().then_some(page)
    });
    let cursor = page.await["next_cursor"].as_str().unwrap().to_owned();
    let refused = app.rest.get(&query("/conversations", &[("sort", "waiting"), ("cursor", &cursor)])).await;
    assert_eq!((refused.status, &refused.body["error"]["details"][0]["field"]), (400, &json!("cursor")));
}
