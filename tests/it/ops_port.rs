//! The port for health and metrics that every process may have.

use nevermisscall::internals::Role;
use nmc_testbed::servers::Signal;
use nmc_testbed::twilio::TwilioOptions;
use rstest::rstest;
use serde_json::json;

use crate::harness::{API_KEY, App, CUSTOMER, Child, Rest, Servers, eventually};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

async fn scraped(ops: &Rest) -> String {
    let answer = ops.get_as("/metrics", OPENMETRICS).await;
    assert_eq!((answer.status, answer.headers["content-type"].to_str().unwrap()), (200, OPENMETRICS));
    answer.body.as_str().unwrap().to_owned()
}

async fn health_of(ops: &Rest, status: u16, name: &str) {
    eventually(name, async || {
        let health = ops.get("/health").await;
        ((health.status, &health.body["status"]) == (status, &json!(name))).then_some(())
    })
    .await;
}

#[tokio::test]
async fn edge_and_worker_apart_are_scraped_each_at_its_own_port() {
    let setup = App::setup().set("NMC_OPS_BIND", "127.0.0.1:0").roles([Role::Edge, Role::Worker]);
    let app = setup.start().await;
    let [edge, worker] = app.ops().try_into().ok().unwrap();
    for ops in [&edge, &worker] {
        ops.ready().await;
        for path in ["/health", "/health/live"] {
            assert_eq!(ops.get(path).await.ok()["status"], "healthy", "{path}");
        }
        assert_eq!(ops.get_as("/metrics", "").await.headers["content-type"], "application/json; charset=utf-8");
        for path in ["/conversations", "/docs", "/openapi.json", "/webhooks/twilio/sms"] {
            let answer = ops.get(path).await;
            assert_eq!((answer.status, answer.error_code()), (404, "NOT_FOUND"), "{path}");
        }
    }
    app.text(CUSTOMER, "my sink leaks").await;
    app.wait_for_event("message.delivered").await;
    let (edge, worker) = (scraped(&edge).await, scraped(&worker).await);
    let webhook = "nmc_webhooks_total{kind=\"sms\",status=\"200\"} 1\n";
    assert!(edge.contains(webhook) && !worker.contains(webhook), "{edge}\n{worker}");
    let accepted = |count| format!("nmc_sms_total{{result=\"accepted\"}} {count}\n");
    assert!(edge.contains(&accepted(0)) && worker.contains(&accepted(1)), "{edge}\n{worker}");
    assert!(edge.contains("nmc_http_connections "), "{edge}");
}

#[tokio::test]
async fn a_worker_as_a_program_writes_the_address_of_its_port_to_a_file() {
    let servers = Servers::start(TwilioOptions::default()).await;
    let file = servers.dir().join("ops-address");
    let changes = [("NMC_OPS_BIND", "127.0.0.1:0"), ("NMC_OPS_ADDRESS_FILE", file.to_str().unwrap())];
    let settings = servers.settings(&changes.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let mut worker = Child::start(&servers, "worker", &["worker"], &settings);
    let address = eventually("an address", async || std::fs::read_to_string(&file).ok()).await;
    let ops = Rest::new(format!("http://{address}"), API_KEY).with_key(None);
    ops.ready().await;
    assert!(scraped(&ops).await.contains("nmc_windows_total{event=\"opened\"} 0"));
    worker.signal(Signal::Term);
    assert!(worker.end().await.success(), "{}", worker.log());
}

#[tokio::test]
async fn without_postgresql_an_edge_is_ready_and_a_worker_is_not() {
    let setup = App::setup().set("NMC_OPS_BIND", "127.0.0.1:0").roles([Role::Edge, Role::Worker]);
    let app = setup.start().await;
    let [edge, worker] = app.ops().try_into().ok().unwrap();
    worker.ready().await;
    edge.ready().await;
    app.servers.database.take_away().await.unwrap();
    // Each process reuses its last look for a moment.
    health_of(&worker, 503, "unhealthy").await;
    assert_eq!(worker.get("/health/ready").await.status, 503);
    assert_eq!(worker.get("/health/live").await.status, 200);
    health_of(&edge, 200, "degraded").await;
    assert_eq!(edge.get("/health/ready").await.status, 200);
    app.servers.database.give_back().await.unwrap();
    worker.ready().await;
}

#[rstest]
#[case::left_out("0", 404)]
#[case::shown("1", 200)]
#[tokio::test]
async fn the_public_port_can_leave_out_the_metrics(#[case] setting: &str, #[case] status: u16) {
    let setup = App::setup().set("NMC_OPS_BIND", "127.0.0.1:0").set("NMC_PUBLIC_METRICS", setting);
    let app = setup.start().await;
    for path in ["/metrics", "/twilio/metrics", "/%6detrics"] {
        for accept in ["application/json", "text/plain", OPENMETRICS] {
            let answer = app.rest.get_as(path, accept).await;
            if status == 404 {
                assert_eq!((answer.status, answer.error_code()), (404, "NOT_FOUND"), "{path} as {accept}");
            } else if path != "/%6detrics" {
                assert_eq!(answer.status, 200, "{path} as {accept}");
            }
        }
    }
    assert_eq!(app.rest.get("/health").await.status, 200);
    assert!(scraped(&app.ops()[0]).await.ends_with("# EOF\n"));
}
