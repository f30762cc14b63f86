//! The voicemail trap: the owner's voicemail answers, which looks like an answered call, and the customer would hear nothing
//! more. With screening only a person can take a call.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::Act;
use crate::demo::business::{self, OWNER_PHONE, PHONE};
use crate::demo::screen::Tag;
use crate::twilio::{Behaviour, PhoneOptions, PlayedCall};

pub(super) const HEADING: &str =
    "The voicemail trap: the owner's voicemail answers, and still the customer gets a text";

/// A second of the phones: the scene is short.
const SECOND: Duration = Duration::from_millis(100);

pub(super) async fn play(act: &mut Act<'_>) -> anyhow::Result<()> {
    let path = format!("/businesses/{}", business::ID);
    let mut screened = business::document();
    screened["policy"] = json!({ "screening": true });
    let put = act.stage.api.call(Method::PUT, &path, Some(&screened)).await?;
    anyhow::ensure!(put.status < 300, "the business was not accepted");
    act.stage.twilio.set_phone_options(PhoneOptions { second: SECOND, ..PhoneOptions::default() });
    let trapped = call(act, Behaviour::Voicemail, "Joe's phone rings, and his voicemail answers").await?;
    act.sms(act.customer, 1).await?;
    let taken = call(act, Behaviour::Presses("1".to_owned()), "now Joe answers, and presses 1").await?;
    act.stage.api.call(Method::PUT, &path, Some(&business::document())).await?;

    let heard = trapped.legs.first().map(|leg| leg.heard.join(" ")).unwrap_or_default();
    act.found("the phone that answered was asked to press 1", heard.contains("Press 1"), heard);
    act.found("the customer did not hear the voicemail", trapped.talked_with().is_none(), &trapped.call.status);
    let texts = act.texts_to(act.customer);
    act.found("the customer got the missed-call SMS, once", texts.len() == 1, texts.join(" | "));
    let talked = taken.talked_with() == Some(OWNER_PHONE);
    act.found("a call that Joe takes is connected, without an SMS", talked, format!("{:?}", taken.talked_with()));
    Ok(())
}

/// The customer calls, and Joe's phone does this.
async fn call(act: &Act<'_>, behaviour: Behaviour, what: &str) -> anyhow::Result<PlayedCall> {
    act.stage.twilio.set_phone(OWNER_PHONE, behaviour);
    act.stage.screen.line(Tag::Phone, &format!("{} calls {PHONE}; {what}", act.customer), "");
    act.stage.screen.progress(Some("the phones"));
    let played = act.stage.twilio.ring(act.customer, PHONE).await;
    act.stage.screen.progress(None);
    played
}
