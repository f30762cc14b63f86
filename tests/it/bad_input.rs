//! Bad input: it gets a clear answer and does no harm, and signed requests are kept.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use nmc_testbed::twilio::webhooks::{SIGNATURE_HEADER, WebhookAnswer, params};
use nmc_testbed::twilio::{TwilioOptions, new_message_sid};
use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use sha1::Sha1;

use crate::harness::{App, BUSINESS, CUSTOMER, OUR_NUMBER, OWNER, PUBLIC_URL, business, spawn_app};

const SMS: &str = "/webhooks/twilio/sms";
const WEBHOOKS: [&str; 8] = [
    "/webhooks/twilio/call",
    "/webhooks/twilio/call/status/CA1",
    SMS,
    "/webhooks/twilio/message-status?message_id=x",
    "/webhooks/twilio/ladder/5f0c2f3e-6a57-5d0e-9f3c-2b1d8e4a7c10",
    "/webhooks/twilio/ladder/5f0c2f3e-6a57-5d0e-9f3c-2b1d8e4a7c10/digit",
    "/webhooks/twilio/ladder/x/status?conversation_id=y",
    "/webhooks/twilio/conversations",
];

fn sms(body: &str) -> params::Params {
    params::sms(&TwilioOptions::default().account_sid, &new_message_sid(), CUSTOMER, OUR_NUMBER, body)
}

fn assert_empty_twiml(answer: &WebhookAnswer) {
    assert_eq!((answer.status, answer.content_type()), (200, "text/xml"), "{}", answer.body);
    assert!(answer.body.ends_with("<Response/>"), "{}", answer.body);
}

fn assert_refused(answer: &WebhookAnswer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (status, Some(code)), "{}", answer.body);
    assert!(answer.json()["error"]["request_id"].is_string(), "{}", answer.body);
}

/// Asserts that nothing happened: no conversation, no SMS, no request to DispatchBot.
async fn assert_no_harm(app: &App) {
    app.settled().await;
    assert_eq!(app.rest.get("/conversations").await.ok()["conversations"], json!([]));
    assert!(app.servers.twilio.messages().is_empty());
    assert!(app.servers.dispatchbot.requests().is_empty());
}

#[tokio::test]
async fn what_is_unsigned_or_wrongly_signed_is_refused_before_anything_else() {
    let app = spawn_app().await;
    let form = sms("Hello");
    let stale = app.webhook_as(PUBLIC_URL, &TwilioOptions::default().account_sid, "a token of yesterday");
    for path in WEBHOOKS {
        let unsigned = app.webhook().without_header(SIGNATURE_HEADER);
        assert_refused(&unsigned.post(path, &form).await.unwrap(), 401, "INVALID_SIGNATURE");
        assert_refused(&stale.post(path, &form).await.unwrap(), 401, "INVALID_SIGNATURE");
        let odd = unsigned.clone().with_header("content-type", "application/json");
        assert_refused(&odd.post(path, &form).await.unwrap(), 401, "INVALID_SIGNATURE");
        assert_refused(&unsigned.post(path, &sms(&"x".repeat(1 << 20))).await.unwrap(), 401, "INVALID_SIGNATURE");
        assert_refused(&unsigned.post_raw(path, "", Vec::new()).await.unwrap(), 401, "INVALID_SIGNATURE");
    }
    assert_no_harm(&app).await;
    assert!(app.stored("NMC_INBOUND").await.is_empty());
    assert!(app.stored("NMC_DEAD").await.is_empty());
}

#[tokio::test]
async fn a_signature_for_another_url_or_other_parameters_is_wrong() {
    let app = spawn_app().await;
    let (form, other) = (sms("Hello"), sms("Good bye"));
    let signature = app.webhook().sign(&format!("{PUBLIC_URL}{SMS}"), &other);
    let forged = app.webhook().with_header(SIGNATURE_HEADER, signature);
    assert_refused(&forged.post(SMS, &form).await.unwrap(), 401, "INVALID_SIGNATURE");
    let signature = app.webhook().sign(&format!("{PUBLIC_URL}/webhooks/twilio/call"), &form);
    let forged = app.webhook().with_header(SIGNATURE_HEADER, signature);
    assert_refused(&forged.post(SMS, &form).await.unwrap(), 401, "INVALID_SIGNATURE");
    assert_no_harm(&app).await;
}

