//! Sending: every SMS once, even if Twilio's answer is lost, and a person is notified if it cannot be sent.

use std::time::{Duration, Instant};

use chrono::Utc;
use nevermisscall::internals::{Claim, SendingAccount, Store};
use nmc_testbed::sim::{Rule, Span};
use nmc_testbed::twilio::{Callbacks, Fault, Refusal};
use rstest::rstest;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{App, CUSTOMER, OUR_NUMBER, eventually, spawn_app, spawn_app_with};

/// Disables Twilio's status callbacks.
pub fn no_callbacks(app: &App) {
    app.servers.twilio.change_faults(|faults| faults.callbacks = Callbacks { enabled: false, ..Callbacks::default() });
}

async fn first_message_of(app: &App, customer: &str) -> Value {
    app.messages_of(customer).await.into_iter().next().expect("a message")
}

#[rstest]
#[case::cut(Fault::DropAfter)]
#[case::answered_500(Fault::RespondAfter(Refusal::status(500)))]
#[case::answered_503(Fault::RespondAfter(Refusal::status(503)))]
#[tokio::test]
async fn where_the_answer_is_lost_the_status_callback_proves_the_send(#[case] fault: Fault) {
    let app = spawn_app().await;
    app.servers.twilio.add_rule(Rule::next(1, fault));
    app.miss_call(CUSTOMER).await;
    app.wait_for_event("message.delivered").await;
    app.settled().await;
    let at_twilio = app.sms_to(CUSTOMER);
    assert_eq!(at_twilio.len(), 1);
    let ours = first_message_of(&app, CUSTOMER).await;
    assert_eq!((&ours["twilio_sid"], &ours["status"]), (&json!(at_twilio[0].sid), &json!("delivered")));
}

#[rstest]
#[case::cut(Fault::DropAfter)]
#[case::answered_500(Fault::RespondAfter(Refusal::status(500)))]
#[tokio::test]
async fn without_a_callback_the_message_list_proves_it(#[case] fault: Fault) {
    let app = spawn_app().await;
    no_callbacks(&app);
    app.servers.twilio.add_rule(Rule::next(1, fault));
    app.miss_call(CUSTOMER).await;
    app.wait_for_event("message.sent").await;
    app.settled().await;
    let at_twilio = app.sms_to(CUSTOMER);
    assert_eq!(at_twilio.len(), 1);
    let ours = first_message_of(&app, CUSTOMER).await;
    assert_eq!((&ours["twilio_sid"], &ours["status"]), (&json!(at_twilio[0].sid), &json!("sent")));
}

#[tokio::test]
async fn a_list_that_lags_proves_nothing_until_some_time_has_passed() {
    let app = spawn_app_with(&[("NMC_RECONCILE_AFTER", "8s")]).await;
    no_callbacks(&app);
    app.servers.twilio.add_rule(Rule::next(1, Fault::DropAfter));
    app.servers.twilio.add_rule(Rule::next(1, Fault::HideFromList(Duration::from_secs(4))));
    app.miss_call(CUSTOMER).await;
    app.wait_for_event("message.sent").await;
    app.settled().await;
    assert_eq!(app.sms_to(CUSTOMER).len(), 1);
    assert!(app.servers.twilio.requests()["listed"] >= 2);
}

#[tokio::test]
async fn a_list_that_cannot_be_read_proves_nothing() {
    let app = spawn_app().await;
    no_callbacks(&app);
    app.servers.twilio.add_rule(Rule::next(1, Fault::DropAfter));
    app.servers.twilio.add_rule(Rule::next(2, Fault::RespondToList(Refusal::status(503))));
    app.miss_call(CUSTOMER).await;
    app.wait_for_event("message.sent").await;
    app.settled().await;
    assert_eq!(app.sms_to(CUSTOMER).len(), 1);
    assert_eq!(app.servers.twilio.requests().get("list_fault_503"), Some(&2));
}

#[tokio::test]
async fn what_surely_has_not_gone_out_is_sent_again_once() {
    let app = spawn_app().await;
    app.servers.twilio.add_rule(Rule::next(1, Fault::DropBefore));
    app.miss_call(CUSTOMER).await;
    app.wait_for_event("message.delivered").await;
    app.settled().await;
    assert_eq!(app.sms_to(CUSTOMER).len(), 1);
    let requests = app.servers.twilio.requests();
    assert_eq!((requests.get("dropped_before"), requests.get("accepted")), (Some(&1), Some(&1)));
    assert!(requests.get("listed").is_some_and(|reads| *reads >= 2), "absence takes two reads: {requests:?}");
    assert_eq!(first_message_of(&app, CUSTOMER).await["status"], "delivered");
}

