//! Numbers that a business never texts, and documents that are too large.

use reqwest::Method;
use serde_json::json;

use crate::harness::{BUSINESS, CUSTOMER, OUR_NUMBER, business, eventually, spawn_app, wait_for_stored};

const LIST: &str = "/businesses/joes-plumbing/never-text";

#[tokio::test]
async fn a_listed_number_gets_no_automatic_text_until_it_is_taken_off() {
    let app = spawn_app().await;
    let path = format!("{LIST}/{CUSTOMER}");
    assert_eq!(app.rest.send(Method::PUT, &path, None).await.status, 204);
    let listed = app.rest.get(LIST).await.ok();
    assert_eq!(listed["never_text"][0]["phone"], CUSTOMER);
    let call = app.servers.twilio.call(CUSTOMER, OUR_NUMBER, "no-answer").await.unwrap();
    app.wait_for_event("call.missed").await;
    app.settled().await;
    assert_eq!(app.call(&call.call_sid).await["conversation_id"], json!(null));
    app.text(CUSTOMER, "Dad, when are you home?").await;
    let needed = app.wait_for_event("conversation.needs_attention").await;
    assert_eq!(needed["data"]["reason"], "never_text");
    app.settled().await;
    assert!(app.servers.twilio.messages().is_empty() && app.messages_of(CUSTOMER).await.len() == 1);
    assert_eq!(app.rest.send(Method::DELETE, &path, None).await.status, 204);
    assert_eq!(app.rest.send(Method::DELETE, &path, None).await.status, 404);
    app.text(CUSTOMER, "My sink is blocked").await;
    app.wait_for_sms(CUSTOMER, 1).await;
}

#[tokio::test]
async fn the_list_of_no_business_is_not_found_and_a_number_must_be_one() {
    let app = spawn_app().await;
    assert_eq!(app.rest.send(Method::PUT, "/businesses/nobody/never-text/+12125551234", None).await.status, 404);
    assert_eq!(app.rest.get("/businesses/nobody/never-text").await.status, 404);
    let answer = app.rest.send(Method::PUT, &format!("{LIST}/555"), None).await;
    assert_eq!((answer.status, answer.error_code()), (400, "VALIDATION_FAILED"));
}

/// Two of its conversations with one customer are open.
#[tokio::test]
async fn a_takeover_names_the_conversation_at_the_other_number() {
    let app = spawn_app().await;
    let mut with_two = business();
    with_two["phone_numbers"] = json!([OUR_NUMBER, "+15555551199"]);
    app.put_business(BUSINESS, &with_two).await;
    app.miss_call(CUSTOMER).await;
    app.servers.twilio.call(CUSTOMER, "+15555551199", "no-answer").await.unwrap();
    app.wait_for_event_of(CUSTOMER, 2, "call.missed").await;
    let both = app.conversations_of(CUSTOMER).await;
    let (one, other) = (both[0]["id"].as_str().unwrap(), &both[1]["id"]);
    let command = json!({ "user_id": "joe", "reason": "mine" });
    let taken = app.rest.send(Method::POST, &format!("/conversations/{one}/takeover"), Some(&command)).await.ok();
    assert_eq!(taken["other_conversations"], json!([other]));
    let event = app.wait_for_event("conversation.user_taken").await;
    assert_eq!(event["data"]["other_conversations"], json!([other]));
}

#[tokio::test]
async fn a_document_is_bounded_by_what_is_stored() {
    let app = spawn_app().await;
    let mut large = business();
    large["user_settings"] = json!({ "note": "x".repeat(600 * 1024) });
    let answer = app.rest.send(Method::PUT, &format!("/businesses/{BUSINESS}"), Some(&large)).await;
    assert_eq!((answer.status, answer.error_code()), (413, "PAYLOAD_TOO_LARGE"));
    // PostgreSQL writes such a number with 309 digits.
    large["user_settings"] = json!({});
    large["calendar"] = json!(vec![1e308; 2_000]);
    let answer = app.rest.send(Method::PUT, &format!("/businesses/{BUSINESS}"), Some(&large)).await;
    assert_eq!((answer.status, answer.error_code()), (413, "PAYLOAD_TOO_LARGE"));
    large["calendar"] = json!([]);
    large["user_settings"] = json!({ "note": "x".repeat(500 * 1024) });
    app.put_business(BUSINESS, &large).await;
}

/// One that an older version has stored.
#[tokio::test]
async fn a_document_that_does_not_fit_the_snapshot_keeps_no_other_out_of_it() {
    let app = spawn_app().await;
    wait_for_stored(&app.servers, "KV_NMC_BUSINESSES", 1).await;
    let mut sql = app.servers.sql().await;
    let enlarge = "INSERT INTO businesses (id, name, user_id, forward_to, profile)
                   SELECT 'aaa', name, user_id, forward_to, profile || jsonb_build_object(
                     'id', 'aaa', 'phone_numbers', '[]'::jsonb, 'user_settings', jsonb_build_object('note', repeat('x', 2000000)))
                   FROM businesses";
    sqlx::query(enlarge).execute(&mut sql).await.unwrap();
    let mut next = business();
    next["phone_numbers"] = json!(["+15555557777"]);
    app.put_business("zzz", &next).await;
    eventually("the second business in the snapshot", async || {
        let stored = app.stored("KV_NMC_BUSINESSES").await;
        stored.iter().any(|entry| entry.subject.ends_with(".zzz")).then_some(())
    })
    .await;
}
