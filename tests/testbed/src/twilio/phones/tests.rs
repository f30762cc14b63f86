//! Tests of the phones, with a stand-in for the server that screens calls.

use std::sync::Arc;
use std::time::Duration;

use poem::web::Data;
use poem::{EndpointExt, Request, Response, Route, handler};
use serde_json::{Value, json};

use super::super::{Fault, Refusal, TwilioOptions, TwilioSim};
use super::*;
use crate::sim::{Rule, SimServer, http_client};

const CUSTOMER: &str = "+12125551234";
const BUSINESS: &str = "+15005550006";
const OWNER: &str = "+15555552222";
const LONG: Duration = Duration::from_secs(10);

/// The forms that the stand-in has received, by path.
type Seen = Arc<Mutex<Vec<(String, HashMap<String, String>)>>>;

#[handler]
fn stand_in(request: &Request, body: Vec<u8>, Data(seen): Data<&Seen>) -> Response {
    let path = request.uri().path().to_owned();
    let form: HashMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
    let digits = form.get("Digits").cloned();
    lock(seen).push((path.clone(), form));
    let inner = match (path.as_str(), digits.as_deref()) {
        ("/webhooks/twilio/call", _) => {
            r#"<Dial timeout="20" answerOnBridge="true" action="https://nmc.test/ended"><Number url="https://nmc.test/screen">+15555552222</Number></Dial>"#
        }
        ("/screen" | "/alert", None) => {
            r#"<Gather numDigits="1" timeout="5" action="https://nmc.test/screen"><Say>Press 1</Say></Gather><Hangup/>"#
        }
        ("/screen", Some("1")) => "",
        ("/screen", Some(_)) => "<Hangup/>",
        ("/bad", _) => "<Shout/>",
        _ => "",
    };
    Response::builder().content_type("text/xml").body(format!("<Response>{inner}</Response>"))
}

async fn with_stand_in() -> anyhow::Result<(SimServer, Seen, TwilioSim)> {
    let seen = Seen::default();
    let app = |_| Route::new().at("/*", stand_in).with(poem::middleware::AddData::new(seen.clone()));
    let server = SimServer::start(([127, 0, 0, 1], 0).into(), app).await?;
    let sim = TwilioSim::start(TwilioOptions {
        webhook_url: Some("https://nmc.test".to_owned()),
        webhook_target: Some(server.base_url()),
        ..TwilioOptions::default()
    })
    .await?;
    sim.set_phone_options(Options { second: Duration::from_millis(10), ..Options::default() });
    Ok((server, seen, sim))
}

fn presses(keys: &str) -> Behaviour {
    Behaviour::Presses(keys.to_owned())
}

/// A phone, the `DialCallStatus` and `DialBridged` of its dial, and the keys that it pressed.
fn cases() -> Vec<(Behaviour, &'static str, bool, &'static str)> {
    vec![
        (presses("1"), "completed", true, "1"),
        (presses("2"), "completed", false, "2"),
        (Behaviour::IsSilent, "completed", false, ""),
        (Behaviour::Voicemail, "completed", false, ""),
        (Behaviour::HangsUp, "completed", false, ""),
        (Behaviour::Busy, "busy", false, ""),
        (Behaviour::Rejects, "no-answer", false, ""),
        (Behaviour::RingsOut, "no-answer", false, ""),
        (Behaviour::Unreachable, "failed", false, ""),
    ]
}

