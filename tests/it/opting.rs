//! Opt-out: customers who want no more texts, or want them again.

use nmc_testbed::sim::Rule;
use nmc_testbed::twilio::webhooks::params;
use nmc_testbed::twilio::{Fault, Refusal, TwilioOptions, new_message_sid};
use reqwest::Method;
use rstest::rstest;
use serde_json::json;

use crate::harness::{App, BUSINESS, CUSTOMER, OUR_NUMBER, business, spawn_app};

async fn reply(app: &App) -> crate::harness::Answer {
    let id = app.conversation_of(CUSTOMER).await["id"].as_str().unwrap().to_owned();
    let body = json!({ "user_id": "u1", "body": "Joe here." });
    app.rest.send(Method::POST, &format!("/conversations/{id}/messages"), Some(&body)).await
}

#[rstest]
#[case::a_word_of_twilios("STOP")]
#[case::a_sentence("please stop texting me")]
#[tokio::test]
async fn who_opts_out_is_never_answered_and_a_person_cannot_write_either(#[case] words: &str) {
    let app = spawn_app().await;
    app.text(CUSTOMER, words).await;
    let event = app.wait_for_event("conversation.opted_out").await;
    assert_eq!(event["customer_phone"], CUSTOMER);
    app.text(CUSTOMER, "what would it cost?").await;
    app.wait_for_event("conversation.needs_attention").await;
    app.miss_call(CUSTOMER).await;
    app.wait_for_event("call.missed").await;
    let refused = reply(&app).await;
    assert_eq!((refused.status, refused.error_code()), (409, "OPTED_OUT"), "{}", refused.body);
    app.settled().await;
    assert!(app.sms_to(CUSTOMER).is_empty());
    assert!(app.servers.dispatchbot.requests().is_empty());
    let conversation = app.conversation_of(CUSTOMER).await;
    assert_eq!(conversation["opted_out"], true);
    let messages = app.messages_of(CUSTOMER).await;
    assert_eq!(messages.len(), 2, "each text is kept: {messages:?}");
}

#[tokio::test]
async fn an_opt_out_holds_for_every_number_of_the_business() {
    let app = spawn_app().await;
    let mut two_numbers = business();
    two_numbers["phone_numbers"] = json!([OUR_NUMBER, "+15555553333"]);
    app.put_business(BUSINESS, &two_numbers).await;
    app.text(CUSTOMER, "STOP").await;
    app.wait_for_event("conversation.opted_out").await;
    let client = app.webhook();
    client.sms(&new_message_sid(), CUSTOMER, "+15555553333", "my sink is blocked").await.unwrap();
    app.wait_for_event("conversation.needs_attention").await;
    app.settled().await;
    assert!(app.sms_to(CUSTOMER).is_empty());
}

#[tokio::test]
async fn who_opts_in_again_is_answered_again() {
    let app = spawn_app().await;
    app.text(CUSTOMER, "STOP").await;
    app.wait_for_event("conversation.opted_out").await;
    app.text(CUSTOMER, "START").await;
    app.wait_for_event("conversation.opted_in").await;
    app.text(CUSTOMER, "my kitchen sink is blocked").await;
    app.wait_for_sms(CUSTOMER, 1).await;
    assert_eq!(app.conversation_of(CUSTOMER).await["opted_out"], false);
}

#[tokio::test]
async fn what_twilio_calls_an_opt_out_is_one_whatever_the_words() {
    let app = spawn_app().await;
    let mut form =
        params::sms(&TwilioOptions::default().account_sid, &new_message_sid(), CUSTOMER, OUR_NUMBER, "arret");
    form.push(("OptOutType".to_owned(), "STOP".to_owned()));
    let pairs: Vec<(&str, &str)> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(app.webhook().post("/webhooks/twilio/sms", &pairs).await.unwrap().status, 200);
    let event = app.wait_for_event("conversation.opted_out").await;
    assert_eq!(event["data"]["by"], "twilio");
}

#[tokio::test]
async fn a_refusal_for_an_opt_out_enters_the_ledger() {
    let app = spawn_app().await;
    app.servers.twilio.add_rule(Rule::next(1, Fault::Respond(Refusal::code(21610))));
    app.miss_call(CUSTOMER).await;
    let event = app.wait_for_event("conversation.opted_out").await;
    assert_eq!(event["data"]["by"], "carrier");
    let refused = reply(&app).await;
    assert_eq!((refused.status, refused.error_code()), (409, "OPTED_OUT"));
}
