//! Tests of messages: accepted, refused, listed.

use chrono::Utc;
use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn a_good_message_is_accepted_as_twilio_accepts_it() -> anyhow::Result<()> {
    let sim = quiet_sim().await?;
    let response = send(&sim, &[("To", TO), ("From", FROM), ("Body", "Hi! I missed your call")]).await?;
    assert_eq!(response.status(), 201);
    let message: Value = response.json().await?;
    assert!(message["sid"].as_str().is_some_and(|sid| sid.starts_with("SM") && sid.len() == 34));
    assert_eq!(message["status"], "queued");
    assert_eq!(message["num_segments"], "1");
    assert_eq!(message["error_code"], Value::Null);
    assert!(chrono::DateTime::parse_from_rfc2822(message["date_created"].as_str().unwrap_or_default()).is_ok());
    let sent = sim.wait_for(|all| all.iter().any(|one| one.status == "delivered"), LONG).await?;
    assert!(sent[0].answered);
    let one = list(&sim, message["uri"].as_str().unwrap_or_default()).await?;
    assert_eq!(one["sid"], message["sid"]);
    assert_eq!(sim.requests().get("accepted"), Some(&1));
    Ok(())
}

#[tokio::test]
async fn bad_credentials_and_bad_forms_are_refused_in_twilios_shape() -> anyhow::Result<()> {
    let sim = quiet_sim().await?;
    let http = http_client(LONG)?;
    let response = http.post(url(&sim)).basic_auth("AC1", Some("x")).form(&[("To", TO)]).send().await?;
    assert_eq!(response.status(), 401);
    assert_eq!(response.json::<Value>().await?["code"], 20003);
    let response = send(&sim, &[("To", "+15005550001"), ("From", FROM), ("Body", "x")]).await?;
    assert_eq!(response.status(), 400);
    let error: Value = response.json().await?;
    assert_eq!((&error["code"], &error["status"]), (&json!(21211), &json!(400)));
    assert_eq!(error["more_info"], "https://www.twilio.com/docs/errors/21211");
    assert!(sim.messages().is_empty());
    Ok(())
}

#[tokio::test]
async fn the_list_filters_pages_and_lags() -> anyhow::Result<()> {
    let sim = quiet_sim().await?;
    for body in ["1", "2", "3"] {
        send(&sim, &[("To", TO), ("From", FROM), ("Body", body)]).await?;
    }
    send(&sim, &[("To", "+12125559999"), ("From", FROM), ("Body", "other")]).await?;
    sim.add_rule(Rule::always(Fault::HideFromList(LONG)));
    send(&sim, &[("To", TO), ("From", FROM), ("Body", "hidden")]).await?;

    let base = url(&sim).replace(&sim.base_url(), "");
    let (to, today) = (TO.replace('+', "%2B"), Utc::now().format("%Y-%m-%d"));
    let bodies = |page: &Value| -> Vec<String> {
        let messages = page["messages"].as_array().cloned().unwrap_or_default();
        messages.iter().map(|one| one["body"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let first = list(&sim, &format!("{base}?To={to}&DateSent%3E={today}&PageSize=2")).await?;
    assert_eq!(bodies(&first), ["3", "2"]);
    let second = list(&sim, first["next_page_uri"].as_str().unwrap_or_default()).await?;
    assert_eq!(bodies(&second), ["1"]);
    assert_eq!(second["next_page_uri"], Value::Null);
    for (query, count) in
        [("DateSent>=2999-01-01", 0), ("DateSent<=2020-01-01T00:00:00Z", 0), ("From=%2B15005550006", 4)]
    {
        assert_eq!(bodies(&list(&sim, &format!("{base}?{query}")).await?).len(), count, "{query}");
    }
    Ok(())
}
