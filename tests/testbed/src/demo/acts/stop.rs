//! A customer opts out of texts, and later opts in again.

use std::time::{Duration, Instant};

use super::{Act, MARGIN};
use crate::demo::settings::HOLD;

pub(super) const HEADING: &str = "A STOP: the customer wants no texts, and gets none until START";

const QUESTION: &str = "How much is a new kitchen faucet?";
const REFUSED: &str = "Joe here. About that faucet …";
const ALLOWED: &str = "Joe here. Welcome back! I'll call you about that faucet.";

pub(super) async fn play(act: &mut Act<'_>) -> anyhow::Result<()> {
    let begun = Instant::now();
    act.text(QUESTION).await?;
    tokio::time::sleep(Duration::from_millis(800)).await;
    act.text("STOP").await?;
    act.event("conversation.opted_out").await?;
    let out = act.conversation().await?;
    let refused = act.reply(REFUSED).await?;
    act.stage.screen.progress(Some("the window would close, were it still there"));
    tokio::time::sleep((HOLD + MARGIN).saturating_sub(begun.elapsed())).await;
    let sent_while_out = act.texts_to(act.customer);
    act.text("START").await?;
    act.event("conversation.opted_in").await?;
    let allowed = act.reply(ALLOWED).await?;
    act.sms(act.customer, 1).await?;
    act.event("message.delivered").await?;

    act.found("conversation: opted out", out["opted_out"] == true, &out["opted_out"]);
    let conflict = refused.status == 409 && refused.body.to_string().contains("OPTED_OUT");
    act.found("the owner's reply was refused with 409 OPTED_OUT", conflict, &refused.body);
    act.found("nothing went out, to the question neither", sent_while_out.is_empty(), sent_while_out.join(" | "));
    let asked = act.requests();
    act.found("the window was dropped: DispatchBot was not asked", asked.is_empty(), asked.len());
    let (outs, ins) = (act.events("conversation.opted_out").await?, act.events("conversation.opted_in").await?);
    act.found("conversation.opted_out and conversation.opted_in came once each", (outs, ins) == (1, 1), outs + ins);
    let texts = act.texts_to(act.customer);
    let again = allowed.status == 201 && texts == [ALLOWED];
    act.found("after START the owner's reply went out", again, texts.join(" | "));
    Ok(())
}
