//! Calls that come back to us, and callers that cannot be texted.

use nevermisscall::internals::Role;
use nmc_testbed::twilio::webhooks::{WebhookAnswer, WebhookClient, params};
use nmc_testbed::twilio::{TwilioOptions, new_call_sid, new_message_sid};
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::{App, CUSTOMER, OUR_NUMBER, OWNER, spawn_app};

async fn rings(client: &WebhookClient, call_sid: &str, from: &str, forwarded_from: Option<&str>) -> WebhookAnswer {
    let mut form = params::incoming_call(&TwilioOptions::default().account_sid, call_sid, from, OUR_NUMBER, "ringing");
    form.extend(forwarded_from.map(|number| ("ForwardedFrom".to_owned(), number.to_owned())));
    let answer = client.post("/webhooks/twilio/call", &form).await.unwrap();
    assert_eq!(answer.twiml_error(), None, "{}", answer.body);
    answer
}

async fn call(app: &App, from: &str, forwarded_from: Option<&str>) -> (String, WebhookAnswer) {
    let sid = new_call_sid();
    let answer = rings(&app.webhook(), &sid, from, forwarded_from).await;
    (sid, answer)
}

fn is_dialled(answer: &WebhookAnswer) -> bool {
    answer.dial_number().is_some()
}

#[rstest]
#[case::as_twilio_writes_it(OWNER)]
#[case::without_the_country("5555552222")]
#[case::as_an_address("tel:+15555552222")]
#[tokio::test]
async fn a_call_that_the_owners_phone_forwarded_is_missed_at_once_and_texted_once(#[case] forwarded_from: &str) {
    let app = spawn_app().await;
    let (sid, answer) = call(&app, CUSTOMER, Some(forwarded_from)).await;
    assert!(!is_dialled(&answer) && answer.body.contains(r#"<Reject reason="busy"/>"#), "{}", answer.body);
    app.wait_for_sms(CUSTOMER, 1).await;
    let record = app.call(&sid).await;
    assert_eq!((&record["status"], &record["dial_status"]), (&json!("missed"), &json!("forwarded_by_owner")));
    // Any status at the end of the call, and a repeated one.
    for status in ["busy", "completed"] {
        app.webhook().incoming_call(&sid, CUSTOMER, OUR_NUMBER, status).await.unwrap();
    }
    app.webhook().call_status(&sid, "completed", Some(CUSTOMER), Some(OUR_NUMBER), 5).await.unwrap();
    app.settled().await;
    assert_eq!((app.sms_to(CUSTOMER).len(), &app.call(&sid).await["status"]), (1, &json!("missed")));
}

#[rstest]
#[case::another_phone("+15555557777")]
#[case::our_own_number(OUR_NUMBER)]
#[case::nothing("")]
#[case::nonsense("anonymous")]
#[tokio::test]
async fn a_call_that_somebody_else_forwarded_is_dialled(#[case] forwarded_from: &str) {
    let app = spawn_app().await;
    assert_eq!(call(&app, CUSTOMER, Some(forwarded_from)).await.1.dial_number().as_deref(), Some(OWNER));
}

#[tokio::test]
async fn the_third_ringing_while_two_are_dialled_is_a_loop_and_the_second_is_not() {
    let app = spawn_app().await;
    let mut calls = Vec::new();
    for _ in 0..3 {
        calls.push(call(&app, CUSTOMER, None).await);
    }
    assert_eq!(calls.iter().map(|(_, answer)| is_dialled(answer)).collect::<Vec<_>>(), [true, true, false]);
    app.wait_for_sms(CUSTOMER, 1).await;
    assert_eq!(app.call(&calls[2].0).await["dial_status"], "loop");
    // Twilio repeats a request if our answer was lost; each call gets the same answer again.
    for (sid, first) in &calls {
        let again = rings(&app.webhook(), sid, CUSTOMER, None).await;
        assert_eq!(is_dialled(&again), is_dialled(first), "{sid}");
    }
    for (sid, _) in &calls[..2] {
        app.webhook().call_status(sid, "no-answer", Some(CUSTOMER), Some(OUR_NUMBER), 0).await.unwrap();
    }
    app.wait_for_event_of(CUSTOMER, 3, "call.missed").await;
    assert!(is_dialled(&call(&app, CUSTOMER, None).await.1), "nothing is being dialled any more");
    app.settled().await;
    assert_eq!(app.sms_to(CUSTOMER).len(), 1);
}

#[tokio::test]
async fn who_calls_again_after_two_calls_have_ended_is_dialled() {
    let app = spawn_app().await;
    for _ in 0..4 {
        let (sid, answer) = call(&app, CUSTOMER, None).await;
        assert!(is_dialled(&answer));
        app.webhook().call_status(&sid, "busy", Some(CUSTOMER), Some(OUR_NUMBER), 0).await.unwrap();
    }
}

#[tokio::test]
async fn several_callers_at_once_are_no_loop() {
    let app = spawn_app().await;
    for number in 1..=5 {
        assert!(is_dialled(&call(&app, &crate::harness::customer(number), None).await.1));
    }
}

#[tokio::test]
async fn a_loop_over_two_edges_is_one() {
    let app = App::setup().roles([Role::Serve, Role::Edge]).start().await;
    let options = TwilioOptions::default();
    let edges = app.addresses().into_iter().map(|address| {
        let client = WebhookClient::new(crate::harness::PUBLIC_URL, &options.account_sid, &options.auth_token).unwrap();
        client.with_target(format!("http://{address}"))
    });
    let edges: Vec<WebhookClient> = edges.collect();
    let mut dialled = Vec::new();
    for n in 0..3 {
        let sid = new_call_sid();
        dialled.push(is_dialled(&rings(&edges[n % edges.len()], &sid, CUSTOMER, None).await));
        // A call takes longer to come back than a commit takes.
        app.call(&sid).await;
    }
    assert_eq!(dialled, [true, true, false]);
}

#[tokio::test]
async fn while_postgresql_is_away_every_call_is_dialled() {
    let app = spawn_app().await;
    let mut sql = app.servers.sql().await;
    // Nobody can read the table until this transaction ends.
    sqlx::raw_sql("BEGIN; LOCK TABLE calls IN ACCESS EXCLUSIVE MODE").execute(&mut sql).await.unwrap();
    for _ in 0..4 {
        assert!(is_dialled(&call(&app, CUSTOMER, None).await.1), "in doubt, it is dialled");
    }
}

#[rstest]
#[case::anonymous("+266696687")]
#[case::restricted("+7378742833")]
#[case::blocked("+2562533")]
#[case::unknown("+8656696")]
#[case::unavailable("+86282452253")]
#[tokio::test]
async fn a_withheld_number_in_digits_is_forwarded_and_never_a_customer(#[case] from: &str) {
    let app = spawn_app().await;
    for _ in 0..3 {
        let call = app.servers.twilio.call(from, OUR_NUMBER, "no-answer").await.unwrap();
        assert_eq!(call.dialled.as_deref(), Some(OWNER));
        let record = app.call(&call.call_sid).await;
        assert_eq!(record["customer_phone"], Value::Null);
    }
    app.wait_for_event("call.missed").await;
    app.webhook().sms(&new_message_sid(), from, OUR_NUMBER, "I smell gas").await.unwrap();
    let dead = app.wait_for_dead(1).await;
    assert!(dead[0].subject.ends_with("sender_not_answerable"), "{}", dead[0].subject);
    app.settled().await;
    assert!(app.sms_to(from).is_empty());
    assert_eq!(app.rest.get("/conversations").await.ok()["conversations"], json!([]));
}
