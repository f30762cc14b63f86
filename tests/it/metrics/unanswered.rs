//! Who counts as unanswered, and which emergencies nobody has reacted to.

use reqwest::Method;
use serde_json::json;

use super::scrape::{Scrape, wait_for_value};
use crate::harness::{App, CUSTOMER, customer, eventually};

async fn sql(app: &App, statement: &'static str) -> u64 {
    sqlx::query(statement).execute(&mut app.servers.sql().await).await.unwrap().rows_affected()
}

async fn command(app: &App, customer: &str, command: &str) {
    let id = app.conversation_of(customer).await["id"].as_str().unwrap().to_owned();
    let body = match command {
        "takeover" => json!({ "user_id": "u1", "reason": "r" }),
        "complete" => json!({ "user_id": "u1", "outcome": "o" }),
        _ => json!({ "user_id": "u1" }),
    };
    app.rest.send(Method::POST, &format!("/conversations/{id}/{command}"), Some(&body)).await.ok();
}

/// Makes every text 130 s older.
const BACKDATE: &str = "UPDATE windows SET opened_at = opened_at - interval '130 seconds'";

fn unanswered(seconds: u32) -> String {
    format!("nmc_customers_unanswered{{seconds=\"{seconds}\"}}")
}

#[tokio::test]
async fn a_customer_whose_text_waits_for_a_person_counts_until_a_person_owns_the_conversation() {
    let settings = [("NMC_WINDOW_HOLD", "10m"), ("NMC_WINDOW_MAX", "20m"), ("NMC_BUSINESS_METRICS", "5")];
    let setup = settings.iter().fold(App::setup(), |setup, (name, value)| setup.set(name, value));
    let app = setup.start().await;
    let [taken, ended, waits] = [1, 2, 3].map(customer);
    for customer in [&taken, &ended, &waits] {
        app.text(customer, "My sink is blocked").await;
        app.wait_for_event_of(customer, 1, "message.received").await;
    }
    wait_for_value(&app.rest, &unanswered(60), |count| count == 0.0).await;
    assert_eq!(sql(&app, BACKDATE).await, 3);
    wait_for_value(&app.rest, &unanswered(60), |count| count == 3.0).await;
    let scrape = Scrape::of(&app.rest).await;
    assert_eq!([120, 300, 900].map(|seconds| scrape.value(&unanswered(seconds))), [3.0, 0.0, 0.0]);
    assert_eq!(scrape.value("nmc_business_customers_unanswered{business=\"joes-plumbing\"}"), 3.0);
    command(&app, &taken, "takeover").await;
    command(&app, &ended, "complete").await;
    wait_for_value(&app.rest, &unanswered(60), |count| count == 1.0).await;
    let scrape = Scrape::of(&app.rest).await;
    assert_eq!(scrape.value("nmc_business_customers_unanswered{business=\"joes-plumbing\"}"), 1.0);
}

#[tokio::test]
async fn a_customer_without_an_answer_counts_unless_a_person_was_told() {
    let app = App::setup().set("NMC_AI_MAX", "1/h").start().await;
    let [handed_over, reply_waits, fallback_waits, answered] = [1, 2, 3, 4].map(customer);
    // Handed over, and a person was told: the AI has reached its maximum.
    app.text(&handed_over, "My sink is blocked").await;
    app.wait_for_event_of(&handed_over, 1, "message.delivered").await;
    app.text(&handed_over, "Are you there?").await;
    app.wait_for_event_of(&handed_over, 1, "conversation.needs_attention").await;
    app.text(&answered, "My sink is blocked").await;
    app.wait_for_event_of(&answered, 1, "message.delivered").await;
    // The answer is there and cannot be sent; nobody was told.
    app.servers.twilio.down().await;
    app.text(&reply_waits, "My sink is blocked").await;
    let queued = "UPDATE messages SET kind = kind WHERE kind = 'reply' AND status IN ('queued', 'sending')";
    eventually("a reply that waits", async || (sql(&app, queued).await == 1).then_some(())).await;
    // DispatchBot is away: a person is told, and the fallback text cannot be sent.
    app.servers.dispatchbot.down().await;
    app.text(&fallback_waits, "My sink is blocked").await;
    app.wait_for_event_of(&fallback_waits, 1, "conversation.needs_attention").await;
    assert!(sql(&app, BACKDATE).await >= 5);
    wait_for_value(&app.rest, &unanswered(60), |count| count == 1.0).await;
    assert_eq!(Scrape::of(&app.rest).await.value(&unanswered(120)), 1.0);
    // The same where nobody was told that the AI has failed.
    assert_eq!(sql(&app, "UPDATE messages SET kind = 'reply' WHERE kind = 'fallback'").await, 1);
    wait_for_value(&app.rest, &unanswered(60), |count| count == 2.0).await;
    app.servers.twilio.up().await.unwrap();
    for customer in [&reply_waits, &fallback_waits] {
        app.wait_for_event_of(customer, 1, "message.delivered").await;
    }
    wait_for_value(&app.rest, &unanswered(60), |count| count == 0.0).await;
}

/// Makes every emergency six minutes old.
const AGE_EMERGENCIES: &str = "UPDATE conversations SET version = version + 1, rules_state = jsonb_set(rules_state,
    '{memory,emergency_at}', to_jsonb(now() - interval '6 minutes')) WHERE emergency_detected";

#[tokio::test]
async fn an_emergency_counts_until_a_person_reacts() {
    let app = App::setup().start().await;
    let series = "nmc_emergencies_unacknowledged";
    let [taken, false_alarm, ignored] = [CUSTOMER.to_owned(), customer(1), customer(2)];
    for customer in [&taken, &false_alarm, &ignored] {
        app.text(customer, "basement flooding emergency!").await;
        app.wait_for_event_of(customer, 1, "message.delivered").await;
    }
    app.settled().await;
    wait_for_value(&app.rest, series, |count| count == 0.0).await;
    assert_eq!(sql(&app, AGE_EMERGENCIES).await, 3);
    wait_for_value(&app.rest, series, |count| count == 3.0).await;
    command(&app, &taken, "takeover").await;
    command(&app, &taken, "release").await;
    wait_for_value(&app.rest, series, |count| count == 2.0).await;
    command(&app, &false_alarm, "false-alarm").await;
    wait_for_value(&app.rest, series, |count| count == 1.0).await;
    // Given back to the AI, it is the same emergency, which a person knows.
    assert_eq!(sql(&app, AGE_EMERGENCIES).await, 2);
    command(&app, &ignored, "complete").await;
    wait_for_value(&app.rest, series, |count| count == 0.0).await;
}
