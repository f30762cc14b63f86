//! `policy.ai_disclosure`: the AI's first text in a conversation says that an AI writes.

use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{App, BUSINESS, CUSTOMER, business, spawn_app};

const SAYS: &str = "This is the AI assistant of Joe's Plumbing. ";

async fn with(policy: Value, templates: Value) -> App {
    let app = spawn_app().await;
    let mut own = business();
    (own["policy"], own["templates"]) = (policy, templates);
    app.put_business(BUSINESS, &own).await;
    app
}

#[tokio::test]
async fn the_first_text_of_the_ai_says_so_and_the_second_does_not() {
    let app = with(json!({}), json!({})).await;
    app.miss_call(CUSTOMER).await;
    app.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    app.text(CUSTOMER, "my sink is blocked").await;
    app.wait_for_event_of(CUSTOMER, 2, "message.delivered").await;
    app.text(CUSTOMER, "the one in the kitchen").await;
    let sent = app.wait_for_sms(CUSTOMER, 3).await;
    let says: Vec<bool> = sent.iter().map(|sms| sms.body.starts_with(SAYS)).collect();
    assert_eq!(says, [false, true, false], "{sent:?}");
    app.settled().await;
    let stored = app.messages_of(CUSTOMER).await;
    assert!(stored.iter().any(|message| message["body"] == sent[1].body.as_str()), "what is stored is what was sent");
}

#[tokio::test]
async fn a_business_may_word_it_and_may_turn_it_off() {
    let own = json!({ "ai_disclosure": "Joe's robot here:", "es": { "ai_disclosure": "Soy el robot de Joe:" } });
    let app = with(json!({ "ai_disclosure": "always" }), own.clone()).await;
    let shown = app.rest.get(&format!("/businesses/{BUSINESS}")).await.ok();
    assert_eq!((&shown["templates"], &shown["policy"]), (&own, &json!({ "ai_disclosure": "always" })));
    app.text(CUSTOMER, "my sink is blocked").await;
    let sent = app.wait_for_sms(CUSTOMER, 1).await;
    assert!(sent[0].body.starts_with("Joe's robot here: "), "{}", sent[0].body);

    let app = with(json!({ "ai_disclosure": "off" }), own).await;
    app.text(CUSTOMER, "my sink is blocked").await;
    let sent = app.wait_for_sms(CUSTOMER, 1).await;
    assert!(!sent[0].body.contains("robot"), "{}", sent[0].body);
}

#[rstest]
#[case::no_such_word(json!({ "ai_disclosure": "never" }), json!({}), "policy.ai_disclosure")]
#[case::nothing_to_say(json!({}), json!({ "ai_disclosure": " " }), "templates.ai_disclosure")]
#[case::too_long(json!({}), json!({ "es": { "ai_disclosure": "x".repeat(321) } }), "templates.es.ai_disclosure")]
#[tokio::test]
async fn what_cannot_be_set_is_refused(#[case] policy: Value, #[case] templates: Value, #[case] field: &str) {
    let app = spawn_app().await;
    let mut own = business();
    (own["policy"], own["templates"]) = (policy, templates);
    let refused = app.rest.put(&format!("/businesses/{BUSINESS}"), &own).await;
    assert_eq!((refused.status, refused.error_code()), (400, "VALIDATION_FAILED"), "{}", refused.body);
    assert_eq!(refused.body["error"]["details"][0]["field"], field);
}
