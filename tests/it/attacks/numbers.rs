//! Claiming a customer's number as a business number does not silence that customer.

use nmc_testbed::sim::Rule;
use nmc_testbed::twilio::{Fault, Refusal, new_call_sid, new_message_sid};
use serde_json::{Value, json};

use crate::harness::{App, CUSTOMER, OUR_NUMBER, OWNER, business, eventually, spawn_app, spawn_app_with};

const OTHER_NUMBER: &str = "+15555551199";
const OTHER_OWNER: &str = "+15555552299";

/// A business with these numbers.
fn with_numbers(numbers: &[&str]) -> Value {
    let mut other = business();
    other["phone_numbers"] = json!(numbers);
    other["forward_to"] = json!(OTHER_OWNER);
    other
}

/// Another business, which has claimed the customer's mobile.
async fn claimed(app: &App) {
    app.servers.twilio.change_numbers(|numbers| {
        numbers.of_nobody.insert(CUSTOMER.to_owned());
    });
    app.put_business("greedy", &with_numbers(&[OTHER_NUMBER, CUSTOMER])).await;
}

/// Waits until the verification result of a number is this one.
async fn verified(app: &App, business_id: &str, phone: &str, wanted: &str) {
    eventually("what Twilio says of a number", async || {
        let shown = app.rest.get(&format!("/businesses/{business_id}")).await.ok();
        let numbers = shown["numbers"].as_array().unwrap().clone();
        numbers.iter().any(|number| number["phone"] == phone && number["verified"] == wanted).then_some(())
    })
    .await;
}