#[tokio::test]
async fn each_phone_has_its_own_end_of_a_screened_call() -> anyhow::Result<()> {
    let (_server, seen, sim) = with_stand_in().await?;
    for (behaviour, status, is_bridged, pressed) in cases() {
        lock(&seen).clear();
        sim.set_phone(OWNER, behaviour.clone());
        let played = sim.ring(CUSTOMER, BUSINESS).await?;
        let (_, result) = lock(&seen).iter().find(|(path, _)| path == "/ended").cloned().unwrap_or_default();
        let named = |name: &str| result.get(name).cloned().unwrap_or_default();
        assert_eq!(named("DialCallStatus"), status, "{behaviour:?}");
        assert_eq!(named("DialBridged"), is_bridged.to_string(), "{behaviour:?}");
        assert_eq!(named("CallSid"), played.call.call_sid);
        assert_eq!(played.legs[0].pressed, pressed, "{behaviour:?}");
        assert_eq!(played.talked_with().is_some(), is_bridged, "{behaviour:?}");
        let screen = lock(&seen).iter().find(|(path, _)| path == "/screen").map(|(_, form)| form.clone());
        if let Some(form) = screen {
            assert_eq!(form["ParentCallSid"], played.call.call_sid);
            assert_ne!(form["CallSid"], played.call.call_sid);
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_caller_may_hang_up_before_anybody_answers() -> anyhow::Result<()> {
    let (_server, seen, sim) = with_stand_in().await?;
    let call = CustomerCall {
        from: CUSTOMER.to_owned(),
        to: BUSINESS.to_owned(),
        hangs_up_after: Some(5.0),
        ..CustomerCall::default()
    };
    let played = sim.ring_with(call).await?;
    assert_eq!((played.call.status.as_str(), played.legs[0].status.as_str()), ("canceled", "canceled"));
    let statuses: Vec<_> = lock(&seen).iter().filter_map(|(_, form)| form.get("DialCallStatus").cloned()).collect();
    assert_eq!(statuses, ["canceled"]);
    Ok(())
}

fn url(sim: &TwilioSim) -> String {
    format!("{}/2010-04-01/Accounts/{}/Calls.json", sim.base_url(), TwilioOptions::default().account_sid)
}

async fn place(sim: &TwilioSim, form: &[(&str, &str)]) -> anyhow::Result<reqwest::Response> {
    let options = TwilioOptions::default();
    let request = http_client(LONG)?.post(url(sim)).basic_auth(options.account_sid, Some(options.auth_token));
    Ok(request.form(form).send().await?)
}

#[tokio::test]
async fn a_call_that_is_placed_rings_plays_and_reports() -> anyhow::Result<()> {
    let (_server, _seen, sim) = with_stand_in().await?;
    sim.set_phone(OWNER, presses("1"));
    let form = [
        ("To", OWNER),
        ("From", BUSINESS),
        ("Url", "https://nmc.test/alert"),
        ("StatusCallback", "https://nmc.test/progress"),
        ("StatusCallbackEvent", "initiated"),
        ("StatusCallbackEvent", "ringing"),
        ("StatusCallbackEvent", "answered"),
        ("StatusCallbackEvent", "completed"),
    ];
    let answer = place(&sim, &form).await?;
    assert_eq!(answer.status(), 201);
    let resource: Value = answer.json().await?;
    let sid = resource["sid"].as_str().unwrap_or_default().to_owned();
    let calls = sim.wait_for_phone_calls(|calls| calls.iter().any(PhoneCall::is_over), LONG).await?;
    assert_eq!((calls[0].call_sid.as_str(), calls[0].pressed.as_str()), (sid.as_str(), "1"));
    assert_eq!(calls[0].heard, ["Press 1"]);
    let mut reported = 0;
    while reported < 4 {
        tokio::task::yield_now().await;
        reported = sim.call_callbacks().len();
    }
    let statuses: Vec<_> = sim.call_callbacks().into_iter().map(|callback| callback.status).collect();
    assert_eq!(statuses, ["initiated", "ringing", "in-progress", "completed"]);
    let options = TwilioOptions::default();
    let list = http_client(LONG)?.get(format!("{}?To=%2B15555552222", url(&sim)));
    let list: Value = list.basic_auth(options.account_sid, Some(options.auth_token)).send().await?.json().await?;
    assert_eq!((&list["calls"][0]["sid"], &list["calls"][0]["status"]), (&json!(sid), &json!("completed")));
    Ok(())
}

#[tokio::test]
async fn calls_are_refused_with_twilios_errors_and_at_more_than_one_a_second() -> anyhow::Result<()> {
    let (_server, _seen, sim) = with_stand_in().await?;
    let document = ("Url", "https://nmc.test/alert");
    sim.change_numbers(|numbers| {
        numbers.of_nobody.insert("+15005550099".to_owned());
    });
    for (to, from, code) in [
        ("", BUSINESS, 21201),
        ("five", BUSINESS, 21211),
        ("+15005550001", BUSINESS, 21217),
        (OWNER, "five", 21212),
        (OWNER, "+15005550099", 21210),
    ] {
        let answer = place(&sim, &[("To", to), ("From", from), document]).await?;
        assert_eq!(answer.status(), 400, "{to} {from}");
        assert_eq!(answer.json::<Value>().await?["code"], code);
    }
    assert_eq!(
        place(&sim, &[("To", OWNER), ("From", BUSINESS), ("Url", "/alert")]).await?.json::<Value>().await?["code"],
        21205
    );
    let good = [("To", OWNER), ("From", BUSINESS), document];
    sim.add_rule(Rule::next(1, Fault::Call(Box::new(Fault::Respond(Refusal::status(503))))).to(OWNER));
    assert_eq!(place(&sim, &good).await?.status(), 503);
    sim.add_rule(Rule::next(1, Fault::Call(Box::new(Fault::DropAfter))).to(OWNER));
    assert!(place(&sim, &good).await.is_err());
    assert_eq!(sim.phone_calls().len(), 1, "it was placed, but nobody was told");
    let refused = place(&sim, &good).await?;
    assert_eq!((refused.status().as_u16(), refused.json::<Value>().await?["code"].clone()), (429, json!(20429)));
    Ok(())
}

#[tokio::test]
async fn a_document_that_twilio_refuses_is_recorded_and_ends_its_call() -> anyhow::Result<()> {
    let (_server, _seen, sim) = with_stand_in().await?;
    sim.set_phone(OWNER, Behaviour::IsSilent);
    place(&sim, &[("To", OWNER), ("From", BUSINESS), ("Url", "https://nmc.test/bad")]).await?;
    let calls = sim.wait_for_phone_calls(|calls| calls.iter().any(PhoneCall::is_over), LONG).await?;
    assert_eq!(calls[0].error, Some(12100));
    let faults = sim.take_twiml_faults();
    assert_eq!(faults.len(), 1);
    assert!(faults[0].reason.contains("Shout"), "{faults:?}");
    Ok(())
}

#[tokio::test]
async fn a_phone_follows_its_script_and_stays_with_the_last_entry() -> anyhow::Result<()> {
    let (_server, _seen, sim) = with_stand_in().await?;
    sim.set_phone_script(OWNER, [Behaviour::Busy.into(), presses("1").into()]);
    for talks in [false, true, true] {
        assert_eq!(sim.ring(CUSTOMER, BUSINESS).await?.talked_with().is_some(), talks);
    }
    Ok(())
}
