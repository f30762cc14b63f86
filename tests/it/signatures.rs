//! Which signatures are accepted: by URL, token and account.

use nmc_testbed::twilio::{TwilioOptions, new_account_sid, new_message_sid};
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{App, CUSTOMER, OUR_NUMBER, PUBLIC_URL, business, spawn_app, spawn_app_with};

const OWN_NUMBER: &str = "+15555558888";
pub const OWN_TOKEN: &str = "the token of their own account";
pub const TOKEN_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

async fn answers(app: &App, public_url: &str, token: &str, account: &str) -> u16 {
    let client = app.webhook_as(public_url, account, token);
    let sid = new_message_sid();
    client.sms(&sid, CUSTOMER, OUR_NUMBER, "Hello").await.unwrap().status
}

#[rstest]
#[case::path_prefix("https://calls.example.com/twilio", "https://calls.example.com/twilio", 200)]
#[case::no_prefix("https://calls.example.com", "https://calls.example.com", 200)]
#[case::port_that_twilio_adds("https://calls.example.com/twilio", "https://calls.example.com:443/twilio", 200)]
#[case::port_that_twilio_strips("https://calls.example.com:443", "https://calls.example.com", 200)]
#[case::other_port_that_twilio_strips("https://calls.example.com:8443/t", "https://calls.example.com/t", 200)]
#[case::plain_http_with_its_port("http://calls.example.com", "http://calls.example.com:80", 200)]
#[case::another_host("https://calls.example.com", "https://calls.example.org", 401)]
#[case::another_scheme("https://calls.example.com", "http://calls.example.com", 401)]
#[case::another_prefix("https://calls.example.com/twilio", "https://calls.example.com", 401)]
#[case::another_port("https://calls.example.com", "https://calls.example.com:8443", 401)]
#[tokio::test]
async fn the_url_signed_for_is_the_public_one(#[case] configured: &str, #[case] signed: &str, #[case] status: u16) {
    let app = spawn_app_with(&[("NMC_PUBLIC_URL", configured)]).await;
    let main = TwilioOptions::default();
    assert_eq!(answers(&app, signed, &main.auth_token, &main.account_sid).await, status);
}

#[tokio::test]
async fn a_proxy_may_leave_the_prefix_on() {
    let app = spawn_app().await;
    let client = app.webhook().with_target(format!("{}/twilio", app.rest.base()));
    let answer = client.sms(&new_message_sid(), CUSTOMER, OUR_NUMBER, "Hello").await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    app.wait_for_event("message.received").await;
}

#[tokio::test]
async fn during_a_rotation_the_next_token_is_good_too() {
    let app = spawn_app_with(&[("TWILIO_AUTH_TOKEN_NEXT", "the-token-of-tomorrow")]).await;
    let main = TwilioOptions::default();
    for (token, status) in [(main.auth_token.as_str(), 200), ("the-token-of-tomorrow", 200), ("another", 401)] {
        assert_eq!(answers(&app, PUBLIC_URL, token, &main.account_sid).await, status, "{token}");
    }
}

#[tokio::test]
async fn without_an_account_sid_the_main_accounts_token_counts() {
    let app = spawn_app().await;
    let sid = new_message_sid();
    let form = [("MessageSid", sid.as_str()), ("From", CUSTOMER), ("To", OUR_NUMBER), ("Body", "Hello")];
    assert_eq!(app.webhook().post("/webhooks/twilio/sms", &form).await.unwrap().status, 200);
    app.wait_for_event("message.received").await;
}

#[tokio::test]
async fn values_of_one_name_blanks_and_unknown_parameters_do_not_break_a_signature() {
    let app = spawn_app().await;
    let sid = new_message_sid();
    let form = [
        ("MessageSid", sid.as_str()),
        ("From", CUSTOMER),
        ("To", OUR_NUMBER),
        ("Body", "  ñáéíóú 😀 a+b=c&d  "),
        ("Empty", ""),
        ("NewIn2030", "yes"),
        ("Twice", "b"),
        ("Twice", "a"),
        ("Twice", "b"),
    ];
    assert_eq!(app.webhook().post("/webhooks/twilio/sms", &form).await.unwrap().status, 200);
    let received = app.wait_for_event("message.received").await;
    assert_eq!(received["data"]["body"], "  ñáéíóú 😀 a+b=c&d  ");
}

/// A service with a business that has its own account.
async fn app_with_own_account(sid: &str) -> (App, Value) {
    let app = App::setup().set("NMC_TOKEN_KEY", TOKEN_KEY).subaccount(sid, OWN_TOKEN).start().await;
    let put = app.put_business("own-account", &own_account(sid)).await;
    (app, put)
}

fn own_account(sid: &str) -> Value {
    let mut business = business();
    business["phone_numbers"] = json!([OWN_NUMBER]);
    business["twilio"] = json!({ "account_sid": sid, "auth_token": OWN_TOKEN });
    business
}