#[tokio::test]
async fn signed_and_of_another_content_type_is_415() {
    let app = spawn_app().await;
    for path in [SMS, "/webhooks/twilio/call"] {
        for content_type in ["text/plain", "application/json", "multipart/form-data; boundary=x"] {
            let odd = app.webhook().with_header("content-type", content_type);
            assert_refused(&odd.post(path, &sms("Hello")).await.unwrap(), 415, "UNSUPPORTED_MEDIA_TYPE");
        }
    }
    let odd = app.webhook().with_header("content-type", "text/plain");
    let refused = odd.post("/webhooks/twilio/conversations", &sms("Hello")).await.unwrap();
    assert_refused(&refused, 415, "UNSUPPORTED_MEDIA_TYPE");
    assert!(refused.body.contains("application/json"), "{}", refused.body);
    assert_no_harm(&app).await;
}

#[tokio::test]
async fn signed_and_larger_than_64_kib_is_413() {
    let app = spawn_app().await;
    let answer = app.webhook().post(SMS, &sms(&"x".repeat(1 << 20))).await.unwrap();
    assert_refused(&answer, 413, "PAYLOAD_TOO_LARGE");
    assert_no_harm(&app).await;
    // A long text within the limit is handled normally.
    assert_empty_twiml(&app.webhook().post(SMS, &sms(&"x".repeat(60_000))).await.unwrap());
    app.wait_for_event("message.received").await;
}

#[rstest]
#[case::sms_without_its_sid(SMS, "MessageSid")]
#[case::sms_without_its_sender(SMS, "From")]
#[case::sms_without_its_recipient(SMS, "To")]
#[case::call_without_its_sid("/webhooks/twilio/call", "CallSid")]
#[case::call_without_its_recipient("/webhooks/twilio/call", "To")]
#[tokio::test]
async fn signed_and_without_a_needed_field_is_kept_and_acknowledged(#[case] path: &str, #[case] missing: &str) {
    let app = spawn_app().await;
    let account = TwilioOptions::default().account_sid;
    let mut form = match path {
        SMS => sms("Hello"),
        _ => params::incoming_call(&account, "CA00000000000000000000000000000001", CUSTOMER, OUR_NUMBER, "ringing"),
    };
    form.retain(|(key, _)| key != missing && !(missing == "MessageSid" && key.starts_with("Sms")));
    assert_empty_twiml(&app.webhook().post(path, &form).await.unwrap());
    let dead = app.wait_for_dead(1).await;
    assert!(String::from_utf8_lossy(&dead[0].payload).contains(missing), "{:?}", dead[0]);
    assert_no_harm(&app).await;
}

#[rstest]
#[case::sms(SMS, 200)]
#[case::call("/webhooks/twilio/call", 200)]
#[case::message_status("/webhooks/twilio/message-status", 204)]
#[tokio::test]
async fn signed_and_without_a_body_is_kept_and_acknowledged(#[case] path: &str, #[case] status: u16) {
    let app = spawn_app().await;
    let nothing: [(&str, &str); 0] = [];
    let answer = app.webhook().post(path, &nothing).await.unwrap();
    assert!(answer.status == 200 || answer.status == status, "{} {}", answer.status, answer.body);
    app.wait_for_dead(1).await;
    assert_no_harm(&app).await;
}

/// The form of a text whose id and body are bytes.
fn text<'a>(sid: &'a [u8], body: &'a [u8]) -> [(&'static str, &'a [u8]); 4] {
    [("MessageSid", sid), ("From", CUSTOMER.as_bytes()), ("To", OUR_NUMBER.as_bytes()), ("Body", body)]
}

/// Posts a form whose values are bytes, signed.
async fn post_bytes(app: &App, path: &str, pairs: &[(&str, &[u8])]) -> WebhookAnswer {
    let signature = sign_bytes(&TwilioOptions::default().auth_token, &format!("{PUBLIC_URL}{path}"), pairs);
    let escaped = |bytes: &[u8]| url::form_urlencoded::byte_serialize(bytes).collect::<String>();
    let body: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    app.webhook().post_raw(path, &signature, body.join("&")).await.unwrap()
}

#[tokio::test]
async fn a_text_that_is_not_utf_8_is_a_text_with_replaced_characters() {
    let app = spawn_app().await;
    let pairs = text(b"SM00000000000000000000000000000001", b"The caf\xe9 is flooded");
    assert_empty_twiml(&post_bytes(&app, SMS, &pairs).await);
    app.wait_for_event("message.received").await;
    assert_eq!(app.messages_of(CUSTOMER).await[0]["body"], "The caf\u{fffd} is flooded");
}

