//! `Idempotency-Key`: requests that change something may be repeated.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, App, BUSINESS, CUSTOMER, business, spawn_app_with};

async fn app_with_a_conversation() -> (App, String) {
    let app = spawn_app_with(&[("NMC_WINDOW_HOLD", "6s"), ("NMC_WINDOW_MAX", "9s")]).await;
    app.text(CUSTOMER, "My sink is blocked").await;
    let id = app.conversation_of(CUSTOMER).await["id"].as_str().unwrap().to_owned();
    (app, id)
}

async fn write(app: &App, id: &str, body: &str, key: &str) -> Answer {
    let body = json!({ "user_id": "u1", "body": body });
    app.rest.send_with(Method::POST, &format!("/conversations/{id}/messages"), &body, ("idempotency-key", key)).await
}

#[tokio::test]
async fn the_same_request_again_sends_nothing_more_and_gets_the_same_answer() {
    let (app, id) = app_with_a_conversation().await;
    let first = write(&app, &id, "On my way.", "k1").await;
    assert_eq!(first.status, 201, "{}", first.body);
    app.wait_for_event("message.delivered").await;
    let again = write(&app, &id, "On my way.", "k1").await;
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert!(first.headers.get("idempotency-replayed").is_none());
    let another = write(&app, &id, "On my way.", "k2").await;
    assert_ne!(another.body["id"], first.body["id"]);
    app.wait_for_sms(CUSTOMER, 2).await;
    app.settled().await;
    assert_eq!(app.sms_to(CUSTOMER).len(), 2);
}

#[tokio::test]
async fn ten_at_once_are_one() {
    let (app, id) = app_with_a_conversation().await;
    let answers = futures::future::join_all((0..10).map(|_| write(&app, &id, "On my way.", "k1"))).await;
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert!(statuses.contains(&201) && statuses.iter().all(|status| [201, 409].contains(status)), "{statuses:?}");
    app.settled().await;
    assert_eq!(app.sms_to(CUSTOMER).len(), 1);
}

#[tokio::test]
async fn a_key_belongs_to_one_request_and_to_one_api_key() {
    let (app, id) = app_with_a_conversation().await;
    assert_eq!(write(&app, &id, "On my way.", "k1").await.status, 201);
    let other = write(&app, &id, "Another text", "k1").await;
    assert_eq!((other.status, other.error_code()), (409, "CONFLICT"));
    let (_, rest) = app.key(None, true).await;
    let body = json!({ "user_id": "u1", "body": "Another text" });
    let path = format!("/conversations/{id}/messages");
    assert_eq!(rest.send_with(Method::POST, &path, &body, ("idempotency-key", "k1")).await.status, 201);
}

#[tokio::test]
async fn an_answer_that_was_kept_opens_no_door_to_a_revoked_key() {
    let (app, id) = app_with_a_conversation().await;
    let (key, rest) = app.key(None, true).await;
    let path = format!("/conversations/{id}/takeover");
    let body = json!({ "user_id": "u1", "reason": "mine" });
    let ask = || rest.send_with(Method::POST, &path, &body, ("idempotency-key", "k1"));
    assert_eq!(ask().await.ok()["ownership_changed"], true);
    assert_eq!(ask().await.ok()["ownership_changed"], true, "as it was answered");
    let store = nevermisscall::internals::Store::owner(app.servers.database_url()).unwrap();
    store.revoke_api_key(key).await.unwrap();
    assert_eq!(ask().await.status, 401);
}

#[tokio::test]
async fn who_was_turned_away_may_come_again_with_the_same_key() {
    let (app, _) = app_with_a_conversation().await;
    let (_, reads) = app.key(None, false).await;
    let path = format!("/businesses/{BUSINESS}");
    let put = |rest: crate::harness::Rest| {
        let path = path.clone();
        async move { rest.send_with(Method::PUT, &path, &business(), ("idempotency-key", "k1")).await.status }
    };
    assert_eq!((put(reads.clone()).await, put(reads).await), (403, 403));
    assert_eq!((put(app.rest.clone()).await, put(app.rest.clone()).await), (200, 200));
}

#[tokio::test]
async fn a_refusal_is_an_answer_too_and_a_key_that_cannot_be_used_is_told() {
    let (app, id) = app_with_a_conversation().await;
    let refused = write(&app, &id, "", "k1").await;
    assert_eq!((refused.status, write(&app, &id, "", "k1").await.status), (400, 400));
    for unusable in [" ".to_owned(), "k".repeat(256)] {
        let answer = write(&app, &id, "Hi", &unusable).await;
        assert_eq!((answer.status, &answer.body["error"]["details"][0]["field"]), (400, &json!("Idempotency-Key")));
    }
    assert!(matches!(app.messages(&id).await[..], [Value::Object(_)]), "only the customer's");
}

/// The process died after the commit and before the answer.
#[tokio::test]
async fn what_was_carried_out_and_never_answered_is_not_carried_out_again() {
    let (app, id) = app_with_a_conversation().await;
    let first = write(&app, &id, "On my way.", "k1").await;
    let mut sql = app.servers.sql().await;
    let forget = "UPDATE idempotency SET status = NULL, body = NULL, claimed_at = now() - interval '2 minutes'";
    sqlx::query(forget).execute(&mut sql).await.unwrap();
    let again = write(&app, &id, "On my way.", "k1").await;
    assert_eq!((again.status, &again.body["id"]), (201, &first.body["id"]));
    app.settled().await;
    assert_eq!(app.sms_to(CUSTOMER).len(), 1);
}