#[tokio::test]
async fn a_business_with_its_own_account_signs_and_sends_with_it() {
    let sid = new_account_sid();
    let (app, _) = app_with_own_account(&sid).await;
    let client = app.webhook_as(PUBLIC_URL, &sid, OWN_TOKEN);
    let answer = client.sms(&new_message_sid(), CUSTOMER, OWN_NUMBER, "The sink is blocked").await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let sms = app.wait_for_sms(CUSTOMER, 1).await;
    assert_eq!((sms[0].account_sid.as_str(), sms[0].from.as_str()), (sid.as_str(), OWN_NUMBER));
    // Its status callbacks are also signed with that account's token.
    app.wait_for_event("message.delivered").await;
    let wrong = app.webhook_as(PUBLIC_URL, &sid, &TwilioOptions::default().auth_token);
    assert_eq!(wrong.sms(&new_message_sid(), CUSTOMER, OWN_NUMBER, "Hello").await.unwrap().status, 401);
    let unknown = app.webhook_as(PUBLIC_URL, &new_account_sid(), OWN_TOKEN);
    assert_eq!(unknown.sms(&new_message_sid(), CUSTOMER, OWN_NUMBER, "Hello").await.unwrap().status, 401);
}

#[tokio::test]
async fn an_accounts_signature_does_not_speak_for_the_numbers_of_others() {
    let sid = new_account_sid();
    let (app, _) = app_with_own_account(&sid).await;
    let client = app.webhook_as(PUBLIC_URL, &sid, OWN_TOKEN);
    client.sms(&new_message_sid(), CUSTOMER, OUR_NUMBER, "Forged").await.unwrap();
    app.settled().await;
    assert!(app.conversations_of(CUSTOMER).await.is_empty(), "one business wrote into the conversations of another");
}

#[tokio::test]
async fn an_accounts_signature_does_not_speak_for_the_calls_and_messages_of_others() {
    let sid = new_account_sid();
    let (app, _) = app_with_own_account(&sid).await;
    let forger = app.webhook_as(PUBLIC_URL, &sid, OWN_TOKEN);
    let forged = forger.incoming_call("CA1", CUSTOMER, OUR_NUMBER, "ringing").await.unwrap();
    assert!(forged.body.ends_with("<Response><Reject/></Response>"), "it would dial: {}", forged.body);
    // A call that rings at the other business, and a message that it has sent.
    app.webhook().incoming_call("CA2", CUSTOMER, OUR_NUMBER, "ringing").await.unwrap();
    app.wait_for_event("call.received").await;
    forger.call_status("CA2", "no-answer", Some(CUSTOMER), Some(OUR_NUMBER), 0).await.unwrap();
    app.settled().await;
    assert_eq!((&app.call("CA2").await["status"], app.servers.twilio.messages().len()), (&json!("ringing"), 0));
    app.webhook().call_status("CA2", "no-answer", Some(CUSTOMER), Some(OUR_NUMBER), 0).await.unwrap();
    app.wait_for_event("message.delivered").await;
    app.text(CUSTOMER, "My sink is blocked").await;
    app.wait_for_event_of(CUSTOMER, 2, "message.delivered").await;
    let messages = app.messages_of(CUSTOMER).await;
    let id = messages[0]["id"].as_str().expect("an id");
    forger.message_status(id, messages[0]["twilio_sid"].as_str().expect("a SID"), "failed").await.unwrap();
    app.settled().await;
    assert_eq!(app.messages_of(CUSTOMER).await, messages);
}

#[tokio::test]
async fn an_auth_token_is_never_given_back_nor_stored_readable() {
    let sid = new_account_sid();
    let (app, put) = app_with_own_account(&sid).await;
    let read = app.rest.get("/businesses/own-account").await.ok();
    let list = app.rest.get("/businesses").await.ok();
    for shown in [&put, &read, &list] {
        assert!(!shown.to_string().contains(OWN_TOKEN), "{shown}");
    }
    assert_eq!(read["twilio"]["account_sid"], json!(sid));
    let mut sql = app.servers.sql().await;
    let stored: String = sqlx::query_scalar("SELECT b::text FROM businesses b WHERE id = 'own-account'")
        .fetch_one(&mut sql)
        .await
        .unwrap();
    let hex: String = OWN_TOKEN.bytes().map(|byte| format!("{byte:02x}")).collect();
    assert!(!stored.contains(OWN_TOKEN) && !stored.contains(&hex), "{stored}");
    for message in app.stored("NMC_EVENTS").await {
        assert!(!String::from_utf8_lossy(&message.payload).contains(OWN_TOKEN));
    }
}

#[tokio::test]
async fn without_a_token_key_no_auth_token_is_taken() {
    let app = spawn_app().await;
    let answer = app.rest.put("/businesses/own-account", &own_account(&new_account_sid())).await;
    assert!((400..500).contains(&answer.status), "{answer:?}");
    assert!(!answer.error_code().is_empty() && answer.body.to_string().contains("NMC_TOKEN_KEY"), "{answer:?}");
    assert_eq!(app.rest.get("/businesses/own-account").await.status, 404);
}
