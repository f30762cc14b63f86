//! Phones set with a key without the scope `numbers` take effect only after they have answered a code.

use std::sync::atomic::{AtomicU32, Ordering};

use nevermisscall::internals::{CodeAnswer, PhoneAnswer, Store};
use nmc_testbed::sim::Rule;
use nmc_testbed::twilio::{Fault, Refusal, SentMessage, new_call_sid};
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{
    App, BUSINESS, CUSTOMER, OUR_NUMBER, OWNER, PATIENCE, Rest, business, customer, eventually, spawn_app,
};

const NEW_PHONE: &str = "+15555554444";
const PATH: &str = "/businesses/joes-plumbing";

fn forwards_to(phone: &str) -> Value {
    let mut put = business();
    put["forward_to"] = json!(phone);
    put
}

/// A service, and a key without the scope.
async fn app_and_key() -> (App, Rest) {
    let app = spawn_app().await;
    let (_, key) = app.key(Some(&[BUSINESS]), true).await;
    (app, key)
}

/// The code from the `count`th text that asks this phone for confirmation.
async fn code(app: &App, phone: &str, count: usize) -> String {
    let asks = |sms: &SentMessage| sms.to == phone && sms.body.contains("NeverMissCall");
    let all = app.servers.twilio.wait_for(|all| all.iter().filter(|sms| asks(sms)).count() >= count, PATIENCE).await;
    let sms = all.unwrap().into_iter().filter(asks).nth(count - 1).unwrap();
    assert!(sms.body.contains("Joe's Plumbing") && sms.from == OUR_NUMBER, "{}", sms.body);
    let digits = sms.body.split(|c: char| !c.is_ascii_digit()).find(|run| run.len() == 6);
    digits.unwrap_or_else(|| panic!("{}", sms.body)).to_owned()
}

fn wrong(code: &str) -> String {
    let next = (code.parse::<u32>().unwrap() + 1) % 1_000_000;
    format!("{next:06}")
}

async fn forward_to(app: &App) -> Value {
    app.rest.get(PATH).await.ok()["forward_to"].clone()
}

