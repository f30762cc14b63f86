//! `nevermisscall probe`: what it finds out, and that it leaves nothing behind.

use nevermisscall::internals::{JetStream, ProbeMarks, Role};
use nmc_testbed::twilio::TwilioOptions;
use reqwest::Method;
use rstest::rstest;
use serde_json::Value;

use crate::harness::{App, CUSTOMER, Child, OUR_NUMBER, PUBLIC_URL, business, run, spawn_app, stored};

/// The number that is kept for probes.
const NUMBER: &str = "+15550100000";

/// What a probe printed, and its exit status.
struct Probed {
    status: i32,
    report: Value,
}

/// Probes a URL with the settings of a monitoring system; `changes` override them.
async fn probe(url: &str, within: &str, changes: &[(&str, &str)]) -> Probed {
    let token = TwilioOptions::default().auth_token;
    let settings = [("NMC_PUBLIC_URL", PUBLIC_URL), ("TWILIO_AUTH_TOKEN", token.as_str())];
    let settings: Vec<_> =
        settings.iter().chain(changes).map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let output = run(&["probe", url, "--json", "--within", within], &settings).await;
    let printed = String::from_utf8_lossy(&output.stdout);
    let report = serde_json::from_str(&printed)
        .unwrap_or_else(|error| panic!("{error}: {printed}{}", String::from_utf8_lossy(&output.stderr)));
    Probed { status: output.status.code().expect("a status"), report }
}

impl Probed {
    /// Asserts that it failed in this way; returns the message.
    fn failed(&self, problem: &str) -> &str {
        assert_eq!((self.status, &self.report["ok"]), (1, &Value::Bool(false)), "{}", self.report);
        assert_eq!(self.report["problem"], problem, "{}", self.report);
        self.report["message"].as_str().expect("a message")
    }
}

/// What `/metrics` has counted, except about connections, queues and stages, which a probe passes like anything else. Gauges
/// say what is there at a moment, and are read when their time comes.
async fn figures(app: &App) -> Vec<String> {
    let text = app.rest.get_as("/metrics", "text/plain").await.ok();
    let passed = ["nmc_http_", "nmc_db_", "nmc_consumer_", "nmc_batch_", "nmc_stage_", "nmc_jetstream_"];
    let lines = text.as_str().expect("text").lines().filter(|line| line.starts_with("nmc_"));
    let counted = |line: &&str| {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        ["_total", "_count", "_sum", "_bucket"].iter().any(|suffix| name.ends_with(suffix))
    };
    lines
        .filter(counted)
        .filter(|line| !passed.iter().any(|prefix| line.starts_with(prefix)))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn a_probe_of_a_healthy_service_succeeds_and_disturbs_nobody_and_no_figure() {
    let app = spawn_app().await;
    app.text(CUSTOMER, "My sink is blocked").await;
    app.wait_for_event("message.delivered").await;
    app.settled().await;
    let (before, told) = (figures(&app).await, app.events.seen());
    let probed = probe(app.rest.base(), "10s", &[]).await;
    assert_eq!((probed.status, &probed.report["problem"]), (0, &Value::Null), "{}", probed.report);
    let ms = |name: &str| probed.report[name].as_u64().unwrap_or_else(|| panic!("{name} in {}", probed.report));
    assert!(ms("accepted_ms") <= ms("processed_ms") && ms("processed_ms") < 10_000, "{}", probed.report);
    let events = stored(&app.servers, "NMC_EVENTS").await;
    let event = events.iter().find(|event| event.json()["event_type"] == "service.probed").expect("its event");
    assert_eq!(event.json()["data"]["probe_id"], probed.report["probe_id"]);
    assert!(event.headers["traceparent"].contains(probed.report["trace_id"].as_str().expect("a trace")));

    app.settled().await;
    assert_eq!(figures(&app).await, before);
    assert_eq!(app.events.seen(), told, "events in Redis");
    assert_eq!(app.events.log().await.len(), told.len());
    assert_eq!(app.servers.twilio.messages().len(), 1, "an SMS besides the one to the customer");
    assert_eq!(app.servers.dispatchbot.requests().len(), 1);
    let list = app.rest.get("/conversations").await.ok();
    assert_eq!(list["conversations"].as_array().map(Vec::len), Some(1), "{list}");
    let calls = app.rest.get("/calls").await.ok();
    assert_eq!(calls["calls"].as_array().map(Vec::len), Some(0), "{calls}");
    assert!(stored(&app.servers, "NMC_DEAD").await.is_empty());
}

#[tokio::test]
async fn for_people_it_prints_a_line_and_what_fails_goes_to_standard_error() {
    let app = spawn_app().await;
    let token =
        |token: &str| [("NMC_PUBLIC_URL", PUBLIC_URL), ("TWILIO_AUTH_TOKEN", token)].map(|(n, v)| (n.into(), v.into()));
    let good = run(&["probe", app.rest.base()], &token(&TwilioOptions::default().auth_token)).await;
    let printed = String::from_utf8_lossy(&good.stdout);
    assert!(good.status.success() && printed.starts_with("ok: the text was accepted and processed"), "{printed}");
    let bad = run(&["probe", app.rest.base()], &token("another-token")).await;
    let complaint = String::from_utf8_lossy(&bad.stderr);
    assert!(complaint.starts_with(&format!("FAILED: {}: the signature is refused", app.rest.base())), "{complaint}");
    assert!(bad.stdout.is_empty() && !complaint.contains("another-token"), "{complaint}");
    let none = run(&["probe", app.rest.base()], &[]).await;
    assert_eq!(none.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&none.stderr).contains("TWILIO_AUTH_TOKEN: missing"));
}

