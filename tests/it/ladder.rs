//! Calls to people in an emergency, played by the phones of the Twilio simulator.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use nmc_testbed::sim::Rule;
use nmc_testbed::twilio::{Behaviour, Fault, Phone, PhoneCall, PhoneOptions, Refusal};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{App, BUSINESS, CUSTOMER, OUR_NUMBER, OWNER, business, eventually, spawn_app_with};

const CONTACT: &str = "+15555553333";
const PATIENCE: Duration = Duration::from_secs(30);

/// A service that calls people, with a contact who has confirmed. The phones' time is fast.
async fn app() -> App {
    let settings = [("NMC_WINDOW_HOLD", "120s"), ("NMC_WINDOW_MAX", "180s"), ("NMC_ALERT_EVERY", "60s")];
    let app = spawn_app_with(&settings).await;
    app.servers.twilio.set_phone_options(PhoneOptions { second: Duration::from_millis(20), ..PhoneOptions::default() });
    put(&app, true).await;
    confirm(&app).await;
    app
}

async fn put(app: &App, voice_ladder: bool) {
    let mut document = business();
    document["emergency_contacts"] = json!([CONTACT]);
    document["policy"] = json!({ "voice_ladder": voice_ladder });
    app.put_business(BUSINESS, &document).await;
}

/// The contact answers the code that it was sent.
async fn confirm(app: &App) {
    let sms = app.wait_for_sms(CONTACT, 1).await;
    let code: String = sms[0].body.split_once("answer ").unwrap().1.chars().take(6).collect();
    app.text(CONTACT, &code).await;
    let mut sql = app.servers.sql().await;
    eventually("the contact has confirmed", async || {
        let confirmed: i64 =
            sqlx::query_scalar("SELECT count(*) FROM confirmed_phones").fetch_one(&mut sql).await.unwrap();
        (confirmed == 1).then_some(())
    })
    .await;
}

async fn calls(app: &App, enough: impl Fn(&[PhoneCall]) -> bool) -> Vec<PhoneCall> {
    app.servers.twilio.wait_for_phone_calls(enough, PATIENCE).await.unwrap()
}

async fn event(app: &App, event_type: &str, of: impl Fn(&Value) -> bool) -> Value {
    eventually(event_type, async || {
        app.events.log().await.into_iter().find(|event| event["event_type"] == event_type && of(event))
    })
    .await
}

/// Our ids of the first call and of its conversation, once Twilio has accepted it.
async fn first_call(app: &App) -> (String, String) {
    let rings = event(app, "emergency.call", |event| event["data"]["outcome"].is_null()).await;
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    (word(&rings["data"]["call_id"]), word(&rings["conversation_id"]))
}

/// A person who presses these keys, and stays for longer than a busy machine takes to answer.
fn presses(keys: &str) -> Phone {
    Phone { behaviour: Behaviour::Presses(keys.to_owned()), talks_for: 300.0, ..Phone::default() }
}

fn called(calls: &[PhoneCall]) -> Vec<&str> {
    calls.iter().map(|call| call.to.as_str()).collect()
}

#[tokio::test]
async fn the_owner_does_not_answer_and_the_contact_takes_it() {
    let app = app().await;
    app.servers.twilio.set_phone(CONTACT, presses("1"));
    let texted_at = Utc::now();
    app.text(CUSTOMER, "Basement flooding!").await;
    let taken = event(&app, "conversation.user_taken", |_| true).await;
    assert_eq!(taken["data"]["by"], format!("phone:{CONTACT}"));
    assert_eq!(taken["data"]["reason"], "alert_answered_by_call");
    let sms = eventually("the customer is informed", async || {
        app.sms_to(CUSTOMER).into_iter().find(|sms| sms.body.contains("is on it"))
    })
    .await;
    assert!(sms.body.starts_with("A person at Joe's Plumbing"), "{}", sms.body);
    let told = eventually("the owner is informed", async || {
        app.sms_to(OWNER).into_iter().find(|sms| sms.body.contains("is taken, by"))
    })
    .await;
    assert!(told.body.contains(CONTACT) && told.body.contains(CUSTOMER), "{}", told.body);
    let calls = calls(&app, |calls| calls.iter().all(PhoneCall::is_over)).await;
    assert_eq!(called(&calls), [OWNER, CONTACT]);
    assert!(calls[0].began_at - texted_at <= TimeDelta::seconds(3), "{}", calls[0].began_at - texted_at);
    assert_eq!((calls[0].status.as_str(), calls[0].from.as_str()), ("no-answer", OUR_NUMBER));
    assert!(calls[1].heard[0].contains("Basement flooding!") && calls[1].heard[0].contains("1 2 1 2 5 5 5 1 2 3 4"));
    let answer = calls[1].heard.iter().find(|said| said.contains("You have it")).unwrap();
    assert!(answer.contains("The number is 1 2 1 2 5 5 5 1 2 3 4."), "{answer}");
    let alert = app.sms_to(CONTACT).into_iter().find(|sms| sms.body.starts_with("EMERGENCY for")).unwrap();
    assert!(alert.body.contains(CUSTOMER), "{}", alert.body);
    assert_eq!(app.servers.twilio.take_twiml_faults(), []);
    let conversation = app.conversation_of(CUSTOMER).await;
    assert_eq!(conversation["ownership"], "user");
    let id = conversation["id"].as_str().unwrap();
    let audit = app.rest.get(&format!("/conversations/{id}/audit?limit=200")).await.ok().to_string();
    assert!(audit.contains("took_the_emergency") && !audit.contains(CONTACT), "{audit}");
}