/// Waits until calls are forwarded to this phone. Each call has a new caller, to avoid loop detection.
async fn calls_go_to(app: &App, phone: &str) {
    let callers = AtomicU32::new(0);
    eventually("calls go there", async || {
        let caller = customer(callers.fetch_add(1, Ordering::Relaxed));
        let answer = app.webhook().incoming_call(&new_call_sid(), &caller, OUR_NUMBER, "ringing").await.unwrap();
        answer.body.contains(phone).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_new_forward_to_counts_once_its_phone_has_answered_and_the_old_one_holds_until_then() {
    let (app, key) = app_and_key().await;
    let shown = key.put(PATH, &forwards_to(NEW_PHONE)).await.ok();
    assert_eq!(shown["forward_to"], OWNER);
    let pending = &shown["pending_phones"][0];
    assert_eq!((&pending["field"], &pending["phone"]), (&json!("forward_to"), &json!(NEW_PHONE)));
    let code = code(&app, NEW_PHONE, 1).await;
    calls_go_to(&app, OWNER).await;
    app.text(NEW_PHONE, &format!("The code is {code}")).await;
    calls_go_to(&app, NEW_PHONE).await;
    let shown = app.rest.get(PATH).await.ok();
    assert_eq!((&shown["forward_to"], &shown["pending_phones"]), (&json!(NEW_PHONE), &json!([])));
    app.settled().await;
    assert!(app.conversations_of(NEW_PHONE).await.is_empty(), "it is no customer's message");
    assert_eq!(app.stored("NMC_DEAD").await.len(), 0);
    // Putting the same value again sends no code.
    assert_eq!(key.put(PATH, &forwards_to(NEW_PHONE)).await.ok()["pending_phones"], json!([]));
    let mut sql = app.servers.sql().await;
    let rows: Vec<String> =
        sqlx::query_scalar("SELECT to_jsonb(p)::text FROM phone_codes p").fetch_all(&mut sql).await.unwrap();
    assert!(rows.len() == 1 && !rows[0].contains(&code), "{rows:?}");
}

#[tokio::test]
async fn a_key_with_the_scope_is_believed() {
    let app = spawn_app().await;
    let (_, key) = app.key_with(Some(&[BUSINESS]), true, true).await;
    assert_eq!(key.put(PATH, &forwards_to(NEW_PHONE)).await.ok()["forward_to"], NEW_PHONE);
    app.settled().await;
    assert!(app.sms_to(NEW_PHONE).is_empty());
}

#[tokio::test]
async fn contacts_that_are_new_wait_and_those_that_are_out_are_out_at_once() {
    let (app, key) = app_and_key().await;
    let mut put = business();
    put["emergency_contacts"] = json!(["+15555553331", "+15555553332"]);
    app.put_business(BUSINESS, &put).await;
    put["emergency_contacts"] = json!(["+15555553332", NEW_PHONE]);
    let shown = key.put(PATH, &put).await.ok();
    assert_eq!(shown["emergency_contacts"], json!(["+15555553332"]));
    assert_eq!(shown["pending_phones"][0]["field"], "emergency_contacts");
    let code = code(&app, NEW_PHONE, 1).await;
    // Meanwhile an emergency alert goes to the confirmed phones.
    app.text(CUSTOMER, "The basement is flooding").await;
    app.wait_for_sms(OWNER, 1).await;
    app.text(NEW_PHONE, &code).await;
    eventually("the contact counts", async || {
        let shown = app.rest.get(PATH).await.ok();
        (shown["emergency_contacts"] == json!(["+15555553332", NEW_PHONE])).then_some(())
    })
    .await;
    // After it moves to another field, it needs no new code.
    put["forward_to"] = json!(NEW_PHONE);
    assert_eq!(key.put(PATH, &put).await.ok()["forward_to"], NEW_PHONE);
    assert_eq!(app.sms_to(NEW_PHONE).len(), 1);
}

#[tokio::test]
async fn five_wrong_answers_and_the_right_one_counts_no_more() {
    let (app, key) = app_and_key().await;
    key.put(PATH, &forwards_to(NEW_PHONE)).await.ok();
    let right = code(&app, NEW_PHONE, 1).await;
    for _ in 0..5 {
        app.text(NEW_PHONE, &wrong(&right)).await;
    }
    eventually("all are counted", async || {
        let shown = app.rest.get(PATH).await.ok();
        (shown["pending_phones"][0]["state"] == "expired").then_some(())
    })
    .await;
    app.text(NEW_PHONE, &right).await;
    app.settled().await;
    assert_eq!(forward_to(&app).await, OWNER);
    // A new PUT, a new code.
    key.put(PATH, &forwards_to(NEW_PHONE)).await.ok();
    let code = code(&app, NEW_PHONE, 2).await;
    app.text(NEW_PHONE, &code).await;
    calls_go_to(&app, NEW_PHONE).await;
}

#[tokio::test]
async fn a_text_that_holds_many_codes_tries_one() {
    let (app, key) = app_and_key().await;
    key.put(PATH, &forwards_to(NEW_PHONE)).await.ok();
    let right = code(&app, NEW_PHONE, 1).await;
    app.text(NEW_PHONE, &format!("{} {right}", wrong(&right))).await;
    app.settled().await;
    assert_eq!(forward_to(&app).await, OWNER);
}

#[rstest]
#[case::another_phone(CUSTOMER, true)]
#[case::too_late(NEW_PHONE, false)]
#[tokio::test]
async fn a_code_counts_from_its_own_phone_and_in_time(#[case] from: &str, #[case] in_time: bool) {
    let (app, key) = app_and_key().await;
    key.put(PATH, &forwards_to(NEW_PHONE)).await.ok();
    let code = code(&app, NEW_PHONE, 1).await;
    if !in_time {
        let mut sql = app.servers.sql().await;
        let half_an_hour_passes = "UPDATE phone_codes SET expires_at = expires_at - interval '30 minutes'";
        sqlx::query(half_an_hour_passes).execute(&mut sql).await.unwrap();
    }
    app.text(from, &code).await;
    app.conversation_of(from).await; // an ordinary message of a customer
    assert_eq!(forward_to(&app).await, OWNER);
}

#[tokio::test]
async fn what_is_taken_back_is_not_waited_for() {
    let (app, key) = app_and_key().await;
    key.put(PATH, &forwards_to(NEW_PHONE)).await.ok();
    let code = code(&app, NEW_PHONE, 1).await;
    assert_eq!(key.put(PATH, &business()).await.ok()["pending_phones"], json!([]));
    app.text(NEW_PHONE, &code).await;
    app.conversation_of(NEW_PHONE).await;
    assert_eq!(forward_to(&app).await, OWNER);
}

#[tokio::test]
async fn an_emergency_beside_the_code_is_told() {
    let (app, key) = app_and_key().await;
    key.put(PATH, &forwards_to(NEW_PHONE)).await.ok();
    let code = code(&app, NEW_PHONE, 1).await;
    app.text(NEW_PHONE, &format!("{code} and I smell gas")).await;
    app.wait_for_event_of(NEW_PHONE, 1, "emergency.detected").await;
    calls_go_to(&app, NEW_PHONE).await;
}

#[tokio::test]
async fn the_same_answer_again_changes_nothing_more() {
    let (app, key) = app_and_key().await;
    key.put(PATH, &forwards_to(NEW_PHONE)).await.ok();
    let code = code(&app, NEW_PHONE, 1).await;
    let sid = app.text(NEW_PHONE, &code).await;
    calls_go_to(&app, NEW_PHONE).await;
    // JetStream drops the duplicate webhook; once it has forgotten the id, the duplicate reaches the store.
    let store = Store::owner(app.servers.database_url()).unwrap();
    let phone = NEW_PHONE.parse().unwrap();
    let again = CodeAnswer { business_id: BUSINESS, phone: &phone, message_sid: &sid, code: &code };
    assert_eq!(store.phone_answered(&again).await.unwrap(), PhoneAnswer::Right { now: false });
    let another = CodeAnswer { message_sid: "SManother", ..again };
    assert_eq!(store.phone_answered(&another).await.unwrap(), PhoneAnswer::NotAsked);
}

#[tokio::test]
async fn a_phone_gets_five_codes_in_a_day_and_the_same_put_again_sends_none() {
    let (app, key) = app_and_key().await;
    for count in 1..=5 {
        key.put(PATH, &forwards_to(NEW_PHONE)).await.ok();
        code(&app, NEW_PHONE, count).await;
        key.put(PATH, &forwards_to(NEW_PHONE)).await.ok();
        key.put(PATH, &business()).await.ok();
    }
    let shown = key.put(PATH, &forwards_to(NEW_PHONE)).await.ok();
    assert_eq!(shown["pending_phones"][0]["state"], "too_many");
    app.settled().await;
    assert_eq!(app.sms_to(NEW_PHONE).len(), 5);
}

#[tokio::test]
async fn a_business_has_twenty_codes_sent_in_a_day() {
    let (app, key) = app_and_key().await;
    let mut put = business();
    put["emergency_contacts"] = (0..30).map(|n| json!(format!("+155588800{n:02}"))).collect();
    key.put(PATH, &put).await.ok();
    let sent = || app.servers.twilio.messages().iter().filter(|sms| sms.to.starts_with("+155588800")).count();
    eventually("twenty codes", async || (sent() >= 20).then_some(())).await;
    let shown = app.rest.get(PATH).await.ok();
    let too_many = shown["pending_phones"].as_array().unwrap().iter().filter(|one| one["state"] == "too_many").count();
    assert_eq!((sent(), too_many), (20, 10));
}

#[tokio::test]
async fn a_phone_that_wants_no_texts_of_the_business_gets_no_code() {
    let (app, key) = app_and_key().await;
    app.text(NEW_PHONE, "STOP").await;
    app.wait_for_event_of(NEW_PHONE, 1, "conversation.opted_out").await;
    key.put(PATH, &forwards_to(NEW_PHONE)).await.ok();
    eventually("it is not sent", async || {
        (app.rest.get(PATH).await.ok()["pending_phones"][0]["state"] == "not_sent").then_some(())
    })
    .await;
    assert!(app.sms_to(NEW_PHONE).is_empty());
}

#[tokio::test]
async fn a_code_whose_sending_nobody_knows_of_is_not_sent_again_and_counts_if_it_is_answered() {
    let (app, key) = app_and_key().await;
    app.servers.twilio.add_rule(Rule::next(1, Fault::RespondAfter(Refusal::status(500))));
    key.put(PATH, &forwards_to(NEW_PHONE)).await.ok();
    let code = code(&app, NEW_PHONE, 1).await;
    eventually("its outcome is unknown", async || {
        (app.rest.get(PATH).await.ok()["pending_phones"][0]["state"] == "unknown").then_some(())
    })
    .await;
    app.settled().await;
    assert_eq!(app.sms_to(NEW_PHONE).len(), 1);
    app.text(NEW_PHONE, &code).await;
    calls_go_to(&app, NEW_PHONE).await;
}

#[tokio::test]
async fn a_code_that_closes_a_loop_meanwhile_moves_no_calls() {
    let (app, key) = app_and_key().await;
    let mut other = forwards_to("+15555559999");
    other["phone_numbers"] = json!([NEW_PHONE]);
    app.put_business("other", &other).await;
    key.put(PATH, &forwards_to(NEW_PHONE)).await.ok();
    let code = code(&app, NEW_PHONE, 1).await;
    other["forward_to"] = json!(OUR_NUMBER);
    app.put_business("other", &other).await;
    app.text(NEW_PHONE, &code).await;
    eventually("it is no more waited for", async || {
        (app.rest.get(PATH).await.ok()["pending_phones"] == json!([])).then_some(())
    })
    .await;
    assert_eq!(forward_to(&app).await, OWNER);
}

#[tokio::test]
async fn a_customer_who_is_forgotten_is_no_phone_that_is_waited_for() {
    let (app, key) = app_and_key().await;
    key.put(PATH, &forwards_to(NEW_PHONE)).await.ok();
    code(&app, NEW_PHONE, 1).await;
    app.rest.send(reqwest::Method::DELETE, &format!("/customers/{NEW_PHONE}"), None).await.ok();
    let mut sql = app.servers.sql().await;
    let left: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM phone_codes WHERE phone = $1) + (SELECT count(*) FROM wanted_phones WHERE forward_to = $1)",
    )
    .bind(NEW_PHONE)
    .fetch_one(&mut sql)
    .await
    .unwrap();
    assert_eq!(left, 0);
}