#[tokio::test]
async fn without_a_worker_it_says_that_the_webhook_was_accepted_and_not_processed() {
    let app = App::setup().roles([Role::Edge]).start().await;
    let probed = probe(app.rest.base(), "1s", &[]).await;
    let message = probed.failed("not_processed");
    assert!(message.contains("accepted after") && message.contains("not processed within 1s"), "{message}");
    assert!(probed.report["accepted_ms"].is_u64() && probed.report["processed_ms"].is_null(), "{}", probed.report);
}

#[rstest]
#[case::another_token("TWILIO_AUTH_TOKEN", "another-token")]
#[case::another_public_url("NMC_PUBLIC_URL", "https://elsewhere.example.com")]
#[tokio::test]
async fn a_signature_that_is_refused_is_named(#[case] name: &str, #[case] value: &str) {
    let app = spawn_app().await;
    let probed = probe(app.rest.base(), "10s", &[(name, value)]).await;
    let message = probed.failed("signature");
    assert!(message.contains("TWILIO_AUTH_TOKEN") && message.contains("NMC_PUBLIC_URL"), "{message}");
    assert!(!message.contains("another-token"), "{message}");
}

#[tokio::test]
async fn what_does_not_connect_is_named() {
    let mut app = spawn_app().await;
    let base = app.rest.base().to_owned();
    probe(&base.replace("http://", "https://"), "5s", &[]).await.failed("tls");
    probe(&format!("{base}/nowhere"), "5s", &[]).await.failed("status");
    app.stop().await;
    probe(&base, "5s", &[]).await.failed("connect");
    probe("http://nobody.invalid", "5s", &[]).await.failed("dns");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_named() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    probe(&url, "500ms", &[]).await.failed("no_answer");
}

#[tokio::test]
async fn only_who_signs_reads_whether_a_probe_was_processed() {
    let app = spawn_app().await;
    let probed = probe(app.rest.base(), "10s", &[]).await;
    let path = format!("/webhooks/twilio/probe/{}", probed.report["probe_id"].as_str().expect("an id"));
    let unsigned = app.rest.try_send(Method::GET, &path, None).await.unwrap();
    assert_eq!((unsigned.status, unsigned.error_code()), (401, "INVALID_SIGNATURE"));
}

#[tokio::test]
async fn no_business_can_have_the_number_that_is_kept_for_probes() {
    let app = spawn_app().await;
    let mut other = business();
    other["phone_numbers"] = serde_json::json!([NUMBER]);
    let refused = app.rest.put("/businesses/other", &other).await;
    assert_eq!((refused.status, refused.error_code()), (400, "VALIDATION_FAILED"));
}

#[tokio::test]
async fn probes_are_erased_and_nothing_else_is() {
    let app = spawn_app().await;
    app.text(CUSTOMER, "My sink is blocked").await;
    app.wait_for_event("message.delivered").await;
    app.settled().await;
    let count = async |stream: &str| stored(&app.servers, stream).await.len();
    let (webhooks, events) = (count("NMC_INBOUND").await, count("NMC_EVENTS").await);
    assert_eq!(probe(app.rest.base(), "10s", &[]).await.status, 0);
    let (jetstream, mut marks) = (JetStream::connect(&app.servers.nats.url()).await.unwrap(), ProbeMarks::default());
    jetstream.erase_probes(&mut marks).await.unwrap();
    assert_eq!(
        (count("NMC_INBOUND").await, count("NMC_EVENTS").await),
        (webhooks + 1, events + 1),
        "it may be awaited"
    );
    jetstream.erase_probes(&mut marks).await.unwrap();
    assert_eq!((count("NMC_INBOUND").await, count("NMC_EVENTS").await), (webhooks, events));
}

/// The event is committed with the id of its webhook, so the next worker publishes it.
#[cfg(feature = "failpoints")]
#[tokio::test]
async fn a_probe_survives_a_worker_that_dies_before_it_publishes() {
    let app = App::setup().roles([Role::Edge]).start().await;
    let mut settings = app.servers.settings(&[]);
    settings.push(("NMC_FAILPOINT".to_owned(), "before_effect_published".to_owned()));
    let mut dying = Child::start(&app.servers, "dying", &["worker"], &settings);
    let waits = probe(app.rest.base(), "30s", &[]);
    let restarted = async {
        dying.wait().await;
        settings.pop();
        Child::start(&app.servers, "next", &["worker"], &settings)
    };
    let (probed, next) = tokio::join!(waits, restarted);
    assert_eq!(probed.status, 0, "{}\n{}", probed.report, next.log());
}

/// A text that Twilio delivers to a business is no probe, whatever it says.
#[tokio::test]
async fn a_customers_text_with_the_words_of_a_probe_is_answered() {
    let app = spawn_app().await;
    app.webhook().sms("SM1", CUSTOMER, OUR_NUMBER, "A probe of nevermisscall").await.unwrap();
    app.wait_for_sms(CUSTOMER, 1).await;
}