async fn text(app: &App, from: &str, to: &str, body: &str) {
    let answer = app.webhook().sms(&new_message_sid(), from, to, body).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn a_customer_whose_mobile_another_business_claims_is_answered_and_their_emergency_is_told() {
    let app = spawn_app().await;
    claimed(&app).await;
    app.text(CUSTOMER, "My sink is blocked").await;
    app.wait_for_sms(CUSTOMER, 1).await;
    app.text(CUSTOMER, "I smell gas").await;
    app.wait_for_event_of(CUSTOMER, 1, "emergency.detected").await;
    let alert = app.wait_for_sms(OWNER, 1).await;
    assert!(alert[0].body.contains("I smell gas"), "{}", alert[0].body);
    app.wait_for_sms(CUSTOMER, 2).await; // the safety instructions
    app.settled().await;
    assert_eq!(app.stored("NMC_DEAD").await.len(), 0);
}

#[tokio::test]
async fn a_caller_whose_mobile_another_business_claims_is_told_that_the_call_was_missed() {
    let app = spawn_app().await;
    claimed(&app).await;
    app.miss_call(CUSTOMER).await;
    let sent = app.wait_for_sms(CUSTOMER, 1).await;
    assert!(sent[0].body.starts_with("Hi! I missed your call"), "{}", sent[0].body);
}

#[tokio::test]
async fn once_twilio_says_that_a_claim_is_none_the_customer_is_answered_as_often_as_any() {
    let app = spawn_app().await;
    claimed(&app).await;
    verified(&app, "greedy", CUSTOMER, "no").await;
    verified(&app, "greedy", OTHER_NUMBER, "yes").await;
    let told = app.wait_for_event("business.number_verified").await;
    assert_eq!((&told["business_id"], &told["data"]["verified"]), (&json!("greedy"), &json!("no")));
    assert_eq!((&told["data"]["phone"], &told["conversation_id"]), (&json!(CUSTOMER), &Value::Null));
    for (count, body) in [(1, "My sink is blocked"), (2, "And the tub as well"), (3, "When can you come?")] {
        app.text(CUSTOMER, body).await;
        app.wait_for_sms(CUSTOMER, count).await;
    }
}

#[tokio::test]
async fn a_number_of_another_business_gets_one_answer_in_a_day_and_then_a_person() {
    let app = spawn_app_with(&[("NMC_VERIFY_NUMBERS", "off"), ("NMC_REOPEN_WITHIN", "1ms")]).await;
    app.put_business("other", &with_numbers(&[OTHER_NUMBER])).await;
    app.text(OTHER_NUMBER, "Do you work on Sundays?").await;
    app.wait_for_sms(OTHER_NUMBER, 1).await;
    app.text(OTHER_NUMBER, "Thanks, we received your message.").await;
    let told = app.wait_for_event_of(OTHER_NUMBER, 1, "conversation.needs_attention").await;
    assert_eq!(told["data"]["reason"], "other_business");
    // A new conversation does not circumvent it.
    let id = app.conversation_of(OTHER_NUMBER).await["id"].as_str().unwrap().to_owned();
    let ended = json!({ "user_id": "u1", "outcome": "done" });
    app.rest.send(reqwest::Method::POST, &format!("/conversations/{id}/complete"), Some(&ended)).await.ok();
    app.text(OTHER_NUMBER, "Hello again").await;
    app.wait_for_event_of(OTHER_NUMBER, 2, "conversation.needs_attention").await;
    app.text(OTHER_NUMBER, "There is a fire in our kitchen").await;
    app.wait_for_event_of(OTHER_NUMBER, 1, "emergency.detected").await;
    app.wait_for_sms(OWNER, 1).await;
    app.settled().await;
    assert_eq!(app.conversations_of(OTHER_NUMBER).await.len(), 2);
    let sent: Vec<String> = app.sms_to(OTHER_NUMBER).into_iter().map(|sms| sms.body).collect();
    assert!(sent.len() == 2 && sent[1].contains("Automatic safety notice"), "{sent:?}");
    assert_eq!(app.stored("NMC_DEAD").await.len(), 0);
}

#[tokio::test]
async fn two_businesses_whose_servers_answer_each_other_come_to_an_end() {
    let app = spawn_app().await;
    app.put_business("other", &with_numbers(&[OTHER_NUMBER])).await;
    verified(&app, "other", OTHER_NUMBER, "yes").await;
    text(&app, OTHER_NUMBER, OUR_NUMBER, "My sink is blocked").await;
    // Each message of one business is delivered to the other, as Twilio would.
    let mut handed_on = 0;
    eventually("both have left it to a person", async || {
        let all = app.servers.twilio.messages();
        for sms in all.iter().skip(handed_on) {
            text(&app, &sms.from, &sms.to, &sms.body).await;
        }
        handed_on = all.len();
        assert!(handed_on < 10, "they talk on and on");
        let told = app.events.seen().iter().filter(|event| event["data"]["reason"] == "other_business").count();
        (told >= 1).then_some(())
    })
    .await;
    app.settled().await;
    let to = |number: &str| app.sms_to(number).len();
    assert_eq!((to(OTHER_NUMBER), to(OUR_NUMBER)), (1, 1));
}

#[tokio::test]
async fn a_businesss_own_people_and_numbers_are_still_no_customers() {
    let app = spawn_app().await;
    let mut own = business();
    own["phone_numbers"] = json!([OUR_NUMBER, "+15555551112"]);
    app.put_business("joes-plumbing", &own).await;
    for from in [OWNER, "+15555551112"] {
        text(&app, from, OUR_NUMBER, "Hello").await;
    }
    assert_eq!(app.wait_for_dead(1).await.len(), 1, "the number; the owner is answered");
    app.wait_for_sms(OWNER, 1).await;
    assert!(app.conversations_of(OWNER).await.is_empty());
}

#[tokio::test]
async fn no_call_is_turned_away_while_twilio_does_not_say_whose_a_number_is() {
    let app = App::setup().start().await;
    let refused = Rule::always(Fault::RespondToNumbers(Refusal::status(503)));
    app.servers.twilio.add_rule(refused);
    app.put_business("other", &with_numbers(&[OTHER_NUMBER])).await;
    eventually("a look", async || app.servers.twilio.requests().get("numbers_fault_503").map(|_| ())).await;
    let answer = app.webhook().incoming_call(&new_call_sid(), CUSTOMER, OTHER_NUMBER, "ringing").await.unwrap();
    assert!(answer.status == 200 && answer.body.contains("<Dial"), "{}", answer.body);
    let shown = app.rest.get("/businesses/other").await.ok();
    assert_eq!(shown["numbers"], json!([{ "phone": OTHER_NUMBER, "verified": "unknown" }]));
}

#[tokio::test]
async fn twilio_is_not_asked_where_that_is_off() {
    let app = spawn_app_with(&[("NMC_VERIFY_NUMBERS", "off")]).await;
    app.text(CUSTOMER, "My sink is blocked").await;
    app.wait_for_sms(CUSTOMER, 1).await;
    let metrics = eventually("the count", async || {
        let text = app.rest.get_as("/metrics", "text/plain").await.body.as_str().unwrap_or_default().to_owned();
        text.contains("nmc_business_numbers{verified=\"unknown\"} 1").then_some(text)
    })
    .await;
    assert!(metrics.contains("nmc_business_numbers{verified=\"no\"} 0"), "{metrics}");
    assert_eq!(app.servers.twilio.requests().get("numbers_listed"), None);
    let shown = app.rest.get("/businesses/joes-plumbing").await.ok();
    assert_eq!(shown["numbers"][0]["verified"], "unknown");
}
