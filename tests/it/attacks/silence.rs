//! Texts that ask, or may ask, for silence and report an emergency, and refusals that Twilio reports late.

use nmc_testbed::sim::Rule;
use nmc_testbed::twilio::Fault;
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{App, BUSINESS, CUSTOMER, OWNER, business, eventually, spawn_app_with};

const CONTACT: &str = "+15555553333";

async fn app_with_a_contact(alert_every: &str) -> App {
    let app = spawn_app_with(&[("NMC_ALERT_EVERY", alert_every)]).await;
    let mut with_contact = business();
    with_contact["emergency_contacts"] = json!([CONTACT]);
    app.put_business(BUSINESS, &with_contact).await;
    app
}

async fn attention(app: &App, reason: &str) -> Value {
    app.events.nth(1, "conversation.needs_attention", |event| event["data"]["reason"] == reason).await
}

async fn undelivered_with_21610(app: &App, to: &str) {
    let fault = Fault::Deliver { status: "failed".to_owned(), error_code: Some(21610) };
    app.servers.twilio.add_rule(Rule::next(1, fault).to(to));
}

#[rstest]
#[case::gas("I smell gas, don't text me, call me", "did NOT tell them")]
#[case::water("Basement is flooding!! do not text me, just call", "did NOT answer them")]
#[tokio::test]
async fn an_emergency_in_a_text_that_asks_for_silence_is_told_to_everybody_but_the_customer(
    #[case] words: &str,
    #[case] said: &str,
) {
    let app = app_with_a_contact("300ms").await;
    let sid = app.text(CUSTOMER, words).await;
    app.wait_for_event("conversation.opted_out").await;
    app.wait_for_event("emergency.detected").await;
    attention(&app, "opted_out_call_them").await;
    for number in [OWNER, CONTACT] {
        let alert = app.wait_for_sms(number, 1).await;
        assert!(alert[0].body.contains(said) && alert[0].body.contains(CUSTOMER), "{}", alert[0].body);
    }
    app.settled().await;
    assert!(app.sms_to(CUSTOMER).is_empty() && app.servers.dispatchbot.requests().is_empty());
    let message = app.rest.get(&format!("/messages?twilio_sid={sid}")).await.ok();
    assert!(message["emergency"].is_object(), "{message}");
    assert_eq!(app.conversation_of(CUSTOMER).await["opted_out"], true);
}

#[tokio::test]
async fn a_request_that_sounds_like_an_opt_out_gets_its_notice() {
    let app = app_with_a_contact("60s").await;
    app.text(CUSTOMER, "Stop sending me to voicemail!! my kitchen is on fire").await;
    let sms = app.wait_for_sms(CUSTOMER, 1).await;
    assert!(sms.iter().any(|sms| sms.body.contains("911")), "{sms:?}");
    app.wait_for_sms(OWNER, 1).await;
    assert_eq!(app.conversation_of(CUSTOMER).await["opted_out"], false);
}

#[rstest]
#[case::punctuated("END.")]
#[case::hyphenated("opt-out")]
#[case::in_spanish("No más mensajes")]
#[case::above_a_signature("STOP\n\nSent from my iPhone")]
#[tokio::test]
async fn an_opt_out_is_understood_however_it_is_written(#[case] words: &str) {
    let app = spawn_app_with(&[]).await;
    app.text(CUSTOMER, words).await;
    app.wait_for_event("conversation.opted_out").await;
    attention(&app, "opted_out_call_them").await;
    app.miss_call(CUSTOMER).await;
    app.wait_for_event("call.missed").await;
    app.settled().await;
    assert!(app.sms_to(CUSTOMER).is_empty());
}

