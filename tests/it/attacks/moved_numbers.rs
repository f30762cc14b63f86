//! A number moves from one business to another, but nothing of the first one's conversations moves with it.

use std::time::Duration;

use nevermisscall::internals::Role;
use nmc_testbed::dispatchbot::Fault;
use nmc_testbed::sim::{Rule, Span};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{Answer, App, BUSINESS, CUSTOMER, OUR_NUMBER, OWNER, business, eventually};

const OTHER: &str = "other-business";
const OTHER_OWNER: &str = "+15555559002";
const LONG: [(&str, &str); 3] = [("NMC_WINDOW_HOLD", "60s"), ("NMC_WINDOW_QUIET", "2s"), ("NMC_WINDOW_MAX", "90s")];

fn other() -> Value {
    let mut other = business();
    other["name"] = json!("Other Business");
    other["user_id"] = json!("user-other");
    other["forward_to"] = json!(OTHER_OWNER);
    other
}

async fn app_with(settings: &[(&str, &str)]) -> App {
    settings.iter().fold(App::setup(), |setup, (name, value)| setup.set(name, value)).start().await
}

/// How the first business loses the number.
#[derive(Debug, Clone, Copy)]
enum Loss {
    /// A PUT without the number.
    Put,
    /// The business is deleted.
    Deleted,
}

async fn loses(app: &App, how: Loss) {
    match how {
        Loss::Put => {
            let mut first = business();
            first["phone_numbers"] = json!(["+15555551112"]);
            app.put_business(BUSINESS, &first).await;
        }
        Loss::Deleted => {
            let answer = app.rest.send(Method::DELETE, &format!("/businesses/{BUSINESS}"), None).await;
            assert_eq!(answer.status, 204);
        }
    }
}

/// Moves the number to the other business.
async fn moves(app: &App, how: Loss) {
    loses(app, how).await;
    app.put_business(OTHER, &other()).await;
}

async fn command(app: &App, id: &str, name: &str, body: Value) -> Answer {
    app.rest.send(Method::POST, &format!("/conversations/{id}/{name}"), Some(&body)).await
}

fn id_of(conversation: &Value) -> String {
    conversation["id"].as_str().unwrap().to_owned()
}

async fn of_business(app: &App, business_id: &str) -> Option<Value> {
    app.conversations_of(CUSTOMER).await.into_iter().find(|conversation| conversation["business_id"] == business_id)
}

#[rstest]
#[case::put(Loss::Put)]
#[case::deleted(Loss::Deleted)]
#[tokio::test]
async fn a_text_after_the_move_opens_a_conversation_of_the_new_business(#[case] how: Loss) {
    let app = app_with(&[]).await;
    app.text(CUSTOMER, "My kitchen sink is blocked").await;
    app.wait_for_event("message.delivered").await;
    let before = id_of(&app.conversation_of(CUSTOMER).await);
    let messages = app.messages(&before).await;
    moves(&app, how).await;
    app.text(CUSTOMER, "Is anybody there?").await;
    let theirs = eventually("the new business's conversation", async || of_business(&app, OTHER).await).await;
    assert_ne!(id_of(&theirs), before);
    // DispatchBot is asked for the new business, without the earlier messages.
    let asked = app.wait_for_questions(2).await;
    assert_eq!(asked[1]["business"]["id"], OTHER);
    assert!(!asked[1].to_string().contains("kitchen"), "{}", asked[1]);
    app.wait_for_event_of(CUSTOMER, 2, "message.delivered").await;
    assert_eq!(app.messages(&before).await, messages, "nothing has joined the old conversation");
}

#[tokio::test]
async fn a_text_after_the_move_does_not_reopen_what_has_ended_at_the_old_business() {
    let app = app_with(&[]).await;
    app.text(CUSTOMER, "My kitchen sink is blocked").await;
    app.wait_for_event("message.delivered").await;
    let before = id_of(&app.conversation_of(CUSTOMER).await);
    command(&app, &before, "complete", json!({ "user_id": "u1", "outcome": "done" })).await.ok();
    moves(&app, Loss::Put).await;
    app.text(CUSTOMER, "One more thing").await;
    let theirs = eventually("the new business's conversation", async || of_business(&app, OTHER).await).await;
    assert_ne!(id_of(&theirs), before);
    assert_eq!(app.conversation(&before).await["status"], "completed");
}

