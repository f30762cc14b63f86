//! An emergency: there is no waiting for a window, and people get alerts one after the other until one takes over.

use std::time::Instant;

use serde_json::Value;

use super::{Act, MARGIN};
use crate::demo::business::{CONTACTS, OWNER_PHONE};
use crate::demo::settings::{ALERT_EVERY, HOLD};
use crate::dispatchbot::asked;

pub(super) const HEADING: &str = "An emergency: answered at once, and people are told until somebody takes over";

const CRY: &str = "Basement is flooding!!";

pub(super) async fn play(act: &mut Act<'_>) -> anyhow::Result<()> {
    let [first, second] = CONTACTS;
    let begun = Instant::now();
    act.text(CRY).await?;
    act.sms(act.customer, 1).await?;
    let answered = begun.elapsed();
    act.sms(OWNER_PHONE, 1).await?;
    act.event("emergency.detected").await?;
    act.sms(first, 1).await?;
    let escalated = begun.elapsed();
    let taken = act.take_over("the first contact calls back").await?;
    act.stage.screen.progress(Some("nobody else is told any more"));
    tokio::time::sleep(ALERT_EVERY + MARGIN).await;

    let at_once = answered < HOLD / 2;
    act.found("the customer was answered at once, without the window's hold", at_once, format!("{answered:?}"));
    let requests = act.requests();
    // The other dialect has no words for it.
    let urgent = |request: &Value| {
        asked::is_of_dispatch_bot_ai(request) || (request["priority"] == "emergency" && request["bypass_timer"] == true)
    };
    let bypassed = !requests.is_empty() && requests.iter().all(urgent);
    act.found("DispatchBot was asked with priority emergency", bypassed, format!("{requests:?}"));
    let detected = act.events("emergency.detected").await?;
    act.found("emergency.detected came once", detected == 1, detected);
    let alerts = act.texts_to(OWNER_PHONE);
    let told = alerts.len() == 1 && alerts.iter().all(|text| text.contains(CRY) && text.contains(act.customer));
    act.found("the owner's phone got one alert, with the customer's words", told, alerts.join(" | "));
    let waited = act.texts_to(first).len() == 1 && escalated >= ALERT_EVERY;
    let after = format!("the next contact got it {} s later", ALERT_EVERY.as_secs());
    act.found(&after, waited, format!("{escalated:?}"));
    let silenced = taken.status == 200 && act.texts_to(second).is_empty();
    act.found("the takeover spared the one after", silenced, act.texts_to(second).join(" | "));
    Ok(())
}
