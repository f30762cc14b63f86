//! Emergencies over HTTP: no waiting, and people are alerted.

use std::time::Duration;

use nmc_testbed::dispatchbot::Fault;
use nmc_testbed::sim::{Rule, Span};
use reqwest::Method;
use rstest::rstest;
use serde_json::json;

use crate::harness::{App, BUSINESS, CUSTOMER, OWNER, business, spawn_app_with};

const CONTACTS: [&str; 2] = ["+15555553333", "+15555554444"];

/// Starts a service with long windows: anything that happens soon is not caused by the end of a window.
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
    app.text(CUSTOMER, "Basement flooding!").await;
    let sms = app.wait_for_sms(CUSTOMER, 1).await;
    assert!(sms[0].body.contains("911"), "{}", sms[0].body);
    app.wait_for_event("conversation.needs_attention").await;
}

#[tokio::test]
async fn the_owner_and_then_the_contacts_are_told_and_none_of_it_is_in_the_conversation() {
    let app = app_with_contacts("500ms").await;
    app.text(CUSTOMER, "Basement flooding!").await;
    let owner = app.wait_for_sms(OWNER, 1).await;
    assert!(owner[0].body.contains(CUSTOMER) && owner[0].body.contains("Basement flooding"), "{}", owner[0].body);
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

#[tokio::test]
async fn who_is_in_danger_of_life_gets_a_notice_beside_the_answer_and_the_verdict_is_kept() {
    let app = app_with_contacts("300ms").await;
    let sid = app.text(CUSTOMER, "huele a gas en la cocina").await;
    let sms = app.wait_for_sms(CUSTOMER, 2).await;
    let notices = sms.iter().filter(|sms| sms.body.contains("911") && sms.body.contains("salgan todos")).count();
    assert_eq!(notices, 1, "{sms:?}");
    app.settled().await;
    assert_eq!(app.sms_to(CUSTOMER).len(), 2);
    let event = app.wait_for_event("emergency.detected").await;
    assert_eq!((&event["data"]["by"], &event["data"]["life_safety"]), (&json!("words"), &json!("gas")));
    let message = app.rest.get(&format!("/messages?twilio_sid={sid}")).await.ok();
    let verdict = &message["emergency"];
    assert_eq!((&verdict["life_safety"], &verdict["language"]), (&json!("gas"), &json!("es")));
    assert_eq!((&verdict["rule"], &verdict["accepted"]), (&event["data"]["rule"], &json!(true)));
    assert_eq!(verdict["reasons"], event["data"]["reasons"]);
    let words = verdict["reasons"][0]["words"].to_string();
    assert!(words.contains("gas"), "in the customer's own words: {words}");
    let listed = app.messages_of(CUSTOMER).await;
    assert_eq!(listed.iter().filter(|message| message["emergency"].is_object()).count(), 1);
}

#[tokio::test]
async fn a_false_alarm_counts_against_the_rule_and_stops_the_alerts() {
    let app = app_with_contacts("6s").await;
    app.text(CUSTOMER, "Basement flooding!").await;
    app.wait_for_sms(OWNER, 1).await;
    let id = app.conversation_of(CUSTOMER).await["id"].as_str().unwrap().to_owned();
    let path = format!("/conversations/{id}/false-alarm");
    let unusable = app.rest.send(Method::POST, &path, Some(&json!({ "user_id": "" }))).await;
    assert_eq!((unusable.status, &unusable.body["error"]["details"][0]["field"]), (400, &json!("user_id")));
    let marked = app.rest.send(Method::POST, &path, Some(&json!({ "user_id": "u1" }))).await.ok();
    assert_eq!((&marked["emergency_detected"], &marked["urgency_level"]), (&json!(false), &json!("normal")));
    let again = app.rest.send(Method::POST, &path, Some(&json!({ "user_id": "u1" }))).await;
    assert_eq!((again.status, again.error_code()), (409, "CONFLICT"));
    let rules = app.rest.get(&format!("/businesses/{BUSINESS}/emergency-rules")).await.ok();
    let [rule] = &rules["rules"].as_array().unwrap()[..] else { panic!("{rules}") };
    assert_eq!((&rule["verdicts"], &rule["false_alarms"]), (&json!(1), &json!(1)));
    let verdict = app.messages_of(CUSTOMER).await[0]["emergency"].clone();
    assert_eq!(verdict["rule"], rule["rule"]);
    assert!(verdict["false_alarm_at"].is_string(), "{verdict}");
    let metrics = app.rest.get("/metrics").await.ok();
    assert_eq!((&metrics["emergencies"]["verdicts"], &metrics["emergencies"]["false_alarms"]), (&json!(1), &json!(1)));
    app.settled().await;
    assert!(app.sms_to(CONTACTS[0]).is_empty());
}

#[rstest]
#[case::a_phrase_of_its_own(json!({ "added": ["pump is off"] }), "our pump is off again", true)]
#[case::a_muted_phrase(json!({ "muted": ["flooding"] }), "basement flooding", false)]
#[case::none_are_taken(json!({ "accepted": false }), "basement flooding", false)]
#[case::danger_to_life_cannot_be_muted(json!({ "muted": ["gas leak"] }), "gas leak in house", true)]
#[case::nor_turned_down(json!({ "accepted": false }), "gas leak in house", true)]
#[tokio::test]
async fn a_business_has_its_own_say_in_what_is_an_emergency(
    #[case] settings: serde_json::Value,
    #[case] text: &str,
    #[case] emergency: bool,
) {
    let app = spawn_app_with(&[("NMC_WINDOW_HOLD", "200ms")]).await;
    let mut ours = business();
    ours["user_settings"] = json!({ "emergencies": settings });
    app.put_business(BUSINESS, &ours).await;
    app.text(CUSTOMER, text).await;
    let asked = app.wait_for_questions(1).await;
    assert_eq!(asked[0]["priority"] == "emergency", emergency, "{}", asked[0]);
}

#[tokio::test]
async fn settings_of_emergencies_that_cannot_be_read_are_told() {
    let app = spawn_app_with(&[]).await;
    let mut ours = business();
    ours["user_settings"] = json!({ "emergencies": { "accept": true } });
    let answer = app.rest.send(Method::PUT, &format!("/businesses/{BUSINESS}"), Some(&ours)).await;
    assert_eq!(
        (answer.status, &answer.body["error"]["details"][0]["field"]),
        (400, &json!("user_settings.emergencies"))
    );
}

#[tokio::test]
async fn what_two_texts_tell_together_is_an_emergency() {
    let app = app_with_contacts("60s").await;
    app.text(CUSTOMER, "water heater").await;
    app.text(CUSTOMER, "it's all over the floor").await;
    let asked = app.wait_for_questions(1).await;
    assert_eq!(asked[0]["priority"], "emergency");
    assert_eq!(asked[0]["messages"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn where_dispatchbot_sees_no_emergency_in_one_the_disagreement_is_told_and_counted() {
    let app = app_with_contacts("60s").await;
    app.servers.dispatchbot.script([json!({
        "success": true, "job_type": "drain_cleaning", "urgency_level": "normal", "emergency_detected": false,
        "message_to_customer": "We can come on Friday.", "confidence": 0.9,
    })]);
    app.text(CUSTOMER, "Basement flooding!").await;
    let told =
        app.events.nth(1, "conversation.needs_attention", |e| e["data"]["reason"] == "emergency_disagreement").await;
    assert_eq!((&told["data"]["by"], &told["data"]["disagreement"]), (&json!("words"), &json!(true)));
    let metrics = app.rest.get("/metrics").await.ok();
    assert_eq!(metrics["emergencies"]["disagreements"], json!({ "words": 1, "dispatchbot": 0 }));
    assert_eq!(app.conversation_of(CUSTOMER).await["emergency_detected"], true);
}
