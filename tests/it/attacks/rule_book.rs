//! Without the emergency rules, the service would treat an emergency as an ordinary text, and nobody would notice.

#[cfg(feature = "failpoints")]
use nmc_testbed::twilio::TwilioOptions;
#[cfg(feature = "failpoints")]
use rstest::rstest;

#[cfg(feature = "failpoints")]
use crate::harness::{Servers, run};

#[cfg(feature = "failpoints")]
fn without_rules(servers: &Servers) -> Vec<(String, String)> {
    servers.settings(&[("NMC_FAILPOINT".to_owned(), "no_emergency_rules".to_owned())])
}

#[cfg(feature = "failpoints")]
#[rstest]
#[case::serve("serve")]
#[case::edge("edge")]
#[case::worker("worker")]
#[tokio::test]
async fn a_broken_rule_book_stops_the_service_at_start(#[case] role: &str) {
    let servers = Servers::start(TwilioOptions::default()).await;
    let output = run(&[role], &without_rules(&servers)).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(told.contains("the emergency rules could not be loaded"), "{told}");
    assert!(!told.contains("listening"), "{told}");
}

#[cfg(feature = "failpoints")]
#[tokio::test]
async fn what_reads_no_texts_needs_no_rules() {
    let servers = Servers::start(TwilioOptions::default()).await;
    for command in [&["migrate"][..], &["keys", "list"], &["openapi"]] {
        let output = run(command, &without_rules(&servers)).await;
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