#[tokio::test]
async fn a_stop_after_the_move_is_in_the_ledger_of_the_new_business_only() {
    let app = app_with(&LONG).await;
    app.text(CUSTOMER, "My kitchen sink is blocked").await;
    app.conversation_of(CUSTOMER).await;
    moves(&app, Loss::Put).await;
    app.text(CUSTOMER, "STOP").await;
    app.wait_for_event_of(CUSTOMER, 1, "conversation.opted_out").await;
    let mut sql = app.servers.sql().await;
    let whose: Vec<String> = sqlx::query_scalar("SELECT business_id FROM opt_outs").fetch_all(&mut sql).await.unwrap();
    assert_eq!(whose, [OTHER]);
}

#[tokio::test]
async fn a_key_of_the_old_business_sees_nothing_of_what_comes_after_the_move() {
    let app = app_with(&LONG).await;
    app.text(CUSTOMER, "My kitchen sink is blocked").await;
    app.conversation_of(CUSTOMER).await;
    let (_, old) = app.key(Some(&[BUSINESS]), true).await;
    moves(&app, Loss::Put).await;
    app.text(CUSTOMER, "For the new business only").await;
    eventually("the new business's conversation", async || of_business(&app, OTHER).await).await;
    let seen = old.get("/conversations").await.ok();
    for conversation in seen["conversations"].as_array().unwrap() {
        assert_eq!(conversation["business_id"], BUSINESS);
        let messages = old.get(&format!("/conversations/{}/messages", id_of(conversation))).await.ok();
        assert!(!messages.to_string().contains("new business only"), "{messages}");
    }
}

#[rstest]
#[case::put(Loss::Put)]
#[case::deleted(Loss::Deleted)]
#[tokio::test]
async fn the_old_businesss_window_is_handed_over_and_its_commands_are_conflicts(#[case] how: Loss) {
    let app = app_with(&LONG).await;
    app.text(CUSTOMER, "My kitchen sink is blocked").await;
    let before = id_of(&app.conversation_of(CUSTOMER).await);
    moves(&app, how).await;
    let commands = [
        ("takeover", json!({ "user_id": "u1", "reason": "mine" })),
        ("messages", json!({ "user_id": "u1", "body": "Hello" })),
        ("release", json!({ "user_id": "u1" })),
        ("complete", json!({ "user_id": "u1", "outcome": "done" })),
    ];
    for (name, body) in commands {
        let answer = command(&app, &before, name, body).await;
        assert_eq!((answer.status, answer.error_code()), (409, "CONFLICT"), "{name}: {answer:?}");
    }
    let told = app.wait_for_event_of(CUSTOMER, 1, "conversation.needs_attention").await;
    assert_eq!((&told["conversation_id"], &told["data"]["reason"]), (&json!(before), &json!("number_released")));
    app.wait_for_event_of(CUSTOMER, 1, "conversation.completed").await;
    let ended = app.conversation(&before).await;
    assert_eq!((&ended["status"], &ended["outcome"]), (&json!("completed"), &json!("number_released")));
    let explained = app.rest.get(&format!("/conversations/{before}/explain")).await.ok();
    assert_eq!(explained["windows"][0]["state"], "handed_over", "{explained}");
    assert_eq!((app.sms_to(CUSTOMER).len(), app.servers.dispatchbot.requests().len()), (0, 0));
}

/// Neither a person's nor the AI's message is sent from a number that now belongs to another business.
#[rstest]
#[case::put(Loss::Put)]
#[case::deleted(Loss::Deleted)]
#[tokio::test]
async fn what_waits_to_be_sent_from_the_number_is_superseded(#[case] how: Loss) {
    let app = app_with(&[]).await;
    app.servers.twilio.down().await;
    app.text(CUSTOMER, "My kitchen sink is blocked").await;
    let before = id_of(&app.conversation_of(CUSTOMER).await);
    eventually("the AI's answer", async || (app.messages(&before).await.len() == 2).then_some(())).await;
    let reply = command(&app, &before, "messages", json!({ "user_id": "u1", "body": "I am on my way" })).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    moves(&app, how).await;
    app.servers.twilio.up().await.unwrap();
    eventually("the end of both", async || {
        let messages = app.messages(&before).await;
        let ours = messages.iter().filter(|message| message["direction"] == "outbound");
        ours.clone().all(|message| message["status"] == "superseded").then_some(())
    })
    .await;
    app.settled().await;
    assert_eq!(app.sms_to(CUSTOMER).len(), 0);
}