#[rstest]
#[case::a_voicemail(Behaviour::Voicemail, "completed")]
#[case::busy(Behaviour::Busy, "busy")]
#[case::two_is_pressed(Behaviour::Presses("2".to_owned()), "passed")]
#[case::silence(Behaviour::IsSilent, "completed")]
#[tokio::test]
async fn whoever_does_not_take_it_is_called_twice_and_then_nobody(#[case] owner: Behaviour, #[case] outcome: &str) {
    let app = app().await;
    app.servers.twilio.set_phone(OWNER, Phone { talks_for: 300.0, ..owner.into() });
    app.text(CUSTOMER, "Basement flooding!").await;
    let unanswered = event(&app, "emergency.unanswered", |_| true).await;
    assert_eq!(unanswered["data"]["calls"], 4);
    let calls = calls(&app, |calls| calls.len() == 4).await;
    assert_eq!(called(&calls), [OWNER, CONTACT, OWNER, CONTACT]);
    event(&app, "emergency.call", |event| event["data"]["outcome"] == outcome).await;
    assert_eq!(app.servers.twilio.take_twiml_faults(), []);
}

#[rstest]
#[case::a_digit("71")]
#[case::a_star("*1")]
#[tokio::test]
async fn a_wrong_key_is_asked_again(#[case] keys: &str) {
    let app = app().await;
    app.servers.twilio.set_phone(OWNER, presses(keys));
    app.text(CUSTOMER, "Basement flooding!").await;
    let taken = event(&app, "conversation.user_taken", |_| true).await;
    assert_eq!(taken["data"]["by"], business()["user_id"]);
}

#[tokio::test]
async fn a_call_whose_outcome_is_not_known_is_placed_again() {
    let app = app().await;
    app.servers.twilio.set_phone(OWNER, presses("1"));
    let fault = Fault::Call(Box::new(Fault::Respond(Refusal::status(503))));
    app.servers.twilio.add_rule(Rule::next(1, fault).to(OWNER));
    app.text(CUSTOMER, "Basement flooding!").await;
    event(&app, "conversation.user_taken", |_| true).await;
    assert_eq!(called(&calls(&app, |calls| !calls.is_empty()).await), [OWNER]);
}

/// Twilio has placed the call, and its answer is lost: a call too many is allowed, a lost one is not.
#[tokio::test]
async fn a_call_that_was_placed_without_an_answer_may_be_placed_again_and_is_taken_once() {
    let app = app().await;
    app.servers.twilio.set_phone(OWNER, presses("1"));
    app.servers.twilio.add_rule(Rule::next(1, Fault::Call(Box::new(Fault::DropAfter))).to(OWNER));
    app.text(CUSTOMER, "Basement flooding!").await;
    event(&app, "conversation.user_taken", |_| true).await;
    let calls = calls(&app, |calls| !calls.is_empty() && calls.iter().all(PhoneCall::is_over)).await;
    assert!(called(&calls).iter().all(|phone| *phone == OWNER) && calls.len() <= 2, "{:?}", called(&calls));
    app.settled().await;
    let log = app.events.log().await;
    assert_eq!(log.iter().filter(|event| event["event_type"] == "conversation.user_taken").count(), 1);
}

