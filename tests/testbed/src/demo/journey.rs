//! The journey: from a missed call to an appointment.

use std::time::{Duration, Instant};

use anyhow::Context;
use reqwest::Method;

use super::screen::Tag;
use super::stage::Stage;
use super::watch::{Seen, is};
use super::{business, checks, transcript};

/// Timeout for each expected step.
const PATIENCE: Duration = Duration::from_secs(30);
/// A pause so that the user can read.
const PAUSE: Duration = Duration::from_millis(1500);

/// The customer's first text.
pub(super) const FIRST: &str = "Yes, kitchen sink is completely blocked. Need help today!";
/// The second text, one second later, in the same window.
pub(super) const SECOND: &str = "We have guests tonight, so the sooner the better.";
/// How the customer agrees if the AI offers that time.
const AGREEMENT: &str = "Yes, 3pm today works perfectly";

/// Plays the journey, and returns whether everything happened as expected.
pub(super) async fn perform(stage: &Stage) -> anyhow::Result<bool> {
    stage.screen.restart_clock();
    let begun = Instant::now();
    let played = play(stage).await;
    let took = begun.elapsed().as_secs_f64();
    stage.screen.progress(None);
    if let Err(error) = &played {
        stage.screen.line(Tag::Failed, &format!("the journey stops here: {error:#}"), "");
    }
    stage.screen.scene(&format!("That took {took:.0} seconds. What the REST API has of it:"));
    if let Err(error) = transcript::print(stage).await {
        stage.screen.line(Tag::Failed, &format!("{error:#}"), "");
    }
    let complete = checks::print(stage).await;
    Ok(played.is_ok() && complete)
}

async fn play(stage: &Stage) -> anyhow::Result<()> {
    stage.screen.scene("A plumber joins: Joe's Plumbing, whose calls are forwarded to his phone");
    let put = format!("/businesses/{}", business::ID);
    let answer = stage.api.call(Method::PUT, &put, Some(&business::document())).await?;
    anyhow::ensure!(answer.status < 300, "the business was not accepted");

    pause().await;
    stage.screen.scene("A customer calls while Joe is under a sink");
    stage.phone.missed_call().await?;
    sms(stage, 1, "the missed-call SMS").await?;
    event(stage, "message.delivered", 1).await?;

    pause().await;
    stage.screen.scene("The customer answers in two messages; both belong to one window");
    stage.phone.text(FIRST).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage.phone.text(SECOND).await?;
    let offer = sms(stage, 2, "the AI's answer").await?;
    event(stage, "message.delivered", 2).await?;

    pause().await;
    stage.screen.scene("The customer agrees to the appointment");
    stage.phone.text(&agreement(&offer)).await?;
    sms(stage, 3, "the AI's confirmation").await?;
    event(stage, "appointment.requested", 1).await?;
    event(stage, "conversation.completed", 1).await?;
    event(stage, "message.delivered", 3).await?;
    everywhere(stage).await
}

async fn pause() {
    tokio::time::sleep(PAUSE).await;
}

/// Waits for the SMS of this number at Twilio, and returns its text.
async fn sms(stage: &Stage, number: usize, what: &str) -> anyhow::Result<String> {
    stage.screen.progress(Some(what));
    let all = stage.twilio.wait_for(|all| all.len() >= number, PATIENCE).await;
    stage.screen.progress(None);
    let all = all.with_context(|| format!("{what} does not come to Twilio"))?;
    Ok(all.get(number - 1).map(|sms| sms.body.clone()).unwrap_or_default())
}

/// Waits until this many events of a type are on the screen.
async fn event(stage: &Stage, event_type: &str, number: usize) -> anyhow::Result<()> {
    let enough = |all: &[Seen]| all.iter().filter(|seen| seen.shown && is(seen, event_type)).count() >= number;
    let seen = stage.events.wait_for(enough, PATIENCE).await;
    seen.map(drop).with_context(|| format!("{event_type} number {number} is not seen"))
}

/// Waits until each event was seen in both places and is on the screen.
async fn everywhere(stage: &Stage) -> anyhow::Result<()> {
    let both = |all: &[Seen]| all.iter().all(|seen| seen.shown && !seen.jetstream.is_empty() && !seen.redis.is_empty());
    let seen = stage.events.wait_for(both, PATIENCE).await;
    seen.map(drop).context("an event is not in both JetStream and Redis")
}

/// "Yes, 3pm today works perfectly", with the offered time ("… can come tomorrow at 9:00 AM. …").
fn agreement(offer: &str) -> String {
    let said = || {
        let (day, rest) = offer.split_once(" can come ")?.1.split_once(" at ")?;
        let (time, rest) = rest.split_once(' ')?;
        let half = rest.get(..2).filter(|half| matches!(*half, "AM" | "PM"))?.to_lowercase();
        let time = time.strip_suffix(":00").unwrap_or(time);
        Some(format!("Yes, {time}{half} {day} works perfectly"))
    };
    said().unwrap_or_else(|| AGREEMENT.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_customer_agrees_to_what_was_offered() {
        let offer = |when: &str| format!("Thanks. Our technician can come {when}. Does that work?");
        assert_eq!(agreement(&offer("today at 3:00 PM")), AGREEMENT);
        assert_eq!(agreement(&offer("tomorrow at 9:30 AM")), "Yes, 9:30am tomorrow works perfectly");
        assert_eq!(agreement("We received your message."), AGREEMENT);
    }
}
