//! Tests of the simulator over HTTP, as the service uses it.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::sim::{Span, http_client};

const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(500);

fn request(trade: &str, messages: &[(&str, &str)]) -> Value {
    let message = |(sender_type, body): &(&str, &str)| json!({"sender_type": sender_type, "body": body, "media": [], "sent_at": "2026-07-01T15:00:00Z"});
    let settings = json!({"tone": "friendly"});
    json!({
        "conversation_id": "0190f0a0-0000-7000-8000-000000000001",
        "window_id": "0190f0a0-0000-7000-8000-000000000002",
        "priority": "normal",
        "bypass_timer": false,
        "messages": messages.iter().map(message).collect::<Vec<_>>(),
        "customer_phone": "+12125551234",
        "business": {"id": "b1", "name": "Smith & Sons", "trade": trade, "timezone": "America/New_York"},
        "user_settings": settings,
        "business_settings": settings,
        "business_hours": {"wednesday": {"start": "08:00", "end": "18:00"}, "sunday": null},
        "job_estimates": [{"job_type": "drain_cleaning", "min": 120, "max": 250}],
        "calendar": [],
    })
}

async fn post(sim: &DispatchBotSim, body: &Value) -> reqwest::Result<reqwest::Response> {
    post_within(sim, body, LONG).await
}

async fn post_within(sim: &DispatchBotSim, body: &Value, timeout: Duration) -> reqwest::Result<reqwest::Response> {
    let request = http_client(timeout)?.post(format!("{}/v1/conversations/analyze", sim.base_url()));
    request.bearer_auth("a-key-for-tests").json(body).send().await
}

async fn ask(trade: &str, messages: &[(&str, &str)]) -> anyhow::Result<Value> {
    let sim = DispatchBotSim::start(DispatchBotOptions::default()).await?;
    Ok(post(&sim, &request(trade, messages)).await?.error_for_status()?.json().await?)
}