#[tokio::test]
async fn a_phone_that_opted_out_of_texts_hears_so_and_the_customers_number() {
    let app = app().await;
    app.text(OWNER, "STOP").await;
    let shown = async || app.rest.get(&format!("/businesses/{BUSINESS}")).await.ok();
    eventually("the opt-out", async || (shown().await["opted_out_phones"] == json!([OWNER])).then_some(())).await;
    app.servers.twilio.set_phone(OWNER, presses("1"));
    app.text(CUSTOMER, "Basement flooding!").await;
    event(&app, "conversation.user_taken", |_| true).await;
    let calls = calls(&app, |calls| !calls.is_empty() && calls.iter().all(PhoneCall::is_over)).await;
    let heard = calls[0].heard.join(" ");
    assert!(heard.contains("Text START to our number") && heard.contains("The number is 1 2 1 2"), "{heard}");
}

#[tokio::test]
async fn a_contact_who_has_not_confirmed_is_not_called() {
    let app = app().await;
    let mut sql = app.servers.sql().await;
    sqlx::query("DELETE FROM confirmed_phones").execute(&mut sql).await.unwrap();
    app.text(CUSTOMER, "Basement flooding!").await;
    event(&app, "emergency.unanswered", |_| true).await;
    let calls = calls(&app, |calls| calls.len() == 2).await;
    assert_eq!(called(&calls), [OWNER, OWNER]);
    event(&app, "emergency.call", |event| event["data"]["outcome"] == "not_confirmed").await;
}

#[tokio::test]
async fn a_phone_gets_no_more_than_six_calls_in_an_hour() {
    let app = app().await;
    for (number, count) in [("+12125550001", 1), ("+12125550002", 2), ("+12125550003", 3), ("+12125550004", 4)] {
        app.text(number, "Basement flooding!").await;
        eventually("nobody has taken it", async || {
            let log = app.events.log().await;
            let unanswered = log.iter().filter(|event| event["event_type"] == "emergency.unanswered").count();
            (unanswered == count).then_some(())
        })
        .await;
    }
    let all = calls(&app, |calls| calls.len() >= 12).await;
    for phone in [OWNER, CONTACT] {
        assert_eq!(all.iter().filter(|call| call.to == phone).count(), 6, "{phone}");
    }
    event(&app, "emergency.call", |event| event["data"]["outcome"] == "capped").await;
}

#[tokio::test]
async fn a_phone_that_is_answered_too_late_hears_what_is_left_to_do() {
    let app = app().await;
    app.text(CUSTOMER, "Basement flooding!").await;
    let (call_id, id) = first_call(&app).await;
    let ask = async |path: &str, digits: &str| {
        let url = format!("/webhooks/twilio/ladder/{call_id}{path}?conversation_id={id}");
        app.webhook().post(&url, &[("CallSid", "CA1"), ("Digits", digits)]).await.unwrap().body
    };
    event(&app, "emergency.unanswered", |_| true).await;
    let passed = ask("/digit", "2").await;
    assert!(passed.contains("Nobody else is called."), "{passed}");
    let report = json!({ "user_id": "user-joe" });
    app.rest.send(Method::POST, &format!("/conversations/{id}/false-alarm"), Some(&report)).await.ok();
    for said in [ask("", "").await, ask("/digit", "1").await] {
        assert!(said.contains("This emergency is over."), "{said}");
    }
    app.settled().await;
    assert_ne!(app.conversation_of(CUSTOMER).await["ownership"], "user", "nobody has taken it");
}

#[tokio::test]
async fn general_words_are_said_while_postgresql_is_away() {
    let app = app().await;
    app.text(CUSTOMER, "Basement flooding!").await;
    let (call_id, id) = first_call(&app).await;
    let path = format!("/webhooks/twilio/ladder/{call_id}?conversation_id={id}");
    let known = app.webhook().post(&path, &[("CallSid", "CA1")]).await.unwrap();
    assert!(known.body.contains("Basement flooding!"), "{}", known.body);
    app.servers.database.take_away().await.unwrap();
    let general = app.webhook().post(&path, &[("CallSid", "CA1")]).await.unwrap();
    assert!(general.status == 200 && general.body.contains("Press 1 to take it"), "{}", general.body);
    assert!(!general.body.contains("Basement"), "{}", general.body);
}

#[tokio::test]
async fn without_the_setting_nobody_is_called() {
    let app = app().await;
    put(&app, false).await;
    app.text(CUSTOMER, "Basement flooding!").await;
    app.wait_for_sms(OWNER, 1).await;
    app.settled().await;
    assert!(app.servers.twilio.phone_calls().is_empty());
}
