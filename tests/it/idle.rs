//! Conversations in which nothing happens.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{App, BUSINESS, CUSTOMER, business, eventually, spawn_app, spawn_app_with};

/// A customer has written, a person has taken over, and then nothing happens any more.
async fn forgotten(app: &App) -> String {
    app.text(CUSTOMER, "My sink is blocked").await;
    app.wait_for_event("conversation.created").await;
    let id = app.conversation_of(CUSTOMER).await["id"].as_str().unwrap().to_owned();
    let command = json!({ "user_id": "joe", "reason": "mine" });
    app.rest.send(Method::POST, &format!("/conversations/{id}/takeover"), Some(&command)).await.ok();
    id
}

async fn ended(app: &App, id: &str) -> Value {
    let event = app.wait_for_event("conversation.completed").await;
    let data = &event["data"];
    assert_eq!((&data["outcome"], &data["by"]), (&json!("idle"), &json!("service")), "{event}");
    assert_eq!(event["conversation_id"], id);
    app.conversation(id).await
}

#[tokio::test]
async fn a_takeover_that_was_forgotten_ends_and_the_next_missed_call_gets_its_text() {
    let app = spawn_app_with(&[("NMC_IDLE_AFTER", "1s"), ("NMC_WINDOW_HOLD", "60s"), ("NMC_WINDOW_MAX", "90s")]).await;
    let id = forgotten(&app).await;
    let ended = ended(&app, &id).await;
    assert_eq!((&ended["status"], &ended["outcome"]), (&json!("completed"), &json!("idle")));
    let needed = app.wait_for_event("conversation.needs_attention").await;
    assert_eq!(needed["data"]["reason"], "idle", "the text was never answered");
    app.miss_call(CUSTOMER).await;
    app.wait_for_sms(CUSTOMER, 1).await;
    let next = app.conversation_of(CUSTOMER).await;
    assert_ne!(next["id"], json!(id));
    assert_eq!((&next["status"], &next["ownership"]), (&json!("active"), &json!("none")));
}

#[tokio::test]
async fn the_next_text_need_not_wait_for_the_sweeper() {
    let app = spawn_app_with(&[("NMC_WINDOW_HOLD", "60s"), ("NMC_WINDOW_MAX", "90s")]).await;
    let id = forgotten(&app).await;
    // What the sweeper looks for is written with the next activity; what a text finds is decided by today's setting.
    let mut hasty = business();
    hasty["policy"] = json!({ "idle_after": "1s" });
    assert_eq!(app.put_business(BUSINESS, &hasty).await["policy"], json!({ "idle_after": "1s" }));
    let mut sql = app.servers.sql().await;
    let is_past = "SELECT last_activity < now() - interval '1 second' FROM conversations WHERE customer_phone = $1";
    eventually("a second to pass", async || {
        sqlx::query_scalar::<_, bool>(is_past).bind(CUSTOMER).fetch_one(&mut sql).await.unwrap().then_some(())
    })
    .await;
    app.text(CUSTOMER, "Are you coming?").await;
    app.wait_for_event_of(CUSTOMER, 2, "conversation.created").await;
    ended(&app, &id).await;
    let texts = app.messages_of(CUSTOMER).await;
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert_eq!(texts[0]["body"], "Are you coming?");
}

#[tokio::test]
async fn a_policy_that_cannot_be_read_is_refused_by_its_field() {
    let app = spawn_app().await;
    for (policy, named) in [
        (json!({ "idle_after": "soon" }), "policy.idle_after"),
        (json!({ "idel_after": "1h" }), "policy.idel_after"),
        (json!({ "day_ai": 1.5 }), "policy.day_ai"),
        (json!({ "day_ai": -1 }), "policy.day_ai"),
        (json!({ "day_ai": 1_000_001 }), "policy.day_ai"),
        (json!({ "regions": ["US", "XX"] }), "policy.regions[1]"),
    ] {
        let mut bad = business();
        bad["policy"] = policy;
        let answer = app.rest.put("/businesses/bad", &bad).await;
        assert_eq!((answer.status, answer.error_code()), (400, "VALIDATION_FAILED"), "{}", answer.body);
        assert_eq!(answer.body["error"]["details"][0]["field"], named, "{}", answer.body);
    }
}