#[tokio::test]
async fn a_call_is_put_through_though_its_callers_name_is_not_utf_8() {
    let app = spawn_app().await;
    let pairs: [(&str, &[u8]); 5] = [
        ("CallSid", b"CA00000000000000000000000000000001"),
        ("From", CUSTOMER.as_bytes()),
        ("To", OUR_NUMBER.as_bytes()),
        ("CallStatus", b"ringing"),
        ("CallerName", b"J\xfcrgen"),
    ];
    let answer = post_bytes(&app, "/webhooks/twilio/call", &pairs).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("<Dial"), "{}", answer.body);
    app.wait_for_event("call.received").await;
    assert!(app.stored("NMC_DEAD").await.is_empty());
}

#[tokio::test]
async fn an_id_that_is_not_utf_8_is_kept_to_the_byte() {
    let app = spawn_app().await;
    let pairs = text(b"SM\xe9", b"caf\xe9");
    assert_empty_twiml(&post_bytes(&app, SMS, &pairs).await);
    let dead = app.wait_for_dead(1).await;
    let kept = String::from_utf8_lossy(&dead[0].payload).into_owned();
    assert!(kept.contains("SM%E9") && kept.contains("caf%E9"), "{kept}");
    assert!(kept.contains("undecodable_form"), "{kept}");
    assert_no_harm(&app).await;
}

#[tokio::test]
async fn what_twilio_delivers_again_at_the_fallback_url_is_the_same_text() {
    let app = spawn_app().await;
    let mut pairs = text(b"SM00000000000000000000000000000001", b"The sink is blocked").to_vec();
    assert_empty_twiml(&post_bytes(&app, SMS, &pairs).await);
    pairs.extend([("ErrorCode", &b"11200"[..]), ("ErrorUrl", &b"https://calls.example.com/webhooks/twilio/sms"[..])]);
    assert_empty_twiml(&post_bytes(&app, SMS, &pairs).await);
    app.wait_for_sms(CUSTOMER, 1).await;
    app.settled().await;
    assert!(app.stored("NMC_DEAD").await.is_empty());
    let texts = app.messages_of(CUSTOMER).await;
    assert_eq!(texts.iter().filter(|message| message["direction"] == "inbound").count(), 1);
}

