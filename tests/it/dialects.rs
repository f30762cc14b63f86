//! The dialect dispatch-bot-ai, and DispatchBots that businesses have themselves.

use nmc_testbed::dispatchbot::{DispatchBotOptions, DispatchBotSim, Fault};
use nmc_testbed::sim::Rule;
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{App, BUSINESS, CUSTOMER, OWNER, business, business_of_dispatch_bot_ai, customer, eventually};
use crate::metrics::{Scrape, wait_for_value};
use crate::signatures::TOKEN_KEY;

const DIALECT: &str = "dispatch-bot-ai";

/// An answer of dispatch-bot-ai, with some fields changed.
fn scripted(changes: &[(&str, Value)]) -> Value {
    let mut answer = json!({
        "extracted_info": {
            "job_type": "drain_cleaning", "job_confidence": 0.9, "urgency_level": "normal", "urgency_confidence": 0.9,
            "customer_address": null, "address_verified": false, "preferred_date": null, "customer_confirmed": false,
        },
        "validation": {
            "service_area_valid": true, "trade_supported": true, "job_type_supported": true,
            "within_business_hours": true, "capacity_available": true, "address_reachable": true,
            "validation_errors": [],
        },
        "proposed_slot": null,
        "next_action": {
            "action_type": "continue_conversation", "message_to_customer": "Where is the sink?",
            "follow_up_needed": false,
        },
        "conversation_stage": "collecting_info",
        "needs_geocoding": false,
        "geocoding_query": null,
        "confidence_scores": {
            "job_type_confidence": 0, "urgency_confidence": 0, "address_confidence": 0, "overall_confidence": 0,
        },
    });
    for (pointer, value) in changes {
        *answer.pointer_mut(pointer).expect("a field") = value.clone();
    }
    answer
}

async fn asked(answers: impl IntoIterator<Item = Value>) -> App {
    let app = App::setup().dialect(DIALECT).start().await;
    app.servers.dispatchbot.script(answers);
    app.text(CUSTOMER, "my sink is slow").await;
    app
}

async fn window_state(app: &App) -> String {
    app.settled().await;
    sqlx::query_scalar("SELECT state FROM windows").fetch_one(&mut app.servers.sql().await).await.unwrap()
}

#[tokio::test]
async fn a_first_question_has_no_confidence_and_is_sent() {
    let app = asked([scripted(&[])]).await;
    assert_eq!(app.wait_for_sms(CUSTOMER, 1).await[0].body, "Where is the sink?");
    assert_eq!(window_state(&app).await, "answered");
}

#[tokio::test]
async fn an_answer_with_only_what_is_needed_is_sent() {
    let app = asked([json!({
        "extracted_info": { "urgency_level": "normal" },
        "next_action": { "message_to_customer": "Where is the sink?", "follow_up_needed": false },
        "conversation_stage": "collecting_info",
    })])
    .await;
    assert_eq!(app.wait_for_sms(CUSTOMER, 1).await[0].body, "Where is the sink?");
    assert_eq!(window_state(&app).await, "answered");
    assert_eq!(app.servers.dispatchbot.requests().len(), 1);
}

#[tokio::test]
async fn an_emergency_below_the_threshold_alerts_people_and_its_text_is_not_sent() {
    let unsure =
        [("/extracted_info/urgency_level", json!("emergency")), ("/extracted_info/urgency_confidence", json!(0.1))];
    let app = asked([scripted(&unsure)]).await;
    let detected = app.wait_for_event("emergency.detected").await;
    assert_eq!((&detected["data"]["by"], &detected["data"]["confidence"]), (&json!("dispatchbot"), &json!(0.1)));
    app.wait_for_sms(OWNER, 1).await;
    let sms = app.wait_for_sms(CUSTOMER, 1).await;
    assert_ne!(sms[0].body, "Where is the sink?");
    let told = app.events.nth(1, "conversation.needs_attention", |_| true).await;
    assert_eq!(told["data"]["reason"], "low_confidence");
}

#[tokio::test]
async fn what_is_escalated_is_sent_and_its_window_is_handed_over() {
    let escalated = [("/conversation_stage", json!("escalated"))];
    let app = asked([scripted(&escalated)]).await;
    assert_eq!(app.wait_for_sms(CUSTOMER, 1).await[0].body, "Where is the sink?");
    let told = app.wait_for_event("conversation.needs_attention").await;
    assert_eq!(told["data"]["reason"], "escalated");
    assert_eq!(window_state(&app).await, "handed_over");
    let conversation = app.conversation_of(CUSTOMER).await;
    let id = conversation["id"].as_str().unwrap();
    let explained = app.rest.get(&format!("/conversations/{id}/explain")).await.ok();
    assert!(explained.to_string().contains("wants a person to go on"), "{explained}");
}

