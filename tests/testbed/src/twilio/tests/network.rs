//! Tests of the phone network and the status callbacks, with a stand-in for the server.

use std::sync::{Arc, Mutex};

use poem::web::Data;
use poem::{EndpointExt, Request, Response, Route, handler};
use serde_json::{Value, json};

use super::super::webhooks::{SIGNATURE_HEADER, signature};
use super::*;
use crate::sim::SimServer;

/// The requests that the stand-in server received: path and query, form, whether the signature was valid.
type Seen = Arc<Mutex<Vec<(String, Vec<(String, String)>, bool)>>>;

#[handler]
fn stand_in(request: &Request, body: Vec<u8>, Data(seen): Data<&Seen>) -> Response {
    let path = request.original_uri().to_string();
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&body).into_owned().collect();
    let expected = signature("a-token-for-tests", &format!("https://nmc.test{path}"), &form);
    lock(seen).push((
        path.clone(),
        form,
        header_text(request, HeaderName::from_static(SIGNATURE_HEADER)) == Some(expected),
    ));
    let twiml = match path.ends_with("/call") {
        true => {
            r#"<Response><Dial action="https://nmc.test/webhooks/twilio/call/status/X">+15555552222</Dial></Response>"#
        }
        false => "<Response/>",
    };
    Response::builder().content_type("text/xml").body(twiml)
}

async fn with_stand_in() -> anyhow::Result<(SimServer, Seen, TwilioSim)> {
    let seen = Seen::default();
    let app = |_| Route::new().at("/*", stand_in).with(AddData::new(seen.clone()));
    let server = SimServer::start(([127, 0, 0, 1], 0).into(), app).await?;
    let options = TwilioOptions {
        webhook_url: Some("https://nmc.test".to_owned()),
        webhook_target: Some(server.base_url()),
        ..TwilioOptions::default()
    };
    Ok((server, seen, TwilioSim::start(options).await?))
}

#[tokio::test]
async fn an_attachment_is_behind_credentials_and_a_redirect() -> anyhow::Result<()> {
    let (_server, seen, sim) = with_stand_in().await?;
    let http = http_client(LONG)?;
    let media = json!([{"content_type": "image/png", "body": "iVBORw0KGgo="}, {"content_type": "text/plain"}]);
    let text = json!({"from": TO, "to": FROM, "body": "", "media": media});
    let response = http.post(format!("{}/_sim/sms", sim.base_url())).json(&text).send().await?;
    let result: Value = response.error_for_status()?.json().await?;
    let form: std::collections::HashMap<_, _> = lock(&seen)[0].1.iter().cloned().collect();
    assert_eq!((form["NumMedia"].as_str(), form["MediaContentType1"].as_str()), ("2", "text/plain"));
    assert!(form["MessageSid"].starts_with("MM"), "{form:?}");
    let url = &form["MediaUrl0"];
    assert_eq!(result["media_urls"][0], *url);

    assert_eq!(http.get(url).send().await?.status(), 401);
    let options = TwilioOptions::default();
    let led = http.get(url).basic_auth(&options.account_sid, Some(options.auth_token)).send().await?;
    assert_eq!(led.status(), 307);
    let location = led.headers()["location"].to_str()?;
    assert!(location.starts_with("http://localhost:"), "{location}");
    let given = http.get(location).send().await?;
    assert_eq!(given.headers()["content-type"], "image/png");
    assert_eq!(&given.bytes().await?[..4], b"\x89PNG");
    let users: Vec<_> = sim.media_requests().into_iter().map(|request| request.account_sid).collect();
    assert_eq!(users, [None, Some(options.account_sid), None]);
    Ok(())
}

#[tokio::test]
async fn the_phone_network_calls_follows_the_dial_and_texts() -> anyhow::Result<()> {
    let (_server, seen, sim) = with_stand_in().await?;
    let call = json!({"from": TO, "to": FROM, "outcome": "no-answer"});
    let response = http_client(LONG)?.post(format!("{}/_sim/call", sim.base_url())).json(&call).send().await?;
    let result: Value = response.error_for_status()?.json().await?;
    assert_eq!(result["dialled"], "+15555552222");
    assert_eq!(result["action"]["status"], 200);
    let text = sim.text(TO, FROM, "STOP").await?;
    assert_eq!(text.webhook.twilio_error, None);
    assert_eq!(send(&sim, &[("To", TO), ("From", FROM), ("Body", "x")]).await?.status(), 400);

    let seen = lock(&seen).clone();
    assert!(seen.iter().all(|(.., signed)| *signed));
    assert_eq!(seen[1].0, "/webhooks/twilio/call/status/X");
    assert!(seen[1].1.contains(&("DialCallStatus".to_owned(), "no-answer".to_owned())));
    assert!(seen[2].1.contains(&("SmsStatus".to_owned(), "received".to_owned())));
    Ok(())
}

#[tokio::test]
async fn callbacks_are_signed_and_survive_a_server_that_restarts() -> anyhow::Result<()> {
    let (server, seen, sim) = with_stand_in().await?;
    sim.change_faults(|faults| faults.callbacks.retry_delay = Duration::from_millis(50));
    sim.add_rule(Rule::next(1, Fault::Deliver { status: "undelivered".to_owned(), error_code: Some(30003) }));
    server.down().await;
    let callback = "https://nmc.test/webhooks/twilio/message-status?message_id=7&a=b%20c";
    send(&sim, &[("To", TO), ("From", FROM), ("Body", "x"), ("StatusCallback", callback)]).await?;
    sim.wait_for(|all| all.iter().any(|one| one.status == "sent"), LONG).await?;
    server.up().await?;
    let ended = sim.wait_for_callbacks(|all| all.len() == 2, LONG).await?;
    assert!(ended.iter().all(|one| one.http_status == Some(200)));
    let seen = lock(&seen).clone();
    assert!(seen.iter().all(|(path, _, signed)| *signed && callback.ends_with(path)));
    assert!(seen[1].1.contains(&("ErrorCode".to_owned(), "30003".to_owned())));
    Ok(())
}

#[tokio::test]
async fn callbacks_are_reordered_duplicated_and_switched_off() -> anyhow::Result<()> {
    let (_server, seen, sim) = with_stand_in().await?;
    let form = [("To", TO), ("From", FROM), ("Body", "x"), ("StatusCallback", "https://nmc.test/s")];
    sim.change_faults(|faults| (faults.callbacks.reordered, faults.callbacks.duplicated) = (true, true));
    send(&sim, &form).await?;
    let ended = sim.wait_for_callbacks(|all| all.len() == 4, LONG).await?;
    let statuses: Vec<_> = ended.iter().map(|one| one.status.as_str()).collect();
    assert_eq!(statuses, ["delivered", "delivered", "sent", "sent"]);
    assert_eq!(sim.messages()[0].status, "delivered");
    sim.change_faults(|faults| faults.callbacks.enabled = false);
    send(&sim, &form).await?;
    sim.wait_for(|all| all.len() == 2 && all[1].status == "delivered", LONG).await?;
    assert_eq!(lock(&seen).len(), 4);
    Ok(())
}