/// Twilio's signature for parameters that are not text.
fn sign_bytes(token: &str, url: &str, pairs: &[(&str, &[u8])]) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).expect("any length");
    mac.update(url.as_bytes());
    let mut sorted = pairs.to_vec();
    sorted.sort_unstable();
    for (key, value) in sorted {
        mac.update(key.as_bytes());
        mac.update(value);
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

#[tokio::test]
async fn the_same_webhook_five_times_is_one_message() {
    let app = spawn_app().await;
    let sid = new_message_sid();
    let client = app.webhook();
    let once = || client.sms(&sid, CUSTOMER, OUR_NUMBER, "The sink is blocked");
    let (a, b, c, d, e) = tokio::join!(once(), once(), once(), once(), once());
    for answer in [a, b, c, d, e] {
        assert_empty_twiml(&answer.unwrap());
    }
    app.wait_for_sms(CUSTOMER, 1).await;
    app.settled().await;
    let messages = app.messages_of(CUSTOMER).await;
    assert_eq!(messages.iter().filter(|message| message["sender_type"] == "customer").count(), 1);
    assert_eq!((messages.len(), app.sms_to(CUSTOMER).len()), (2, 1));
    assert!(app.stored("NMC_DEAD").await.is_empty());
}

#[tokio::test]
async fn the_same_missed_call_five_times_is_one_text() {
    let app = spawn_app().await;
    let sid = app.miss_call(CUSTOMER).await;
    let params = params::dial_result(
        &TwilioOptions::default().account_sid,
        &sid,
        "CA00000000000000000000000000000002",
        "no-answer",
        Some(CUSTOMER),
        Some(OUR_NUMBER),
        0,
    );
    for _ in 0..4 {
        let path = format!("/webhooks/twilio/call/status/{sid}");
        assert_empty_twiml(&app.webhook().post(&path, &params).await.unwrap());
    }
    app.wait_for_sms(CUSTOMER, 1).await;
    app.settled().await;
    assert_eq!((app.sms_to(CUSTOMER).len(), app.conversations_of(CUSTOMER).await.len()), (1, 1));
}

#[tokio::test]
async fn of_two_bodies_under_one_sid_the_first_stands_and_the_other_is_kept_aside() {
    let app = spawn_app().await;
    let sid = new_message_sid();
    assert_empty_twiml(&app.webhook().sms(&sid, CUSTOMER, OUR_NUMBER, "The first").await.unwrap());
    app.wait_for_event("message.received").await;
    assert_empty_twiml(&app.webhook().sms(&sid, CUSTOMER, OUR_NUMBER, "The second").await.unwrap());
    let dead = app.wait_for_dead(1).await;
    assert!(String::from_utf8_lossy(&dead[0].payload).contains("The second"), "{:?}", dead[0]);
    app.settled().await;
    let messages = app.messages_of(CUSTOMER).await;
    let texts: Vec<_> = messages.iter().filter(|m| m["sender_type"] == "customer").map(|m| &m["body"]).collect();
    assert_eq!(texts, [&json!("The first")]);
    let metrics = app.rest.get("/metrics").await.ok();
    assert_eq!(metrics["webhook_processing"]["body_conflicts"], 1, "{metrics}");
}

#[tokio::test]
async fn a_text_to_a_number_of_nobody_is_kept_and_acknowledged() {
    let app = spawn_app().await;
    let answer = app.webhook().sms(&new_message_sid(), CUSTOMER, "+15555559999", "Hello?").await.unwrap();
    assert_empty_twiml(&answer);
    let dead = app.wait_for_dead(1).await;
    assert!(String::from_utf8_lossy(&dead[0].payload).contains("Hello?"));
    assert_no_harm(&app).await;
}

#[rstest]
#[case::short_code("12345")]
#[case::alphanumeric("BANK")]
#[tokio::test]
async fn a_sender_that_is_no_phone_number_is_kept_and_never_answered(#[case] from: &str) {
    let app = spawn_app().await;
    let answer = app.webhook().sms(&new_message_sid(), from, OUR_NUMBER, "Your code is 123").await.unwrap();
    assert_empty_twiml(&answer);
    app.wait_for_dead(1).await;
    assert_no_harm(&app).await;
}

#[rstest]
#[case::the_owner(OWNER, true)]
#[case::an_emergency_contact("+15555553333", true)]
#[case::its_own_number(OUR_NUMBER, false)]
#[case::its_other_number("+15555554444", false)]
#[tokio::test]
async fn our_own_side_never_becomes_a_customer(#[case] from: &str, #[case] is_answered: bool) {
    let app = spawn_app().await;
    let mut ours = business();
    ours["phone_numbers"] = json!([OUR_NUMBER, "+15555554444"]);
    ours["emergency_contacts"] = json!(["+15555553333"]);
    app.put_business(BUSINESS, &ours).await;
    app.miss_call(from).await;
    let answer = app.webhook().sms(&new_message_sid(), from, OUR_NUMBER, "Is anybody there?").await.unwrap();
    assert_empty_twiml(&answer);
    app.wait_for_event("call.missed").await;
    if !is_answered {
        return assert_no_harm(&app).await;
    }
    // A person's phone is told what became of its text.
    app.wait_for_sms(from, 1).await;
    app.settled().await;
    assert_eq!(app.servers.twilio.messages().len(), 1);
    assert_eq!(app.rest.get("/conversations").await.ok()["conversations"], json!([]));
    assert!(app.servers.dispatchbot.requests().is_empty());
}

#[tokio::test]
async fn a_status_of_a_message_that_is_not_ours_is_acknowledged() {
    let app = spawn_app().await;
    for message_id in ["00000000-0000-4000-8000-000000000000", "nonsense", ""] {
        let answer = app.webhook().message_status(message_id, &new_message_sid(), "delivered").await.unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{message_id}");
    }
}

#[tokio::test]
async fn other_methods_and_paths_have_the_common_error_body() {
    let app = spawn_app().await;
    let open = app.rest.with_key(None);
    for path in ["/webhooks/twilio/call", SMS, "/webhooks/twilio/call/status/CA1"] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let answer = open.send(method, path, None).await;
            assert_eq!((answer.status, answer.error_code()), (405, "METHOD_NOT_ALLOWED"), "{path}");
        }
    }
    for path in ["/", "/nothing/here", "/webhooks/twilio/nothing", "/conversations/1/2/3"] {
        let answer = app.rest.get(path).await;
        assert_eq!((answer.status, answer.error_code()), (404, "NOT_FOUND"), "{path}");
    }
}
