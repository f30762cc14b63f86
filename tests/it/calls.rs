//! Calls: which ones count as missed, and who gets a text.

use nmc_testbed::twilio::{Leg, new_call_sid};
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{App, BUSINESS, CUSTOMER, OUR_NUMBER, business, spawn_app, spawn_app_with};

async fn status(app: &App, call_sid: &str, params: &[(&str, &str)]) {
    let path = format!("/webhooks/twilio/call/status/{call_sid}");
    let answer = app.webhook().post(&path, params).await.unwrap();
    assert_eq!((answer.status, answer.content_type()), (200, "text/xml"), "{}", answer.body);
    assert!(answer.body.ends_with("<Response/>"), "{}", answer.body);
}

#[rstest]
#[case::no_answer("no-answer")]
#[case::busy("busy")]
#[case::failed("failed")]
#[case::canceled_by_the_caller("canceled")]
#[tokio::test]
async fn a_call_that_nobody_answered_is_missed(#[case] outcome: &str) {
    let app = spawn_app().await;
    let call = app.servers.twilio.call(CUSTOMER, OUR_NUMBER, outcome).await.unwrap();
    app.wait_for_sms(CUSTOMER, 1).await;
    let call = app.call(&call.call_sid).await;
    assert_eq!((&call["status"], &call["dial_status"]), (&json!("missed"), &json!(outcome)));
}

#[tokio::test]
async fn an_answered_call_ends_as_a_call_record() {
    let app = spawn_app().await;
    let sid = new_call_sid();
    app.webhook().incoming_call(&sid, CUSTOMER, OUR_NUMBER, "ringing").await.unwrap();
    app.webhook().call_status(&sid, "completed", Some(CUSTOMER), Some(OUR_NUMBER), 95).await.unwrap();
    app.wait_for_event("call.answered").await;
    app.settled().await;
    let call = app.call(&sid).await;
    assert_eq!((&call["status"], &call["duration_seconds"]), (&json!("answered"), &json!(95)));
    assert_eq!(call["conversation_id"], Value::Null);
    assert!(app.conversations_of(CUSTOMER).await.is_empty());
    assert!(app.servers.twilio.messages().is_empty());
}

/// Twilio's status callback of a call may overtake the result of the dialling.
#[tokio::test]
async fn an_answered_call_whose_end_is_reported_first_is_answered() {
    let app = spawn_app().await;
    let sid = new_call_sid();
    app.webhook().incoming_call(&sid, CUSTOMER, OUR_NUMBER, "ringing").await.unwrap();
    let ended = app.webhook().incoming_call(&sid, CUSTOMER, OUR_NUMBER, "completed").await.unwrap();
    assert!(ended.body.ends_with("<Response/>"), "{}", ended.body);
    status(&app, &sid, &[("CallSid", &sid), ("CallStatus", "completed")]).await;
    app.settled().await;
    assert_eq!(app.call(&sid).await["status"], "ringing");
    app.webhook().call_status(&sid, "completed", Some(CUSTOMER), Some(OUR_NUMBER), 95).await.unwrap();
    app.wait_for_event("call.answered").await;
    app.settled().await;
    let call = app.call(&sid).await;
    assert_eq!((&call["status"], &call["settled_by"]), (&json!("answered"), &json!("dial_result")));
    assert!(app.servers.twilio.messages().is_empty() && app.stored("NMC_DEAD").await.is_empty());
    assert_eq!(app.servers.twilio.requests().get("calls_listed"), None, "nobody has to be asked");
}

/// An app that waits only shortly for the result of a dialling, and a call that rings there.
async fn ringing(dial_timeout: &str) -> (App, String) {
    let app = spawn_app_with(&[("NMC_DIAL_TIMEOUT", dial_timeout), ("NMC_CALL_RESULT_WAIT", "100ms")]).await;
    let sid = new_call_sid();
    app.webhook().incoming_call(&sid, CUSTOMER, OUR_NUMBER, "ringing").await.unwrap();
    (app, sid)
}

fn leg(parent_call_sid: &str, status: &str, duration_seconds: u32) -> Leg {
    let (parent_call_sid, status) = (parent_call_sid.to_owned(), status.to_owned());
    Leg { parent_call_sid, call_sid: new_call_sid(), status, duration_seconds }
}

#[rstest]
#[case::nobody_was_dialled(None)]
#[case::nobody_answered(Some("no-answer"))]
#[tokio::test]
async fn a_call_that_ends_without_a_dial_result_is_missed_if_twilio_knows_of_no_talk(#[case] ended: Option<&str>) {
    let (app, sid) = ringing("20s").await;
    ended.into_iter().for_each(|status| app.servers.twilio.set_leg(leg(&sid, status, 0)));
    app.webhook().incoming_call(&sid, CUSTOMER, OUR_NUMBER, "completed").await.unwrap();
    app.wait_for_sms(CUSTOMER, 1).await;
    let call = app.call(&sid).await;
    assert_eq!((&call["status"], &call["settled_by"]), (&json!("missed"), &json!("leg")));
    assert_eq!(call["dial_status"], ended.unwrap_or("completed"));
}

#[tokio::test]
async fn a_call_that_ends_without_a_dial_result_is_answered_if_its_leg_talked() {
    let (app, sid) = ringing("20s").await;
    app.servers.twilio.set_leg(leg(&sid, "completed", 42));
    status(&app, &sid, &[("CallSid", &sid), ("CallStatus", "completed")]).await;
    app.wait_for_event("call.answered").await;
    app.settled().await;
    let call = app.call(&sid).await;
    assert_eq!((&call["settled_by"], &call["duration_seconds"]), (&json!("leg"), &json!(42)));
    assert!(app.servers.twilio.messages().is_empty());
}