#[tokio::test]
async fn what_cannot_be_found_out_is_unknown_and_a_person_is_told() {
    let app = spawn_app().await;
    app.servers.twilio.add_rule(Rule::always(Fault::DropBefore));
    app.miss_call(CUSTOMER).await;
    let told = app.wait_for_event("conversation.needs_attention").await;
    assert_eq!(told["data"]["reason"], "send_unknown");
    app.settled().await;
    assert_eq!(first_message_of(&app, CUSTOMER).await["status"], "unknown");
    assert_eq!(app.servers.twilio.requests().get("dropped_before"), Some(&2));
}

#[tokio::test]
async fn too_many_requests_are_tried_again() {
    let app = spawn_app().await;
    app.servers.twilio.add_rule(Rule::next(2, Fault::Respond(Refusal::too_many(2))));
    let asked = Instant::now();
    app.miss_call(CUSTOMER).await;
    app.wait_for_event("message.delivered").await;
    assert!(asked.elapsed() >= Duration::from_secs(4), "twice as long as Twilio has said: {:?}", asked.elapsed());
    app.settled().await;
    assert_eq!(app.sms_to(CUSTOMER).len(), 1);
    assert_eq!(app.servers.twilio.requests().get("fault_429"), Some(&2));
}

/// Two workers may have the same task. If a claim fails, the worker must know whether the fence stopped the message or
/// the other worker holds the lease.
#[tokio::test]
async fn a_claim_that_fails_says_why() {
    const LEASE: Duration = Duration::from_secs(3);
    let mut app = spawn_app().await;
    app.servers.twilio.down().await;
    app.miss_call(CUSTOMER).await;
    let id = first_message_of(&app, CUSTOMER).await["id"].as_str().unwrap().parse::<Uuid>().unwrap();
    app.stop().await;
    let store = Store::owner(app.servers.database_url()).unwrap();
    let main = SendingAccount { sid: "AC1", is_main: true, conversation_sid: None };
    let claim = async || store.claim(id, main, LEASE, Utc::now()).await.unwrap();
    let Claim::Ours(claimed) = claim().await else { panic!("it waits") };
    assert!(matches!(claim().await, Claim::Taken));
    store.release_claim(id, claimed).await.unwrap();
    let Claim::Ours(claimed) = claim().await else { panic!("it waits again") };
    let silenced = "UPDATE conversations SET hard_epoch = hard_epoch + 1";
    sqlx::query(silenced).execute(&mut app.servers.sql().await).await.unwrap();
    assert!(matches!(claim().await, Claim::Stale));
    store.release_claim(id, claimed).await.unwrap();
    assert!(matches!(claim().await, Claim::Stale));
}

#[tokio::test]
async fn while_twilio_is_away_an_sms_waits() {
    let app = spawn_app().await;
    app.servers.twilio.down().await;
    app.miss_call(CUSTOMER).await;
    eventually("health to tell", async || {
        let health = app.rest.get("/health").await;
        (health.body["services"]["twilio"] == "degraded").then_some(())
    })
    .await;
    app.servers.twilio.up().await.unwrap();
    app.wait_for_event("message.delivered").await;
    app.settled().await;
    assert_eq!(app.sms_to(CUSTOMER).len(), 1);
}

#[rstest]
#[case::invalid_number("+15005550001", 21211)]
#[case::unreachable("+15005550002", 21612)]
#[case::no_mobile("+15005550009", 21614)]
#[tokio::test]
async fn a_refused_sms_has_failed_and_a_person_is_told(#[case] customer: &str, #[case] code: i64) {
    let app = spawn_app().await;
    app.miss_call(customer).await;
    let failed = app.wait_for_event("message.failed").await;
    assert_eq!(failed["data"]["error_code"], code);
    app.wait_for_event("conversation.needs_attention").await;
    app.settled().await;
    let ours = first_message_of(&app, customer).await;
    assert_eq!((&ours["status"], &ours["error_code"]), (&json!("failed"), &json!(code)));
    assert_eq!(app.servers.twilio.requests().get(&format!("refused_{code}")), Some(&1));
}