#[tokio::test]
async fn a_doubtful_text_is_left_to_a_person_with_all_of_its_window() {
    let app = spawn_app_with(&[("NMC_WINDOW_HOLD", "3s"), ("NMC_WINDOW_MAX", "4s")]).await;
    app.text(CUSTOMER, "my sink is blocked").await;
    app.wait_for_event("message.received").await;
    app.text(CUSTOMER, "stop it").await;
    let told = attention(&app, "possible_opt_out").await;
    let conversation = app.conversation_of(CUSTOMER).await;
    let path = format!("/conversations/{}/explain", conversation["id"].as_str().unwrap());
    let windows = app.rest.get(&path).await.ok()["windows"].clone();
    let [window] = &windows.as_array().unwrap()[..] else { panic!("{windows}") };
    assert_eq!((&window["window_id"], &window["state"]), (&told["data"]["window_id"], &json!("handed_over")));
    assert!(window.to_string().contains("may want no more texts"), "{window}");
    app.settled().await;
    assert!(app.sms_to(CUSTOMER).is_empty() && app.servers.dispatchbot.requests().is_empty());
    assert_eq!(conversation["opted_out"], false);
    let mut sql = app.servers.sql().await;
    let entered: i64 = sqlx::query_scalar("SELECT count(*) FROM opt_outs").fetch_one(&mut sql).await.unwrap();
    assert_eq!(entered, 0);
}

#[tokio::test]
async fn what_is_asked_after_a_doubtful_text_is_answered() {
    let app = spawn_app_with(&[]).await;
    app.text(CUSTOMER, "wrong number").await;
    attention(&app, "possible_opt_out").await;
    app.text(CUSTOMER, "Sorry, I do need you: my sink is blocked").await;
    app.wait_for_sms(CUSTOMER, 1).await;
    let asked = app.servers.dispatchbot.requests();
    assert_eq!(asked.len(), 1);
}

#[tokio::test]
async fn a_refusal_for_an_opt_out_that_comes_in_a_callback_enters_the_ledger() {
    let app = spawn_app_with(&[]).await;
    undelivered_with_21610(&app, CUSTOMER).await;
    app.miss_call(CUSTOMER).await;
    let event = app.wait_for_event("conversation.opted_out").await;
    assert_eq!(event["data"]["by"], "carrier");
    app.text(CUSTOMER, "hello?").await;
    attention(&app, "opted_out").await;
    app.settled().await;
    assert_eq!(app.sms_to(CUSTOMER).len(), 1, "the one that was refused, and no more");
}

#[tokio::test]
async fn an_owner_who_has_opted_out_is_seen_in_health_and_by_the_next_contact() {
    // A long interval, so that no contact is alerted by the timer.
    let app = app_with_a_contact("1h").await;
    let alerts = async || app.rest.get("/health").await.ok()["details"]["alerts"].clone();
    assert_eq!(alerts().await, json!({ "unreachable": 0, "opted_out": 0 }));
    undelivered_with_21610(&app, OWNER).await;
    app.text(CUSTOMER, "Basement flooding!").await;
    let failed = attention(&app, "alert_failed").await;
    assert_eq!(failed["data"]["error_code"], 21610);
    let next = app.wait_for_sms(CONTACT, 1).await;
    assert!(next[0].body.contains("could not reach the owner"), "{}", next[0].body);
    let unreachable = json!({ "unreachable": 1, "opted_out": 1 });
    eventually("the alert that reached nobody", async || (alerts().await == unreachable).then_some(())).await;
    let health = app.rest.get("/health").await.ok();
    assert!(!health.to_string().contains("+1555") && health["status"] == "healthy", "{health}");
    // The customer is answered as usual.
    app.wait_for_sms(CUSTOMER, 1).await;
    assert_eq!(app.conversation_of(CUSTOMER).await["opted_out"], false);
    let mut sql = app.servers.sql().await;
    let entered: i64 = sqlx::query_scalar("SELECT count(*) FROM opt_outs").fetch_one(&mut sql).await.unwrap();
    assert_eq!(entered, 0, "an owner's opt-out is nothing of the customer's");
}
