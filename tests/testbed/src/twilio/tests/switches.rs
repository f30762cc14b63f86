//! Tests of faults, set in-process and over HTTP.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::sim::Span;

const SHORT: Duration = Duration::from_millis(500);

#[tokio::test]
async fn faults_meet_the_requests_they_name() -> anyhow::Result<()> {
    let sim = quiet_sim().await?;
    let form = [("To", TO), ("From", FROM), ("Body", "Hi")];
    sim.add_rule(Rule::next(1, Fault::Respond(Refusal::too_many(2))).to(TO));
    let response = send(&sim, &form).await?;
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "2");
    assert_eq!(response.json::<Value>().await?["code"], 20429);

    sim.set_faults(Faults::default().rule(Rule::next(1, Fault::DropBefore)));
    assert!(send(&sim, &form).await.is_err_and(|error| !error.is_timeout()));
    assert!(sim.messages().is_empty());

    sim.set_faults(Faults::default().rule(Rule::next(1, Fault::DropAfter)));
    assert!(send(&sim, &form).await.is_err_and(|error| !error.is_timeout()));
    sim.set_faults(Faults::default().rule(Rule::next(1, Fault::SilentAfter)));
    assert!(send_within(&sim, &form, SHORT).await.is_err_and(|error| error.is_timeout()));
    sim.set_faults(Faults::default().rule(Rule::next(1, Fault::RespondAfter(Refusal::status(503)))));
    assert_eq!(send(&sim, &form).await?.status(), 503);
    sim.set_faults(Faults::default().rule(Rule::next(1, Fault::Hold(Span::exactly(Duration::from_secs(2))))));
    assert!(send_within(&sim, &form, SHORT).await.is_err_and(|error| error.is_timeout()));
    assert_eq!(sim.messages().iter().map(|one| one.answered).collect::<Vec<_>>(), [false; 4]);

    assert_eq!(send(&sim, &form).await?.status(), 201);
    assert!(sim.messages().last().is_some_and(|one| one.answered));
    Ok(())
}

#[tokio::test]
async fn a_simulator_that_is_down_refuses_and_comes_back_with_its_messages() -> anyhow::Result<()> {
    let sim = quiet_sim().await?;
    let form = [("To", TO), ("From", FROM), ("Body", "Hi")];
    send(&sim, &form).await?;
    sim.down().await;
    assert!(send(&sim, &form).await.is_err_and(|error| error.is_connect()));
    sim.up().await?;
    assert_eq!(send(&sim, &form).await?.status(), 201);
    assert_eq!(sim.messages().len(), 2);
    Ok(())
}

#[tokio::test]
async fn an_sms_does_not_use_up_an_error_of_another_endpoint() -> anyhow::Result<()> {
    let sim = quiet_sim().await?;
    let http = http_client(LONG)?;
    let next = |fault: &str| json!({ "when": {"next": 1}, "fault": {fault: {"status": 503}} });
    let faults = ["respond_to_list", "respond_to_numbers", "respond_to_media", "respond_to_account"];
    let rules: Vec<Value> = faults.into_iter().map(next).collect();
    let faults = json!({ "rules": rules });
    http.put(format!("{}/_sim/faults", sim.base_url())).json(&faults).send().await?.error_for_status()?;
    assert_eq!(send(&sim, &[("To", TO), ("From", FROM), ("Body", "x")]).await?.status(), 201);
    let left: Value = http.get(format!("{}/_sim/faults", sim.base_url())).send().await?.json().await?;
    let whens: Vec<&Value> = left["rules"].as_array().into_iter().flatten().map(|rule| &rule["when"]).collect();
    assert_eq!(whens, vec![&json!({"next": 1}); 4]);
    Ok(())
}

#[tokio::test]
async fn switches_are_set_over_http() -> anyhow::Result<()> {
    let sim = quiet_sim().await?;
    let faults = json!({
        "rules": [
            {"when": {"next": 2}, "number": TO, "fault": {"respond": {"status": 503}}},
            {"fault": {"hold": {"min_ms": 1, "max_ms": 5}}},
            {"fault": "drop_after", "when": "never"},
        ],
        "callbacks": {"enabled": false, "delay": {"min_ms": 0}},
        "opted_out": ["+12125550000"],
    });
    let http = http_client(LONG)?;
    http.put(format!("{}/_sim/faults", sim.base_url())).json(&faults).send().await?.error_for_status()?;
    assert_eq!(send(&sim, &[("To", TO), ("From", FROM), ("Body", "x")]).await?.status(), 503);
    assert_eq!(send(&sim, &[("To", "+12125550000"), ("From", FROM), ("Body", "x")]).await?.status(), 400);
    let left: Value = http.get(format!("{}/_sim/faults", sim.base_url())).send().await?.json().await?;
    assert_eq!(left["rules"][0]["when"], json!({"next": 1}));
    let counts: Value = http.get(format!("{}/_sim/requests", sim.base_url())).send().await?.json().await?;
    assert_eq!(counts["requests"], json!({"fault_503": 1, "refused_21610": 1}));
    Ok(())
}