#[tokio::test]
async fn an_undelivered_sms_is_known_with_its_reason() {
    let app = spawn_app().await;
    let undelivered = Fault::Deliver { status: "undelivered".to_owned(), error_code: Some(30003) };
    app.servers.twilio.add_rule(Rule::next(1, undelivered));
    app.miss_call(CUSTOMER).await;
    app.wait_for_event("message.failed").await;
    app.wait_for_event("conversation.needs_attention").await;
    let ours = first_message_of(&app, CUSTOMER).await;
    assert_eq!((&ours["status"], &ours["error_code"]), (&json!("undelivered"), &json!(30003)));
    assert_eq!(ours["error_message"], "The customer's phone is off or out of reach.");
}

#[rstest]
#[case::reordered(Callbacks { reordered: true, ..Callbacks::default() })]
#[case::duplicated(Callbacks { duplicated: true, ..Callbacks::default() })]
#[case::both(Callbacks { reordered: true, duplicated: true, ..Callbacks::default() })]
#[tokio::test]
async fn a_delivered_sms_stays_delivered_however_it_is_reported(#[case] callbacks: Callbacks) {
    let app = spawn_app().await;
    app.servers.twilio.change_faults(|faults| faults.callbacks = callbacks);
    app.miss_call(CUSTOMER).await;
    app.wait_for_event("message.delivered").await;
    app.settled().await;
    assert_eq!(first_message_of(&app, CUSTOMER).await["status"], "delivered");
    let log = app.events.log().await;
    for event_type in ["message.sent", "message.delivered"] {
        assert_eq!(log.iter().filter(|event| event["event_type"] == event_type).count(), 1, "{event_type}");
    }
}

#[tokio::test]
async fn a_number_sends_no_faster_than_its_rate() {
    let app = spawn_app_with(&[("NMC_SEND_RATE", "2/s")]).await;
    for number in 0..4 {
        app.miss_call(&crate::harness::customer(number)).await;
    }
    for number in 0..4 {
        app.wait_for_sms(&crate::harness::customer(number), 1).await;
    }
    let sent = app.servers.twilio.messages();
    assert!(sent.iter().all(|sms| sms.from == OUR_NUMBER));
    let took = sent[3].accepted_at - sent[0].accepted_at;
    assert!(took >= chrono::TimeDelta::milliseconds(1200), "four messages within {took}");
}

#[tokio::test]
async fn whatever_twilio_does_each_sms_goes_out_once() {
    let app = spawn_app().await;
    let customers: Vec<_> = (0..18).map(crate::harness::customer).collect();
    for (number, who) in customers.iter().enumerate() {
        let fault = match number % 6 {
            0 => Fault::DropAfter,
            1 => Fault::DropBefore,
            2 => Fault::RespondAfter(Refusal::status(500)),
            3 => Fault::Respond(Refusal::too_many(1)),
            4 => Fault::Respond(Refusal::status(503)),
            _ => Fault::Delay(Span::between(Duration::ZERO, Duration::from_secs(1))),
        };
        app.servers.twilio.add_rule(Rule::next(1, fault).to(who.as_str()));
        app.miss_call(who).await;
    }
    for who in &customers {
        app.wait_for_event_of(who, 1, "message.delivered").await;
        app.text(who, "My sink is blocked").await;
    }
    for who in &customers {
        app.wait_for_event_of(who, 2, "message.delivered").await;
    }
    app.settled().await;
    for who in &customers {
        let sent = app.sms_to(who);
        assert_eq!(sent.len(), 2, "{sent:?}");
        let known: Vec<_> = app.messages_of(who).await;
        let sids: Vec<_> = known.iter().filter_map(|message| message["twilio_sid"].as_str()).collect();
        assert!(sent.iter().all(|sms| sids.contains(&sms.sid.as_str())), "{known:?}");
    }
}

#[tokio::test]
async fn a_text_does_not_hold_back_the_sms_of_the_missed_call() {
    let app = spawn_app().await;
    app.servers.twilio.add_rule(Rule::next(1, Fault::Respond(Refusal::too_many(1))));
    app.miss_call(CUSTOMER).await;
    eventually("a refused SMS", async || app.servers.twilio.requests().get("fault_429").copied()).await;
    app.text(CUSTOMER, "My sink is blocked").await;
    app.wait_for_event_of(CUSTOMER, 2, "message.delivered").await;
    let sent = app.sms_to(CUSTOMER);
    assert!(sent.iter().any(|sms| sms.body.starts_with("Hi! I missed your call")), "{sent:?}");
}