fn text(answer: &Value) -> &str {
    answer["message_to_customer"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn the_documents_emergency_is_answered_as_the_document_wants() -> anyhow::Result<()> {
    let missed = ("ai", "Hi! I missed your call. How can I help?");
    let answer = ask("plumbing", &[missed, ("customer", "Water heater burst in basement!")]).await?;
    assert_eq!(answer["success"], true);
    assert_eq!(answer["job_type"], "plumbing_emergency");
    assert_eq!(answer["urgency_level"], "emergency");
    assert!(text(&answer).contains("emergency") && text(&answer).contains("plumbing"));
    assert!(answer["confidence"].as_f64().is_some_and(|confidence| confidence > 0.9));
    Ok(())
}

#[tokio::test]
async fn a_blocked_sink_becomes_an_appointment() -> anyhow::Result<()> {
    let sink = "Yes, kitchen sink is completely blocked. Need help today!";
    let mut messages = vec![("ai", "Hi! I missed your call. How can I help?"), ("customer", sink)];
    let first = ask("plumbing", &messages).await?;
    assert_eq!((&first["job_type"], &first["urgency_level"]), (&json!("drain_cleaning"), &json!("urgent")));
    assert!(text(&first).contains("plumbing") && text(&first).contains("$120 to $250"), "{first}");
    assert_eq!(first.get("appointment"), None);
    assert_eq!(first, ask("plumbing", &messages).await?);

    messages.extend([("ai", text(&first)), ("customer", "Yes, 3pm today works perfectly")]);
    let second = ask("plumbing", &messages).await?;
    assert_eq!(second["appointment"]["starts_at"], "2026-07-01T15:00:00-04:00");
    assert_eq!(second["conversation_complete"], true);
    assert_eq!(second["outcome"], "appointment_requested");

    messages.truncate(3);
    messages.push(("customer", "ok"));
    let offered = ask("plumbing", &messages).await?;
    assert_eq!(offered["appointment"]["starts_at"], "2026-07-01T13:00:00-04:00");
    Ok(())
}

#[tokio::test]
async fn each_trade_speaks_of_itself() -> anyhow::Result<()> {
    for (trade, said, job, word) in [
        ("electrical", "electrical fire in kitchen", "electrical_emergency", "electrical"),
        ("hvac", "the furnace makes noise", "furnace_repair", "heating"),
        ("locksmith", "I am locked out", "lockout", "locksmith"),
        ("garage_door", "broken spring", "spring_replacement", "garage door"),
        ("plumbing", "hello?", "plumbing_service", "plumbing"),
    ] {
        let answer = ask(trade, &[("customer", said)]).await?;
        assert_eq!(answer["job_type"], job);
        assert!(text(&answer).contains(word) && text(&answer).len() <= 320, "{answer}");
    }
    Ok(())
}

#[tokio::test]
async fn a_request_that_breaks_the_contract_is_told_all_that_is_wrong() -> anyhow::Result<()> {
    let sim = DispatchBotSim::start(DispatchBotOptions::default()).await?;
    let mut wrong = request("plumbing", &[("customer", "Hi")]);
    wrong["priority"] = json!("high");
    wrong["messages"][0]["sent_at"] = json!("yesterday");
    wrong["business"]["trade"] = json!("bakery");
    wrong["surprise"] = json!(1);
    wrong.as_object_mut().map(|fields| fields.remove("window_id"));
    let response = post(&sim, &wrong).await?;
    assert_eq!(response.status(), 422);
    let body: Value = response.json().await?;
    assert_eq!(
        body["error"]["details"],
        json!([
            "surprise: not part of the contract",
            "window_id: missing",
            "priority: is not one of normal, emergency",
            "messages[0].sent_at: is not an RFC 3339 time",
            "business.trade: is not one of plumbing, electrical, hvac, locksmith, garage_door",
        ])
    );
    assert_eq!(sim.requests()[0]["answered_with"], 422);
    let keyless = http_client(LONG)?.post(format!("{}/v1/conversations/analyze", sim.base_url())).json(&wrong);
    assert_eq!(keyless.send().await?.status(), 401);
    Ok(())
}

#[tokio::test]
async fn it_fails_as_told() -> anyhow::Result<()> {
    let sim = DispatchBotSim::start(DispatchBotOptions::default()).await?;
    let good = request("plumbing", &[("customer", "The drain is slow")]);
    let with = |fault| sim.set_faults(Faults::default().rule(Rule::next(1, fault).to("+12125551234")));

    with(Fault::Respond(503));
    assert_eq!(post(&sim, &good).await?.status(), 503);
    with(Fault::HoldForever);
    assert!(post_within(&sim, &good, SHORT).await.is_err_and(|error| error.is_timeout()));
    with(Fault::Delay(Span::exactly(Duration::from_secs(2))));
    assert!(post_within(&sim, &good, SHORT).await.is_err_and(|error| error.is_timeout()));
    with(Fault::Drop);
    assert!(post(&sim, &good).await.is_err_and(|error| !error.is_timeout()));
    with(Fault::InvalidJson);
    assert!(post(&sim, &good).await?.json::<Value>().await.is_err());
    with(Fault::WrongTypes);
    assert_eq!(post(&sim, &good).await?.json::<Value>().await?["job_type"], 7);
    with(Fault::EmptyMessage);
    assert_eq!(text(&post(&sim, &good).await?.json().await?), "");
    with(Fault::LongMessage);
    assert_eq!(text(&post(&sim, &good).await?.json().await?).chars().count(), 2000);
    with(Fault::LowConfidence);
    assert_eq!(post(&sim, &good).await?.json::<Value>().await?["confidence"], 0.1);
    with(Fault::PriceOutOfRange);
    assert!(text(&post(&sim, &good).await?.json().await?).contains("$12499"));
    with(Fault::PastAppointment);
    assert_eq!(post(&sim, &good).await?.json::<Value>().await?["conversation_complete"], true);
    with(Fault::Obey);
    assert_eq!(text(&post(&sim, &good).await?.json().await?), "The drain is slow");
    assert_eq!(post(&sim, &good).await?.json::<Value>().await?["job_type"], "drain_cleaning");
    assert_eq!(sim.wait_for(|all| all.len() == 13, LONG).await?[1]["answered_with"], 0);
    Ok(())
}

#[tokio::test]
async fn scripted_answers_come_first_and_switches_are_set_over_http() -> anyhow::Result<()> {
    let sim = DispatchBotSim::start(DispatchBotOptions::default()).await?;
    let good = request("plumbing", &[("customer", "The drain is slow")]);
    let http = http_client(LONG)?;
    let control = |path: &str| format!("{}/_sim/{path}", sim.base_url());
    http.post(control("answers")).json(&json!([{"success": false}])).send().await?.error_for_status()?;
    let faults = json!({"rules": [{"when": {"next": 1}, "fault": {"respond": 500}}]});
    assert_eq!(post(&sim, &good).await?.json::<Value>().await?, json!({"success": false}));
    http.put(control("faults")).json(&faults).send().await?.error_for_status()?;
    assert_eq!(post(&sim, &good).await?.status(), 500);
    let seen: Value = http.get(control("requests")).send().await?.json().await?;
    assert_eq!(seen["requests"].as_array().map(Vec::len), Some(2));
    Ok(())
}

/// A request of dispatch-bot-ai.
fn request_of_dispatch_bot_ai(current_message: &str) -> Value {
    json!({
        "caller_phone": "+12125551234", "called_number": "+15555551111",
        "conversation_history": [
            {"timestamp": "2026-07-01T15:00:00Z", "sender": "system", "message": "Hi!", "message_type": "sms"},
        ],
        "current_message": current_message, "business_name": "Smith & Sons", "trade_type": "plumbing",
        "business_hours": {}, "phone_hours": {"always_available": true},
        "business_address": {"street_address": "1 Main St", "city": "Albany", "state": "NY", "postal_code": "12207"},
        "job_estimates": [], "existing_calendar": [],
        "business_settings": {
            "accept_emergencies": true, "max_jobs_per_day": 8, "service_radius_miles": 25,
            "emergency_service_enabled": true,
        },
    })
}

async fn process(sim: &DispatchBotSim, key: &str, body: &Value) -> anyhow::Result<(u16, Value)> {
    let request = http_client(LONG)?.post(format!("{}/dispatch/process", sim.base_url()));
    let answer = request.header("X-Service-Key", key).json(body).send().await?;
    Ok((answer.status().as_u16(), answer.json().await?))
}

#[tokio::test]
async fn the_other_dialect_has_its_own_key_words_and_errors() -> anyhow::Result<()> {
    let sim = DispatchBotSim::start(DispatchBotOptions::default()).await?;
    let request = request_of_dispatch_bot_ai("Water heater burst in basement!");
    let (status, answer) = process(&sim, "a-key-for-tests", &request).await?;
    assert_eq!((status, &answer["extracted_info"]["urgency_level"]), (200, &json!("emergency")));
    let agreed = request_of_dispatch_bot_ai("Yes, 3pm tomorrow works");
    let (_, answer) = process(&sim, "a-key-for-tests", &agreed).await?;
    assert_eq!(
        (&answer["conversation_stage"], &answer["extracted_info"]["customer_confirmed"]),
        (&json!("complete"), &json!(true))
    );
    let (status, error) = process(&sim, "another-key", &request).await?;
    assert_eq!((status, &error["code"]), (403, &json!("UNAUTHORIZED")));
    let (status, error) = process(&sim, "a-key-for-tests", &json!({})).await?;
    assert_eq!((status, error["detail"].is_array()), (422, true));
    sim.set_faults(Faults::default().rule(Rule::next(1, Fault::Respond(500))));
    let (status, error) = process(&sim, "a-key-for-tests", &request).await?;
    assert_eq!((status, &error["code"]), (500, &json!("INJECTED")));
    let health: Value = http_client(LONG)?.get(format!("{}/health", sim.base_url())).send().await?.json().await?;
    assert_eq!(health["status"], "healthy");
    Ok(())
}