#[rstest]
#[case::a_price_of_the_slot(&[("/proposed_slot", json!({
    "slot_id": "s", "start_time": "2027-01-05T14:00:00Z", "end_time": "2027-01-05T16:00:00Z", "duration_minutes": 120,
    "price_min": 9000, "price_max": 9500, "booking_type": "tentative", "travel_time_minutes": 1,
    "requires_confirmation": true,
}))], "price_out_of_range")]
#[case::a_slot_in_the_past(&[("/conversation_stage", json!("complete")), ("/proposed_slot", json!({
    "slot_id": "s", "start_time": "2026-01-05T14:00:00Z", "end_time": "2026-01-05T16:00:00Z", "duration_minutes": 120,
    "price_min": 120, "price_max": 250, "booking_type": "confirmed", "travel_time_minutes": 1,
    "requires_confirmation": false,
}))], "appointment_in_past")]
#[case::a_link(&[("/next_action/message_to_customer", json!("Pay at https://pay.example.net"))], "link_not_allowed")]
#[tokio::test]
async fn the_guards_are_the_same_in_both_dialects(#[case] changes: &[(&str, Value)], #[case] reason: &str) {
    let app = asked([scripted(changes)]).await;
    let told = app.wait_for_event("conversation.needs_attention").await;
    assert_eq!(told["data"]["reason"], reason);
    assert!(app.wait_for_sms(CUSTOMER, 1).await[0].body.contains("received your message"));
    assert_eq!(app.conversation_of(CUSTOMER).await["status"], "ai_handling");
}

#[tokio::test]
async fn an_answer_that_does_not_fit_the_schema_is_asked_for_again_and_never_sent() {
    let odd = scripted(&[("/conversation_stage", json!("asleep"))]);
    let app = asked([odd.clone(), odd]).await;
    let told = app.wait_for_event("conversation.needs_attention").await;
    assert_eq!(told["data"]["reason"], "malformed");
    assert!(app.wait_for_sms(CUSTOMER, 1).await[0].body.contains("received your message"));
    assert_eq!(app.servers.dispatchbot.requests().len(), 2);
}

#[tokio::test]
async fn a_business_without_an_address_is_told_when_it_is_put() {
    let app = App::setup().dialect(DIALECT).start().await;
    let refused = app.rest.put(&format!("/businesses/{BUSINESS}"), &business()).await;
    assert_eq!(refused.status, 400);
    assert!(refused.body.to_string().contains("user_settings.business_address"), "{}", refused.body);
    let mut too_long = business_of_dispatch_bot_ai();
    too_long["user_settings"]["business_address"]["postal_code"] = json!("10118-00001");
    let refused = app.rest.put(&format!("/businesses/{BUSINESS}"), &too_long).await;
    assert_eq!(refused.status, 400);
    assert!(refused.body.to_string().contains("postal_code must not be longer"), "{}", refused.body);
}

#[tokio::test]
async fn entries_that_the_dialect_cannot_say_are_left_out_and_counted() {
    let app = App::setup().dialect(DIALECT).start().await;
    let mut odd = business_of_dispatch_bot_ai();
    odd["job_estimates"].as_array_mut().unwrap().push(json!({ "job_type": "faucet_repair", "min": 100, "max": 200 }));
    odd["calendar"] = json!([{ "title": "Some day" }, { "title": "Heater", "starts_at": "2027-01-05T14:00:00Z" }]);
    app.put_business(BUSINESS, &odd).await;
    app.text(CUSTOMER, "my sink is slow").await;
    app.wait_for_sms(CUSTOMER, 1).await;
    let asked = &app.servers.dispatchbot.requests()[0];
    assert_eq!((asked["problems"].clone(), asked["job_estimates"].as_array().unwrap().len()), (json!([]), 1));
    assert_eq!(asked["existing_calendar"][0]["booking_type"], "blocked");
    for list in ["job_estimates", "calendar"] {
        wait_for_value(&app.rest, &format!("nmc_dispatchbot_left_out_total{{list=\"{list}\"}}"), |n| n == 1.0).await;
    }
    assert_eq!(Scrape::of(&app.rest).await.value("nmc_ai_calls_total{result=\"answered\"}"), 1.0);
}

