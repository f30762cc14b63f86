//! The metrics of real runs: each moves as it should.

mod readings;
mod scrape;
mod unanswered;

use std::io::ErrorKind;
use std::process::Stdio;
use std::time::Duration;

use nmc_testbed::dispatchbot::Fault as BotFault;
use nmc_testbed::sim::{Rule, Span};
use nmc_testbed::twilio::{Fault, Refusal, new_message_sid};
use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::harness::{App, CUSTOMER, OUR_NUMBER, business, customer, eventually};
pub use scrape::{Scrape, wait_for_value};

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[tokio::test]
async fn the_time_until_an_answer_is_split_into_parts_that_add_up() {
    let app = App::setup().set("NMC_WINDOW_HOLD", "1s").set("NMC_WINDOW_MAX", "3s").start().await;
    let before = Scrape::of(&app.rest).await;
    assert_eq!(before.value("nmc_answer_seconds_count"), 0.0);
    let at_dispatchbot = Duration::from_millis(400);
    app.servers.dispatchbot.add_rule(Rule::always(BotFault::Delay(Span::exactly(at_dispatchbot))));
    app.servers.twilio.add_rule(Rule::always(Fault::Delay(Span::exactly(Duration::from_millis(300)))));
    let client = app.webhook().with_header("traceparent", format!("00-{TRACE_ID}-00f067aa0ba902b7-01"));
    let answer = client.sms(&new_message_sid(), CUSTOMER, OUR_NUMBER, "My sink is blocked").await.unwrap();
    assert_eq!(answer.status, 200);
    app.wait_for_event("message.delivered").await;
    let scrape = Scrape::of(&app.rest).await;

    let all = scrape.value("nmc_answer_seconds_sum");
    let part = |name: &str| scrape.value(&format!("nmc_answer_part_seconds_sum{{part=\"{name}\"}}"));
    let parts = ["person", "service", "dispatchbot", "twilio"].map(part);
    assert!((all - parts.iter().sum::<f64>()).abs() < 0.005, "{all}: {parts:?}");
    let [person, service, dispatchbot, twilio] = parts;
    assert!((0.99..=1.01).contains(&person), "the hold: {person}");
    assert!((0.4..3.4).contains(&dispatchbot) && (0.3..10.0).contains(&twilio), "{dispatchbot} {twilio}");
    assert!(service > 0.0 && all > 1.7, "{service} of {all}");
    assert_eq!(scrape.value("nmc_answer_seconds_count"), 1.0);

    for stage in ["webhook", "decide", "commit", "publish", "analyze", "claim", "twilio", "redis"] {
        let count = scrape.value(&format!("nmc_stage_seconds_count{{stage=\"{stage}\"}}"));
        assert!(count >= 1.0, "{stage}");
    }
    assert!(scrape.value("nmc_stage_seconds_sum{stage=\"analyze\"}") >= 0.4);
    for batch in ["engine", "edge", "redis"] {
        let of = |what: &str| scrape.value(&format!("nmc_batch_inputs_{what}{{batch=\"{batch}\"}}"));
        assert!(of("count") >= 1.0 && of("sum") >= of("count"), "{batch}");
    }
    for histogram in
        ["nmc_webhook_processing_seconds", "nmc_ai_call_seconds", "nmc_answer_seconds", "nmc_stage_seconds"]
    {
        let traces = scrape.exemplars(histogram);
        assert!(traces.iter().any(|trace| trace == TRACE_ID), "{histogram}: {traces:?}");
    }
}

#[tokio::test]
async fn messages_and_calls_are_counted_by_their_outcome_and_refusals_by_twilios_code() {
    let app = App::setup().start().await;
    let [unregistered, out_of_reach, unheard_of, fine] = [1, 2, 3, 4].map(customer);
    app.servers.twilio.add_rule(Rule::always(Fault::Respond(Refusal::code(30034))).to(&unregistered));
    let undelivered = Fault::Deliver { status: "undelivered".to_owned(), error_code: Some(30003) };
    app.servers.twilio.add_rule(Rule::always(undelivered).to(&out_of_reach));
    app.servers.twilio.add_rule(Rule::always(Fault::Respond(Refusal::code(99_999))).to(&unheard_of));
    for customer in [&unregistered, &out_of_reach, &unheard_of] {
        app.text(customer, "My sink is blocked").await;
        app.wait_for_event_of(customer, 1, "message.failed").await;
    }
    app.text(&fine, "My sink is blocked").await;
    app.wait_for_event_of(&fine, 1, "message.delivered").await;
    let missed = app.miss_call(CUSTOMER).await;
    let answered = app.servers.twilio.call(&customer(5), OUR_NUMBER, "completed").await.unwrap();
    eventually("both calls", async || {
        let statuses = [app.call(&missed).await, app.call(&answered.call_sid).await].map(|call| call["status"].clone());
        (statuses == [json!("missed"), json!("answered")]).then_some(())
    })
    .await;
    app.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    app.settled().await;

    let scrape = Scrape::of(&app.rest).await;
    for (code, count) in [("30034", 1.0), ("30003", 1.0), ("other", 1.0), ("21610", 0.0)] {
        assert_eq!(scrape.value(&format!("nmc_sms_errors_total{{code=\"{code}\"}}")), count, "{code}");
    }
    assert!(!scrape.text().contains("code=\"99999\""));
    for (kind, status, count) in [
        ("customer", "received", 4.0),
        ("reply", "queued", 4.0),
        ("reply", "failed", 2.0),
        ("reply", "undelivered", 1.0),
        ("reply", "delivered", 1.0),
        ("missed_call", "queued", 1.0),
        ("missed_call", "delivered", 1.0),
        ("reply", "superseded", 0.0),
    ] {
        let series = format!("nmc_messages_total{{kind=\"{kind}\",status=\"{status}\"}}");
        assert_eq!(scrape.value(&series), count, "{series}");
    }
    assert_eq!(scrape.value("nmc_calls_total{outcome=\"missed\"}"), 1.0);
    assert_eq!(scrape.value("nmc_calls_total{outcome=\"answered\"}"), 1.0);
    assert!(!scrape.text().contains("business=\""), "no business has series unless that is wanted");
}

