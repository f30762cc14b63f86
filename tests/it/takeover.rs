//! Takeover: after it, only the person texts the customer, even if an AI answer is in progress.

use std::time::Duration;

use nmc_testbed::dispatchbot::Fault as BotFault;
use nmc_testbed::sim::{Rule, Span};
use nmc_testbed::twilio::Fault;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{App, CUSTOMER, spawn_app, spawn_app_with};

/// Sends a command of a person.
async fn command(app: &App, id: &str, name: &str, body: Value) -> crate::harness::Answer {
    app.rest.send(Method::POST, &format!("/conversations/{id}/{name}"), Some(&body)).await
}

async fn take_over(app: &App, id: &str) -> Value {
    command(app, id, "takeover", json!({ "user_id": "u1", "reason": "high_value_lead" })).await.ok()
}

/// The conversation of a customer who has just texted.
async fn texted(app: &App) -> String {
    app.text(CUSTOMER, "My kitchen sink is blocked").await;
    app.conversation_of(CUSTOMER).await["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn document_test_8_should_allow_manual_user_takeover() {
    let app = spawn_app().await;
    app.text(CUSTOMER, "My kitchen sink is blocked").await;
    app.wait_for_event("message.delivered").await;
    let conversation = app.conversation_of(CUSTOMER).await;
    assert_eq!(conversation["status"], "ai_handling");
    let id = conversation["id"].as_str().unwrap();
    let answer = take_over(&app, id).await;
    assert_eq!(answer["ownership_changed"], true);
    assert_eq!(answer["in_flight"], false);
    let updated = app.conversation(id).await;
    assert_eq!((&updated["ownership"], &updated["status"]), (&json!("user"), &json!("user_handling")));
    assert!(updated["user_takeover_at"].is_string(), "{updated}");
    assert_eq!(answer["conversation"], updated);
    let event = app.wait_for_event("conversation.user_taken").await;
    assert_eq!(event["data"]["reason"], "high_value_lead");
    // The timer is stopped: only the person answers what the customer writes now.
    app.text(CUSTOMER, "Hello?").await;
    app.wait_for_event_of(CUSTOMER, 2, "message.received").await;
    app.settled().await;
    assert_eq!(app.servers.dispatchbot.requests().len(), 1);
    assert_eq!(app.sms_to(CUSTOMER).len(), 1);
}

#[tokio::test]
async fn taking_over_twice_is_fine_and_changes_nothing() {
    let app = spawn_app_with(&[("NMC_WINDOW_HOLD", "60s"), ("NMC_WINDOW_MAX", "90s")]).await;
    let id = texted(&app).await;
    let first = take_over(&app, &id).await;
    let second = take_over(&app, &id).await;
    assert_eq!((&first["ownership_changed"], &second["ownership_changed"]), (&json!(true), &json!(false)));
    assert_eq!(first["conversation"], second["conversation"]);
}

#[tokio::test]
async fn an_answer_that_dispatchbot_works_on_is_not_sent_after_a_takeover() {
    let app = spawn_app().await;
    app.servers.dispatchbot.add_rule(Rule::always(BotFault::Delay(Span::exactly(Duration::from_millis(1500)))));
    let id = texted(&app).await;
    app.wait_for_questions(1).await;
    assert_eq!(take_over(&app, &id).await["ownership_changed"], true);
    app.settled().await;
    assert!(app.sms_to(CUSTOMER).is_empty());
    let messages = app.messages(&id).await;
    assert!(messages.iter().all(|message| message["sender_type"] == "customer"), "{messages:?}");
}

#[tokio::test]
async fn a_takeover_waits_for_a_message_that_is_at_twilio_already() {
    let app = spawn_app().await;
    app.servers.twilio.add_rule(Rule::always(Fault::Hold(Span::exactly(Duration::from_secs(2)))));
    let id = texted(&app).await;
    app.wait_for_sms(CUSTOMER, 1).await; // accepted, but Twilio holds its answer
    let answer = take_over(&app, &id).await;
    assert_eq!((&answer["ownership_changed"], &answer["in_flight"]), (&json!(true), &json!(false)));
    let messages = app.messages(&id).await;
    assert_ne!(messages[1]["status"], "sending", "it has settled: {messages:?}");
}

#[tokio::test]
async fn a_person_writes_and_the_ai_is_silent() {
    let app = spawn_app().await;
    let id = texted(&app).await;
    let answer = command(&app, &id, "messages", json!({ "user_id": "u1", "body": "Joe here. On my way." })).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!((&answer.body["sender_type"], &answer.body["user_id"]), (&json!("user"), &json!("u1")));
    let sms = app.wait_for_sms(CUSTOMER, 1).await;
    assert_eq!(sms[0].body, "Joe here. On my way.");
    app.wait_for_event("message.delivered").await;
    app.settled().await;
    assert_eq!(app.conversation(&id).await["ownership"], "user");
    assert_eq!(app.sms_to(CUSTOMER).len(), 1, "the window was answered by the person");
}

#[tokio::test]
async fn after_a_release_the_ai_answers_what_nobody_has() {
    let app = spawn_app_with(&[("NMC_WINDOW_HOLD", "60s"), ("NMC_WINDOW_MAX", "90s")]).await;
    let id = texted(&app).await;
    take_over(&app, &id).await;
    let released = command(&app, &id, "release", json!({ "user_id": "u1" })).await.ok();
    assert_eq!((&released["ownership"], &released["status"]), (&json!("ai"), &json!("ai_handling")));
    app.wait_for_event("conversation.released").await;
    app.wait_for_sms(CUSTOMER, 1).await;
}

#[tokio::test]
async fn after_a_release_the_ai_answers_what_the_takeover_had_stopped() {
    let app = spawn_app().await;
    app.servers.dispatchbot.add_rule(Rule::next(1, BotFault::Delay(Span::exactly(Duration::from_millis(1500)))));
    let id = texted(&app).await;
    app.wait_for_questions(1).await;
    take_over(&app, &id).await;
    app.settled().await;
    assert!(app.sms_to(CUSTOMER).is_empty());
    command(&app, &id, "release", json!({ "user_id": "u1" })).await.ok();
    app.wait_for_sms(CUSTOMER, 1).await;
    app.wait_for_event("message.delivered").await;
    app.settled().await;
    assert_eq!(app.sms_to(CUSTOMER).len(), 1);
}

#[tokio::test]
async fn a_person_completes_and_nothing_follows() {
    let app = spawn_app_with(&[("NMC_WINDOW_HOLD", "8s"), ("NMC_WINDOW_MAX", "90s")]).await;
    let id = texted(&app).await;
    let body = json!({ "user_id": "u1", "outcome": "booked", "summary": "Friday at nine" });
    let completed = command(&app, &id, "complete", body.clone()).await.ok();
    assert_eq!((&completed["status"], &completed["outcome"]), (&json!("completed"), &json!("booked")));
    let event = app.wait_for_event("conversation.completed").await;
    assert_eq!((&event["data"]["by"], &event["data"]["summary"]), (&json!("user"), &json!("Friday at nine")));
    app.settled().await;
    assert!(app.sms_to(CUSTOMER).is_empty());
    for (name, body) in [
        ("takeover", json!({ "user_id": "u1", "reason": "late" })),
        ("messages", json!({ "user_id": "u1", "body": "late" })),
        ("release", json!({ "user_id": "u1" })),
        ("complete", body),
    ] {
        let answer = command(&app, &id, name, body).await;
        assert_eq!((answer.status, answer.error_code()), (409, "CONFLICT"), "{name}: {}", answer.body);
    }
}

#[rstest]
#[case::no_user("takeover", json!({ "reason": "r" }), "user_id")]
#[case::a_blank_user("takeover", json!({ "user_id": " ", "reason": "r" }), "user_id")]
#[case::no_reason("takeover", json!({ "user_id": "u1" }), "reason")]
#[case::nothing_to_say("messages", json!({ "user_id": "u1", "body": "" }), "body")]
#[case::too_much_to_say("messages", json!({ "user_id": "u1", "body": "a".repeat(1601) }), "body")]
#[case::no_outcome("complete", json!({ "user_id": "u1" }), "outcome")]
#[tokio::test]
async fn a_command_that_cannot_be_used_says_why(#[case] name: &str, #[case] body: Value, #[case] field: &str) {
    let app = spawn_app_with(&[("NMC_WINDOW_HOLD", "60s"), ("NMC_WINDOW_MAX", "90s")]).await;
    let id = texted(&app).await;
    let answer = command(&app, &id, name, body).await;
    assert_eq!((answer.status, answer.error_code()), (400, "VALIDATION_FAILED"), "{}", answer.body);
    assert_eq!(answer.body["error"]["details"][0]["field"], field);
    assert_eq!(app.conversation(&id).await["ownership"], "none");
}

#[rstest]
#[case::an_id_of_nothing("11111111-1111-5111-8111-111111111111")]
#[case::no_id("nonsense")]
#[tokio::test]
async fn a_command_for_no_conversation_is_404(#[case] id: &str) {
    let app = spawn_app().await;
    let answer = command(&app, id, "takeover", json!({ "user_id": "u1", "reason": "r" })).await;
    assert_eq!((answer.status, answer.error_code()), (404, "NOT_FOUND"));
}

#[tokio::test]
async fn what_a_person_writes_goes_ahead_of_the_ai() {
    // Each message takes some seconds at this send rate: the missed-call texts of others are waiting.
    let app = spawn_app_with(&[("NMC_SEND_RATE", "1/s"), ("NMC_WINDOW_HOLD", "60s"), ("NMC_WINDOW_MAX", "90s")]).await;
    let id = texted(&app).await;
    let others = 6;
    for number in 0..others {
        app.miss_call(&crate::harness::customer(number)).await;
    }
    for number in 0..others {
        app.wait_for_event_of(&crate::harness::customer(number), 1, "conversation.created").await;
    }
    let reply = json!({ "user_id": "u1", "body": "Joe here." });
    assert_eq!(command(&app, &id, "messages", reply).await.status, 201);
    app.wait_for_sms(CUSTOMER, 1).await;
    for number in 0..others {
        app.wait_for_sms(&crate::harness::customer(number), 1).await;
    }
    let order: Vec<String> = app.servers.twilio.messages().into_iter().map(|message| message.to).collect();
    let place = order.iter().position(|to| to == CUSTOMER).unwrap();
    assert!(place < others as usize, "the person's came last: {order:?}");
}

#[tokio::test]
async fn twilio_keeps_a_message_of_the_ai_for_ten_minutes_and_one_of_a_person_for_an_hour() {
    let app = spawn_app().await;
    let id = texted(&app).await;
    app.wait_for_sms(CUSTOMER, 1).await;
    command(&app, &id, "messages", json!({ "user_id": "u1", "body": "I am on my way." })).await.ok();
    let sent = app.wait_for_sms(CUSTOMER, 2).await;
    assert_eq!(sent.iter().map(|sms| sms.validity_period).collect::<Vec<_>>(), [Some(600), Some(3_600)]);
}