#[tokio::test]
async fn a_business_with_longer_texts_than_the_dialect_has_is_answered() {
    let app = App::setup().dialect(DIALECT).start().await;
    let mut wordy = business_of_dispatch_bot_ai();
    wordy["job_estimates"][0]["job_type"] = json!("drain_cleaning_".repeat(7));
    wordy["job_estimates"][0]["description"] = json!("Clears a blocked drain. ".repeat(25));
    wordy["calendar"] = json!([{
        "id": "AAMkAGI2".repeat(19), "starts_at": "2027-01-05T14:00:00Z", "job_type": "heater ".repeat(15),
        "location": "12 Elm Street ".repeat(40),
    }]);
    app.put_business(BUSINESS, &wordy).await;
    app.text(CUSTOMER, "my sink is slow").await;
    assert!(app.wait_for_sms(CUSTOMER, 1).await[0].body.contains("Thanks for reaching"));
    let asked = app.servers.dispatchbot.requests();
    assert_eq!((asked.len(), &asked[0]["problems"]), (1, &json!([])));
    assert_eq!(asked[0]["existing_calendar"].as_array().map(Vec::len), Some(1));
}

/// An app that allows private addresses, and a DispatchBot that is a business's own.
async fn with_own(dialect: &str) -> (App, DispatchBotSim) {
    let options = DispatchBotOptions { api_key: "a-key-of-their-own".to_owned(), ..DispatchBotOptions::default() };
    let own = DispatchBotSim::start(options).await.unwrap();
    let settings = [("NMC_TOKEN_KEY", TOKEN_KEY), ("NMC_ALLOW_PRIVATE_DISPATCHBOT", "on")];
    let app = settings.iter().fold(App::setup(), |setup, (name, value)| setup.set(name, value)).start().await;
    let mut theirs = business_of_dispatch_bot_ai();
    theirs["policy"] = json!({
        "dispatchbot": { "url": own.base_url(), "dialect": dialect, "api_key": "a-key-of-their-own" },
    });
    app.put_business(BUSINESS, &theirs).await;
    (app, own)
}

#[rstest]
#[case::in_v1("v1")]
#[case::in_dispatch_bot_ai(DIALECT)]
#[tokio::test]
async fn a_business_with_a_dispatchbot_of_its_own_is_answered_by_it_alone(#[case] dialect: &str) {
    let (app, own) = with_own(dialect).await;
    app.text(CUSTOMER, "my sink is blocked").await;
    let sms = app.wait_for_sms(CUSTOMER, 1).await;
    assert!(sms[0].body.contains("Thanks for reaching Joe's Plumbing"), "{}", sms[0].body);
    assert!(app.servers.dispatchbot.requests().is_empty());
    assert_eq!(own.requests().len(), 1);
    assert_eq!(own.requests()[0]["problems"], json!([]));
}

#[tokio::test]
async fn a_dead_dispatchbot_of_one_business_is_no_trouble_of_the_others() {
    const THEIRS: &str = "smith-plumbing";
    const THEIR_NUMBER: &str = "+15555557001";
    let (app, own) = with_own("v1").await;
    own.add_rule(Rule::always(Fault::Respond(503)));
    let mut other = business();
    other["phone_numbers"] = json!([THEIR_NUMBER]);
    other["forward_to"] = json!("+15555557002");
    app.put_business(THEIRS, &other).await;
    for number in 1..=5 {
        app.text(&customer(number), "my sink is blocked").await;
        assert!(app.wait_for_sms(&customer(number), 1).await[0].body.contains("received your message"));
    }
    let client = app.webhook();
    let sid = nmc_testbed::twilio::new_message_sid();
    client.sms(&sid, CUSTOMER, THEIR_NUMBER, "my sink is blocked").await.unwrap();
    let sms = app.wait_for_sms(CUSTOMER, 1).await;
    assert!(sms[0].body.starts_with("Thanks for reaching"), "{}", sms[0].body);
    eventually("a healthy DispatchBot", async || {
        let health = app.rest.get("/health").await.body;
        (health["services"]["dispatchbot_ai"] == "healthy").then_some(())
    })
    .await;
    app.text(&customer(9), "my sink is blocked").await;
    app.wait_for_sms(&customer(9), 1).await;
    app.settled().await;
    let degraded = app.events.seen().iter().any(|event| event["event_type"] == "service.degraded");
    assert!(!degraded, "the service's own DispatchBot works");
}