/// The number moves while DispatchBot prepares the answer.
#[tokio::test]
async fn an_answer_under_way_at_dispatchbot_is_not_sent_from_the_number_of_another() {
    let app = app_with(&[]).await;
    let slow = Span::exactly(Duration::from_millis(1_500));
    app.servers.dispatchbot.add_rule(Rule::always(Fault::Delay(slow)));
    app.text(CUSTOMER, "My kitchen sink is blocked").await;
    app.wait_for_questions(1).await;
    moves(&app, Loss::Put).await;
    app.wait_for_event_of(CUSTOMER, 1, "conversation.completed").await;
    app.settled().await;
    assert_eq!(app.sms_to(CUSTOMER).len(), 0);
}

#[tokio::test]
async fn a_call_that_rang_at_the_old_business_opens_no_conversation_with_the_number_of_another() {
    let app = app_with(&[]).await;
    let twilio = app.webhook();
    let ringing = twilio.incoming_call("CA1", CUSTOMER, OUR_NUMBER, "ringing").await.unwrap();
    assert_eq!(ringing.dial_number().as_deref(), Some(OWNER));
    app.wait_for_event("call.received").await;
    moves(&app, Loss::Put).await;
    twilio.call_status("CA1", "no-answer", Some(CUSTOMER), Some(OUR_NUMBER), 0).await.unwrap();
    app.wait_for_event("call.missed").await;
    app.settled().await;
    assert_eq!(app.sms_to(CUSTOMER).len(), 0);
    assert!(app.conversations_of(CUSTOMER).await.is_empty());
    // A call after the move belongs to the new business.
    let ringing = twilio.incoming_call("CA2", CUSTOMER, OUR_NUMBER, "ringing").await.unwrap();
    assert_eq!(ringing.dial_number().as_deref(), Some(OTHER_OWNER));
    twilio.call_status("CA2", "no-answer", Some(CUSTOMER), Some(OUR_NUMBER), 0).await.unwrap();
    app.wait_for_sms(CUSTOMER, 1).await;
    assert_eq!(app.conversation_of(CUSTOMER).await["business_id"], OTHER);
}

#[tokio::test]
async fn a_number_that_comes_back_serves_its_business_again() {
    let app = app_with(&[]).await;
    app.text(CUSTOMER, "My kitchen sink is blocked").await;
    app.wait_for_event("message.delivered").await;
    loses(&app, Loss::Put).await;
    app.wait_for_event_of(CUSTOMER, 1, "conversation.completed").await;
    app.put_business(BUSINESS, &business()).await;
    app.text(CUSTOMER, "Still blocked").await;
    app.wait_for_event_of(CUSTOMER, 2, "message.delivered").await;
    assert_eq!(app.sms_to(CUSTOMER).len(), 2);
}

/// Processes that cache a number must not assign a text to the business that had the number before.
#[tokio::test]
async fn what_another_process_remembers_of_the_number_does_not_matter() {
    let setup = LONG.iter().fold(App::setup(), |setup, (name, value)| setup.set(name, value));
    let app = setup.roles([Role::Edge, Role::Worker, Role::Worker]).start().await;
    app.text(CUSTOMER, "My kitchen sink is blocked").await;
    app.wait_for_event_of(CUSTOMER, 1, "message.received").await;
    let before = id_of(&app.conversation_of(CUSTOMER).await);
    moves(&app, Loss::Put).await;
    app.text(CUSTOMER, "For the new business").await;
    eventually("the new business's conversation", async || of_business(&app, OTHER).await).await;
    assert_eq!(app.messages(&before).await.len(), 1);
}