#[tokio::test]
async fn conversations_that_end_are_counted_by_outcomes_of_a_closed_set() {
    let app = App::setup().start().await;
    for (customer, outcome) in [(customer(1), "booked"), (customer(2), "Ann calls back")] {
        app.text(&customer, "My sink is blocked").await;
        app.wait_for_event_of(&customer, 1, "message.delivered").await;
        let id = app.conversation_of(&customer).await["id"].as_str().unwrap().to_owned();
        let body = json!({ "user_id": "u1", "outcome": outcome });
        app.rest.send(Method::POST, &format!("/conversations/{id}/complete"), Some(&body)).await.ok();
    }
    let scrape = Scrape::of(&app.rest).await;
    for (outcome, count) in [("booked", 1.0), ("other", 1.0), ("appointment_requested", 0.0), ("idle", 0.0)] {
        let series = format!("nmc_conversations_completed_total{{outcome=\"{outcome}\"}}");
        assert_eq!(scrape.value(&series), count, "{series}");
    }
    assert!(!scrape.text().contains("Ann calls"));
}

#[tokio::test]
async fn an_answer_that_a_takeover_holds_back_counts_as_superseded() {
    let app = App::setup().set("NMC_SEND_RATE", "10/min").start().await;
    let superseded = "nmc_messages_total{kind=\"reply\",status=\"superseded\"}";
    app.text(CUSTOMER, "My sink is blocked").await;
    app.wait_for_sms(CUSTOMER, 1).await;
    // It waits for its turn after the first one.
    let waits = customer(1);
    app.text(&waits, "My sink is blocked").await;
    let id = app.conversation_of(&waits).await["id"].as_str().unwrap().to_owned();
    eventually("a reply", async || (app.messages(&id).await.len() == 2).then_some(())).await;
    assert_eq!(Scrape::of(&app.rest).await.value(superseded), 0.0);
    let body = json!({ "user_id": "u1", "reason": "r" });
    app.rest.send(Method::POST, &format!("/conversations/{id}/takeover"), Some(&body)).await.ok();
    scrape::wait_for_value(&app.rest, superseded, |count| count == 1.0).await;
    assert!(app.sms_to(&waits).is_empty());
}

#[tokio::test]
async fn series_of_single_businesses_are_bounded() {
    let app = App::setup().set("NMC_BUSINESS_METRICS", "1").start().await;
    let number = "+15555553333";
    let mut other = business();
    (other["phone_numbers"], other["forward_to"]) = (json!([number]), json!("+15555554444"));
    app.put_business("anns-plumbing", &other).await;
    app.text(CUSTOMER, "My sink is blocked").await;
    app.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    app.webhook().sms(&new_message_sid(), &customer(1), number, "My sink is blocked").await.unwrap();
    app.wait_for_event_of(&customer(1), 1, "message.delivered").await;
    let scrape = Scrape::of(&app.rest).await;
    for business in ["joes-plumbing", "other"] {
        for kind in ["customer", "reply"] {
            let series = format!("nmc_business_messages_total{{business=\"{business}\",kind=\"{kind}\"}}");
            assert_eq!(scrape.value(&series), 1.0, "{series}");
        }
    }
    assert!(!scrape.text().contains("anns-plumbing"));
}

/// Debian's package `prometheus` has it.
#[tokio::test]
async fn promtool_has_no_complaint() {
    let app = App::setup().set("NMC_BUSINESS_METRICS", "1").start().await;
    app.text(CUSTOMER, "My sink is blocked").await;
    app.wait_for_event("message.delivered").await;
    // The gauges that a worker reads.
    eventually("a reading", async || Scrape::of(&app.rest).await.find("nmc_jetstream_storage_ratio")).await;
    let text = app.rest.get_as("/metrics", "text/plain").await.body.as_str().unwrap().to_owned();
    assert!(text.contains("# TYPE nmc_messages_total counter\n") && !text.contains("trace_id"), "{text}");
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = match promtool.spawn() {
        Ok(promtool) => promtool,
        Err(error) if error.kind() == ErrorKind::NotFound => return,
        Err(error) => panic!("{error}"),
    };
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).await.unwrap();
    let said = promtool.wait_with_output().await.unwrap();
    let complaints = [said.stdout, said.stderr].map(|out| String::from_utf8_lossy(&out).into_owned());
    assert!(said.status.success() && complaints.iter().all(String::is_empty), "{complaints:?}");
}
