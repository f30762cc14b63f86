//! The customer writes again while DispatchBot works on an answer: the newer window answers everything.

use std::time::Duration;

use anyhow::Context;
use sqlx::{Connection, PgConnection};

use super::{Act, MARGIN};
use crate::dispatchbot::asked;

pub(super) const HEADING: &str =
    "A burst that overtakes an answer: the customer adds something while DispatchBot is slow";

const FIRST: &str = "My water heater gives only cold water.";
const SECOND: &str = "It is a 50 gallon one, about ten years old.";
/// The delay of the second text after the request: DispatchBot's answer comes before the newer window closes.
const LATER: Duration = Duration::from_millis(600);

pub(super) async fn play(act: &mut Act<'_>) -> anyhow::Result<()> {
    act.slow_answer();
    act.text(FIRST).await?;
    act.asked().await?;
    tokio::time::sleep(LATER).await;
    act.text(SECOND).await?;
    act.sms(act.customer, 1).await?;
    act.event("message.delivered").await?;
    tokio::time::sleep(MARGIN).await;

    let requests = act.requests();
    let asked: Vec<_> = requests.iter().map(asked::texts).collect();
    let alone = asked.first().is_some_and(|bodies| *bodies == [FIRST]);
    let both = alone && asked.last().is_some_and(|bodies| *bodies == [FIRST, SECOND]);
    act.found("DispatchBot was asked again, with both messages", both, format!("{asked:?}"));
    let texts = act.texts_to(act.customer);
    act.found("one SMS of the AI answers both", texts.len() == 1, texts.join(" | "));
    let conversation = act.conversation().await?;
    let states = windows(act, conversation["id"].as_str().unwrap_or_default()).await?;
    let superseded = states == ["superseded", "answered"];
    act.found("the first window is superseded, the second answered", superseded, states.join(", "));
    Ok(())
}

/// The final states of the conversation's windows, read from the database: the REST API does not show them.
async fn windows(act: &Act<'_>, conversation: &str) -> anyhow::Result<Vec<String>> {
    let mut database = PgConnection::connect(&act.stage.addresses.database).await.context("no database")?;
    let windows = "SELECT state FROM windows w WHERE conversation_id = $1::uuid
        ORDER BY (SELECT min(created_at) FROM messages WHERE window_id = w.id)";
    let states = sqlx::query_scalar(windows).bind(conversation).fetch_all(&mut database).await?;
    database.close().await?;
    Ok(states)
}
