//! The load test itself: a part that is too slow breaks its bound, and the verdict names it.

use std::time::Duration;

use nmc_testbed::load::{Addresses, Mix, Options, Part, Report, run};
use nmc_testbed::sim::Latency;
use nmc_testbed::twilio::TwilioOptions;

use crate::harness::Servers;

/// DispatchBot has 3.4 s in all, so the fallback text goes out after that.
const TOO_SLOW: Duration = Duration::from_secs(3);

/// A run of a few seconds with few users, in which DispatchBot takes this long.
async fn short_run(dispatchbot: Option<Latency>) -> Report {
    let servers = Servers::start(TwilioOptions::default()).await;
    let addresses = Addresses {
        database: servers.database.url().to_owned(),
        nats: servers.nats.url(),
        redis: servers.redis.url(),
        parts: vec![Part { name: "nats-server", pid: servers.nats.pid() }],
    };
    let options = Options {
        users: 4,
        think: Duration::from_millis(800),
        mix: Mix { calls: 1, texts: 2, takeovers: 1 },
        duration: Duration::from_secs(4),
        ramp: Duration::from_secs(1),
        businesses: 8,
        open_windows: 5,
        quiet: Duration::from_millis(200),
        twilio: None,
        dispatchbot,
        ..Options::of_the_document(env!("CARGO_BIN_EXE_nevermisscall").into(), servers.dir().to_owned())
    };
    run(&options, &addresses).await.expect("a report")
}

fn broken(report: &Report) -> Vec<&str> {
    report.verdict().broken().iter().map(|bound| bound.name).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_test_with_a_slow_dispatchbot_fails_and_says_that_the_analysis_is_too_slow() {
    let report = short_run(Some(Latency::exactly(TOO_SLOW))).await;
    assert!(broken(&report).contains(&"AI analysis p95"), "{report}");
    assert_eq!(report.verdict().exit_status(), 1);
    assert!(report.to_string().contains("fallback text instead of an answer"), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_test_whose_parts_answer_at_once_has_answers_to_everything() {
    let report = short_run(None).await;
    let json = report.to_json();
    assert_eq!(json["errors"], 0, "{report}");
    for measure in ["webhook", "missed call → SMS", "text → SMS", "AI analysis", "takeover"] {
        assert!(json["measures"][measure]["count"].as_u64().is_some_and(|count| count > 0), "{measure}: {report}");
    }
    assert!(!broken(&report).contains(&"errors"), "{report}");
    assert!(report.to_string().contains("5 windows, opened in"), "{report}");
    assert!(json["cost"]["cpu_ms"]["service"].as_f64().is_some_and(|time| time > 0.0), "{report}");
}
