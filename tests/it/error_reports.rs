//! Reports of errors, as an endpoint for Sentry's envelopes receives them.

use std::sync::{Arc, Mutex};

use nmc_testbed::dispatchbot::DispatchBotOptions;
use nmc_testbed::twilio::TwilioOptions;
use poem::listener::{Acceptor, Listener, TcpListener};
use poem::{EndpointExt, Request, Route, Server, handler, post, web::Data};
use rstest::rstest;
use serde_json::Value;

use crate::harness::{API_KEY, CUSTOMER, OUR_NUMBER, OWNER, Operated, eventually, settled};

const PROBLEM: &str = "My kitchen sink is completely blocked";

/// An envelope: the header with its key, and the body.
type Envelopes = Arc<Mutex<Vec<(String, String)>>>;

#[handler]
fn keep(request: &Request, body: String, envelopes: Data<&Envelopes>) -> &'static str {
    let auth = request.header("x-sentry-auth").unwrap_or_default().to_owned();
    envelopes.lock().unwrap().push((auth, body));
    "{}"
}

/// Starts the endpoint, and returns its DSN.
async fn endpoint(envelopes: &Envelopes) -> String {
    let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.unwrap();
    let address = acceptor.local_addr()[0].as_socket_addr().copied().unwrap();
    let route = Route::new().at("/api/42/envelope/", post(keep).data(Arc::clone(envelopes)));
    tokio::spawn(Server::new_with_acceptor(acceptor).run(route));
    format!("http://a-public-key@{address}/42")
}

/// The events in the envelopes: in each, a line of JSON before it says what it is.
fn events(envelopes: &Envelopes) -> Vec<Value> {
    let envelopes = envelopes.lock().unwrap();
    let lines: Vec<Value> = envelopes
        .iter()
        .flat_map(|(_, body)| body.lines())
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect();
    lines.windows(2).filter(|pair| pair[0]["type"] == "event").map(|pair| pair[1].clone()).collect()
}

#[tokio::test]
async fn an_outage_is_reported_with_the_version_and_without_people() {
    let envelopes = Envelopes::default();
    let dsn = endpoint(&envelopes).await;
    let mut service = Operated::start(&[("SENTRY_DSN", &dsn), ("SENTRY_ENVIRONMENT", "test")]).await;
    service.text(CUSTOMER, PROBLEM).await;
    service.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    assert_eq!(events(&envelopes), [] as [Value; 0], "nothing failed");
    service.servers.redis.stop().await.unwrap();
    let report = eventually("a report", async || events(&envelopes).into_iter().next()).await;
    assert_eq!(report["release"], format!("nevermisscall@{}", env!("CARGO_PKG_VERSION")));
    assert_eq!(report["environment"], "test");
    assert_eq!(report["logger"], "nevermisscall::health::watch");
    assert_eq!(report["contexts"]["Rust Tracing Fields"]["service"], "redis");
    assert!(report.to_string().contains("stacktrace"), "{report}");
    for part in ["request", "user", "server_name", "breadcrumbs"] {
        assert!(report.get(part).is_none_or(Value::is_null), "{part}: {report}");
    }
    service.stop().await;

    let envelopes = envelopes.lock().unwrap();
    assert!(envelopes.iter().all(|(auth, _)| auth.contains("sentry_key=a-public-key")), "{envelopes:?}");
    let digits = [CUSTOMER, OUR_NUMBER, OWNER].map(|number| number.trim_start_matches('+').to_owned());
    let tokens = [API_KEY.to_owned(), TwilioOptions::default().auth_token, DispatchBotOptions::default().api_key];
    for secret in digits.into_iter().chain(tokens).chain([PROBLEM.to_owned()]) {
        assert!(envelopes.iter().all(|(_, body)| !body.contains(&secret)), "{secret}");
    }
}

/// At each point where a worker's task may panic: what it was doing is done again, once.
#[rstest]
#[case::before_a_commit("before_commit")]
#[case::after_a_commit("after_commit")]
#[case::before_an_effect_is_published("before_effect_published")]
#[case::after_a_claim("after_claim")]
#[case::after_twilio_has_accepted("after_twilio_accepted")]
#[tokio::test]
async fn a_task_that_panics_is_counted_and_reported_and_its_work_is_done_once(#[case] failpoint: &str) {
    let envelopes = Envelopes::default();
    let dsn = endpoint(&envelopes).await;
    let panic = format!("{failpoint}:1:panic");
    let mut service = Operated::start(&[("SENTRY_DSN", &dsn), ("NMC_FAILPOINT", &panic)]).await;
    service.text(CUSTOMER, PROBLEM).await;
    service.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    settled(&service.servers).await;
    assert_eq!(service.servers.twilio.messages().iter().filter(|sms| sms.to == CUSTOMER).count(), 1);
    let metrics = service.rest.get_as("/metrics", "text/plain").await;
    let text = metrics.body.as_str().unwrap_or_default();
    assert!(text.contains("\nnmc_panics_total 1\n"), "{text}");
    let report = eventually("a report", async || {
        events(&envelopes).into_iter().find(|event| event["logger"] == "nevermisscall::panic")
    })
    .await;
    let place = report["logentry"]["message"].as_str().or(report["message"].as_str()).unwrap_or_default();
    assert!(place.starts_with("panicked at src/failpoint.rs"), "{report}");
    service.stop().await;
    let log = service.child.log();
    assert_eq!(log.matches("panicked at").count(), 1, "{log}");
}

#[tokio::test]
async fn the_address_may_be_in_a_file() {
    let envelopes = Envelopes::default();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), endpoint(&envelopes).await + "\n").unwrap();
    let mut service = Operated::start(&[("SENTRY_DSN_FILE", file.path().to_str().unwrap())]).await;
    service.servers.redis.stop().await.unwrap();
    eventually("a report", async || events(&envelopes).into_iter().next()).await;
    service.stop().await;
}

#[tokio::test]
async fn an_address_that_is_none_stops_nothing() {
    let mut service = Operated::start(&[("SENTRY_DSN", "not an address with its-secret-key")]).await;
    service.stop().await;
    let log = service.child.log();
    assert!(log.contains("errors are not reported") && log.contains("SENTRY_DSN"), "{log}");
    assert!(!log.contains("its-secret-key"), "{log}");
}