#[tokio::test]
async fn a_call_of_which_nothing_more_is_heard_is_settled_after_the_dial_timeout() {
    let (app, sid) = ringing("5s").await;
    app.servers.twilio.set_leg(leg(&sid, "busy", 0));
    app.wait_for_sms(CUSTOMER, 1).await;
    let call = app.call(&sid).await;
    assert_eq!((&call["status"], &call["dial_status"]), (&json!("missed"), &json!("busy")));
}

#[tokio::test]
async fn who_misses_a_business_at_its_second_number_too_is_texted_once() {
    let app = spawn_app().await;
    let mut with_two = business();
    with_two["phone_numbers"] = json!([OUR_NUMBER, "+15555551199"]);
    app.put_business(BUSINESS, &with_two).await;
    app.miss_call(CUSTOMER).await;
    app.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    app.servers.twilio.call(CUSTOMER, "+15555551199", "no-answer").await.unwrap();
    app.wait_for_event_of(CUSTOMER, 2, "call.missed").await;
    app.settled().await;
    assert_eq!(app.sms_to(CUSTOMER).len(), 1);
    assert_eq!(app.conversations_of(CUSTOMER).await.len(), 2, "a conversation for each number");
}

#[tokio::test]
async fn a_second_missed_call_joins_the_conversation_and_sends_no_second_text() {
    let app = spawn_app().await;
    app.miss_call(CUSTOMER).await;
    app.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    let second = app.miss_call(CUSTOMER).await;
    app.wait_for_event_of(CUSTOMER, 2, "call.missed").await;
    app.settled().await;
    assert_eq!(app.sms_to(CUSTOMER).len(), 1);
    let conversations = app.conversations_of(CUSTOMER).await;
    assert_eq!(conversations.len(), 1);
    assert_eq!(app.call(&second).await["conversation_id"], conversations[0]["id"]);
}

#[tokio::test]
async fn the_business_may_have_its_own_text() {
    let app = spawn_app().await;
    let mut changed = business();
    changed["templates"] = json!({ "missed_call": "Joe here, on a ladder. What is it about?" });
    app.put_business(crate::harness::BUSINESS, &changed).await;
    app.miss_call(CUSTOMER).await;
    let sms = app.wait_for_sms(CUSTOMER, 1).await;
    assert_eq!(sms[0].body, "Joe here, on a ladder. What is it about?");
}

#[tokio::test]
async fn a_status_that_names_both_numbers_may_come_before_its_call() {
    let app = spawn_app().await;
    let sid = new_call_sid();
    app.webhook().call_status(&sid, "no-answer", Some(CUSTOMER), Some(OUR_NUMBER), 0).await.unwrap();
    app.wait_for_sms(CUSTOMER, 1).await;
    let late = app.webhook().incoming_call(&sid, CUSTOMER, OUR_NUMBER, "ringing").await.unwrap();
    assert_eq!(late.status, 200);
    app.settled().await;
    assert_eq!((app.call(&sid).await["status"].clone(), app.sms_to(CUSTOMER).len()), (json!("missed"), 1));
}

#[tokio::test]
async fn a_status_that_names_nobody_waits_for_its_call() {
    let app = spawn_app().await;
    let sid = new_call_sid();
    status(&app, &sid, &[("CallSid", &sid), ("CallStatus", "completed"), ("DialCallStatus", "no-answer")]).await;
    app.webhook().incoming_call(&sid, CUSTOMER, OUR_NUMBER, "ringing").await.unwrap();
    app.wait_for_sms(CUSTOMER, 1).await;
    assert_eq!(app.call(&sid).await["status"], "missed");
    app.settled().await;
    assert!(app.stored("NMC_DEAD").await.is_empty());
}

#[tokio::test]
async fn a_withheld_caller_is_forwarded_and_never_texted() {
    let app = spawn_app().await;
    let call = app.servers.twilio.call("anonymous", OUR_NUMBER, "no-answer").await.unwrap();
    assert!(call.dialled.is_some());
    app.wait_for_event("call.missed").await;
    app.settled().await;
    let record = app.call(&call.call_sid).await;
    assert_eq!((&record["status"], &record["customer_phone"]), (&json!("missed"), &Value::Null));
    assert!(app.servers.twilio.messages().is_empty());
    let list = app.rest.get("/conversations").await.ok();
    assert_eq!(list["conversations"], json!([]));
}

#[tokio::test]
async fn a_call_to_a_number_of_nobody_is_rejected() {
    let app = spawn_app().await;
    let call = app.servers.twilio.call(CUSTOMER, "+15555559999", "no-answer").await.unwrap();
    assert_eq!(call.ringing.status, 200);
    assert!(call.ringing.twiml.ends_with("<Response><Reject/></Response>"), "{}", call.ringing.twiml);
    app.settled().await;
    assert!(app.servers.twilio.messages().is_empty());
    assert_eq!(app.rest.get(&format!("/calls/{}", call.call_sid)).await.status, 404);
    let metrics = app.rest.get("/metrics").await.ok();
    assert!(metrics["webhook_processing"]["unknown_numbers"].as_u64().is_some_and(|count| count > 0), "{metrics}");
}
