//! The owner's phone gets a customer's text, and the owner answers it by texting back.

use std::time::Instant;

use reqwest::Method;
use serde_json::json;

use super::{Act, MARGIN};
use crate::demo::business::{self, OWNER_PHONE};
use crate::demo::settings::HOLD;

pub(super) const HEADING: &str = "The owner's phone: from under a sink, Joe reads a customer's text and answers it";

const QUESTION: &str = "Can you come on Saturday?";
const ANSWER: &str = "Saturday at 9 works. Joe";

pub(super) async fn play(act: &mut Act<'_>) -> anyhow::Result<()> {
    let path = format!("/businesses/{}", business::ID);
    let mut relayed = business::document();
    relayed["policy"] = json!({ "owner_sms": "all" });
    let put = act.stage.api.call(Method::PUT, &path, Some(&relayed)).await?;
    let before = act.texts_to(OWNER_PHONE).len();
    let begun = Instant::now();
    act.text(QUESTION).await?;
    act.sms(OWNER_PHONE, before + 1).await?;
    let relayed_after = begun.elapsed();
    let relay = act.texts_to(OWNER_PHONE)[before].clone();
    act.stage.screen.below(&relay);
    let code = relay.split(' ').next().unwrap_or_default().to_owned();
    act.stage.phone.text_from(OWNER_PHONE, &format!("{code} {ANSWER}")).await?;
    act.sms(act.customer, 1).await?;
    act.event("conversation.user_taken").await?;
    act.sms(OWNER_PHONE, before + 2).await?;
    act.stage.screen.progress(Some("the AI would have answered by now"));
    tokio::time::sleep((HOLD + MARGIN).saturating_sub(begun.elapsed())).await;
    act.stage.api.call(Method::PUT, &path, Some(&business::document())).await?;

    act.found("the business relays texts to its owner", put.status == 200, &put.body);
    let has_all = relay.contains(act.customer) && relay.contains(QUESTION) && relay.contains("AI answers in");
    act.found("the owner's phone got the customer's words, and what the AI will do", has_all, &relay);
    act.found("within 2 s", relayed_after.as_secs_f64() < 2.0, format!("{relayed_after:?}"));
    let texts = act.texts_to(act.customer);
    act.found("the customer got the owner's words, and nothing of the AI", texts == [ANSWER], texts.join(" | "));
    let conversation = act.conversation().await?;
    act.found("the text took the conversation over", conversation["ownership"] == "user", &conversation["ownership"]);
    Ok(())
}
