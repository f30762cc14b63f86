//! Emergencies over HTTP: nobody waits, and people are told.

use std::time::Duration;

use nmc_testbed::dispatchbot::Fault;
use nmc_testbed::sim::{Rule, Span};
use reqwest::Method;
use rstest::rstest;
use serde_json::json;

use crate::harness::{App, BUSINESS, CUSTOMER, OWNER, business, spawn_app_with};

const CONTACTS: [&str; 2] = ["+15555553333", "+15555554444"];

/// Windows so long that whatever is quick was not their doing.
async fn app_with_contacts(alert_every: &str) -> App {
    let settings = [("NMC_WINDOW_HOLD", "120s"), ("NMC_WINDOW_MAX", "180s"), ("NMC_ALERT_EVERY", alert_every)];
    let app = spawn_app_with(&settings).await;
    let mut with_contacts = business();
    with_contacts["emergency_contacts"] = json!(CONTACTS);
    app.put_business(BUSINESS, &with_contacts).await;
    app
}

#[rstest]
#[case::water("basement flooding emergency!")]
#[case::frost("no hot water and pipes frozen")]
#[case::fire("electrical fire in kitchen")]
#[tokio::test]
async fn document_test_9_should_detect_emergency_situations(#[case] words: &str) {
    let app = app_with_contacts("60s").await;
    app.text(CUSTOMER, words).await;
    let event = app.wait_for_event("emergency.detected").await;
    assert_eq!(event["customer_phone"], CUSTOMER);
    let conversation = app.conversation_of(CUSTOMER).await;
    assert_eq!(conversation["emergency_detected"], true);
    assert_eq!(conversation["urgency_level"], "emergency");
}

#[tokio::test]
async fn document_test_9_should_expedite_emergency_responses() {
    let app = app_with_contacts("60s").await;
    app.text(CUSTOMER, "Gas leak in house!").await;
    let questions = app.wait_for_questions(1).await;
    assert_eq!((&questions[0]["priority"], &questions[0]["bypass_timer"]), (&json!("emergency"), &json!(true)));
    app.wait_for_sms(CUSTOMER, 1).await;
    let conversation = app.conversation_of(CUSTOMER).await;
    assert_eq!((&conversation["ai_timer_started"], &conversation["ownership"]), (&json!(true), &json!("ai")));
}

#[tokio::test]
async fn where_dispatchbot_is_silent_the_emergency_text_goes_out() {
    let app = app_with_contacts("60s").await;
    app.servers.dispatchbot.add_rule(Rule::always(Fault::Delay(Span::exactly(Duration::from_secs(30)))));
    app.text(CUSTOMER, "Gas leak in house!").await;
    let sms = app.wait_for_sms(CUSTOMER, 1).await;
    assert!(sms[0].body.contains("911"), "{}", sms[0].body);
    app.wait_for_event("conversation.needs_attention").await;
}

#[tokio::test]
async fn the_owner_and_then_the_contacts_are_told_and_none_of_it_is_in_the_conversation() {
    let app = app_with_contacts("500ms").await;
    app.text(CUSTOMER, "Gas leak in house!").await;
    let owner = app.wait_for_sms(OWNER, 1).await;
    assert!(owner[0].body.contains(CUSTOMER) && owner[0].body.contains("Gas leak"), "{}", owner[0].body);
    for contact in CONTACTS {
        app.wait_for_sms(contact, 1).await;
    }
    app.wait_for_event("message.delivered").await;
    app.settled().await;
    for number in [OWNER, CONTACTS[0], CONTACTS[1], CUSTOMER] {
        assert_eq!(app.sms_to(number).len(), 1, "{number}");
    }
    let messages = app.messages_of(CUSTOMER).await;
    let senders: Vec<_> = messages.iter().filter_map(|message| message["sender_type"].as_str()).collect();
    assert_eq!(senders, ["customer", "ai"]);
    let sent = app.events.log().await.iter().filter(|event| event["event_type"] == "message.sent").count();
    assert_eq!(sent, 1, "an alert is no message of the conversation");
}

#[tokio::test]
async fn whoever_takes_over_stops_the_alerts() {
    let app = app_with_contacts("3s").await;
    app.text(CUSTOMER, "Gas leak in house!").await;
    app.wait_for_sms(OWNER, 1).await;
    let id = app.conversation_of(CUSTOMER).await["id"].as_str().unwrap().to_owned();
    let body = json!({ "user_id": "u1", "reason": "emergency" });
    app.rest.send(Method::POST, &format!("/conversations/{id}/takeover"), Some(&body)).await.ok();
    app.settled().await;
    assert!(app.sms_to(CONTACTS[0]).is_empty());
}
