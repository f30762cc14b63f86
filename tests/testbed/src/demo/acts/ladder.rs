//! An emergency at night: the owner's phone rings and nobody answers, the contact's rings and 1 is pressed, and the customer
//! is informed.

use std::time::Duration;

use anyhow::Context;
use reqwest::Method;
use serde_json::json;

use super::{Act, PATIENCE};
use crate::demo::business::{self, CONTACTS, OWNER_PHONE};
use crate::demo::screen::Tag;
use crate::twilio::{Behaviour, PhoneCall, PhoneOptions};

pub(super) const HEADING: &str = "An emergency at night: the owner sleeps, the next person is called and takes it";

const CRY: &str = "Water is coming through the ceiling, it's flooding!";
/// A second of the phones, so that 25 s of ringing are soon over.
const SECOND: Duration = Duration::from_millis(100);

pub(super) async fn play(act: &mut Act<'_>) -> anyhow::Result<()> {
    let contact = CONTACTS[0];
    let twilio = &act.stage.twilio;
    twilio.set_phone_options(PhoneOptions { second: SECOND, ..PhoneOptions::default() });
    twilio.set_phone(OWNER_PHONE, Behaviour::RingsOut);
    twilio.set_phone(contact, Behaviour::Presses("1".to_owned()));
    let before = act.texts_to(contact).len();
    put(act, true).await?;
    act.sms(contact, before + 1).await?;
    let asked = act.texts_to(contact).pop().unwrap_or_default();
    let code =
        asked.split_once("answer ").context("the contact is sent no code")?.1.chars().take(6).collect::<String>();
    act.stage.phone.text_from(contact, &code).await?;

    act.text(CRY).await?;
    for (place, who) in ["Joe's phone", "the contact's phone"].into_iter().enumerate() {
        act.stage.screen.progress(Some(who));
        let is_over = |calls: &[PhoneCall]| in_the_emergency(calls).nth(place).is_some_and(PhoneCall::is_over);
        let calls = act.stage.twilio.wait_for_phone_calls(is_over, PATIENCE).await?;
        act.stage.screen.progress(None);
        if let Some(call) = in_the_emergency(&calls).nth(place) {
            narrate(act, who, call);
        }
    }
    act.event("conversation.user_taken").await?;
    let all = act.stage.twilio.wait_for_phone_calls(|calls| calls.iter().all(PhoneCall::is_over), PATIENCE).await?;
    let calls: Vec<PhoneCall> = in_the_emergency(&all).cloned().collect();
    let is_informed = |texts: &[String]| texts.iter().any(|text| text.contains("is on it"));
    let customer = act.customer;
    act.stage
        .twilio
        .wait_for(|all| all.iter().any(|sms| sms.to == customer && sms.body.contains("is on it")), PATIENCE)
        .await
        .context("the customer is not informed")?;
    put(act, false).await?;

    let first = calls.first().is_some_and(|call| call.to == OWNER_PHONE && call.status == "no-answer");
    act.found("the owner's phone was called at once, and rang out", first, format!("{calls:?}"));
    let second = calls.get(1).filter(|call| call.to == contact && call.pressed == "1");
    act.found("then the contact's, who pressed 1", second.is_some(), format!("{calls:?}"));
    let heard = second.map(|call| call.heard.join(" | ")).unwrap_or_default();
    act.found("they heard the customer's words", heard.contains(CRY), heard.clone());
    act.found("and that they have it", heard.contains("You have it"), heard);
    let texts = act.texts_to(act.customer);
    act.found("the customer was informed that a person is on it", is_informed(&texts), texts.join(" | "));
    act.found("nobody was called after that", calls.len() == 2, calls.len());
    Ok(())
}

/// The calls that the service placed, without those of customers.
fn in_the_emergency(calls: &[PhoneCall]) -> impl Iterator<Item = &PhoneCall> {
    calls.iter().filter(|call| call.direction == "outbound-api")
}

/// Says what the holder of a called phone heard and did.
fn narrate(act: &Act<'_>, who: &str, call: &PhoneCall) {
    let what = match (call.pressed.as_str(), call.heard.first()) {
        (_, None) => format!("{who} rings, and nobody answers ({})", call.status),
        ("", Some(words)) => format!("{who} is answered and hears “{words}”, and no key is pressed"),
        (key, Some(words)) => format!("{who} is answered and hears “{words}”, and {key} is pressed"),
    };
    act.stage.screen.line(Tag::Phone, &what, &call.to);
}

async fn put(act: &Act<'_>, voice_ladder: bool) -> anyhow::Result<()> {
    let mut document = business::document();
    document["policy"] = json!({ "voice_ladder": voice_ladder });
    let answer = act.stage.api.call(Method::PUT, &format!("/businesses/{}", business::ID), Some(&document)).await?;
    anyhow::ensure!(answer.status < 300, "the business was not accepted");
    Ok(())
}
