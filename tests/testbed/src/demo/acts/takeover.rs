//! The owner takes over while DispatchBot works on an answer: that answer is never sent.

use std::time::Instant;

use super::{Act, MARGIN, SLOW};

pub(super) const HEADING: &str = "A takeover: while the AI thinks about another customer, Joe answers himself";

const QUESTION: &str = "Hi, my bathroom faucet drips. Can you fix it?";
const REPLY: &str = "Joe here. Sure, I can be there at noon.";

pub(super) async fn play(act: &mut Act<'_>) -> anyhow::Result<()> {
    act.slow_answer();
    act.text(QUESTION).await?;
    act.asked().await?;
    let asked = Instant::now();
    let taken = act.take_over("Joe knows the customer").await?;
    let answered_after = asked.elapsed();
    let replied = act.reply(REPLY).await?;
    act.sms(act.customer, 1).await?;
    act.event("conversation.user_taken").await?;
    act.event("message.delivered").await?;
    act.stage.screen.progress(Some("what DispatchBot answers now is not wanted any more"));
    tokio::time::sleep((SLOW + MARGIN).saturating_sub(asked.elapsed())).await;

    let changed = taken.status == 200 && taken.body["ownership_changed"] == true && answered_after < SLOW;
    act.found("the takeover came while DispatchBot was asked", changed, &taken.body);
    act.found("the owner's reply was accepted", replied.status == 201, &replied.body);
    let texts = act.texts_to(act.customer);
    act.found("the customer got the owner's reply, and no SMS of the AI", texts == [REPLY], texts.join(" | "));
    let conversation = act.conversation().await?;
    let theirs = conversation["ownership"] == "user" && conversation["user_takeover_at"].is_string();
    act.found("conversation: ownership user", theirs, &conversation["ownership"]);
    let taken = act.events("conversation.user_taken").await?;
    act.found("conversation.user_taken came once", taken == 1, taken);
    Ok(())
}
