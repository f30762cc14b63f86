//! Prints a conversation from the REST API in readable form.

use anyhow::Context;
use chrono::{DateTime, Local};
use serde_json::Value;

use super::business::CUSTOMER_PHONE;
use super::stage::Stage;
use super::text::wrap;

/// The width of a message's text.
const WIDTH: usize = 56;
/// The width of the lines above the messages.
const HEAD_WIDTH: usize = 76;

/// Prints the customer's newest conversation.
pub(super) async fn print(stage: &Stage) -> anyhow::Result<()> {
    let Some(conversation) = stage.api.newest_conversation(CUSTOMER_PHONE).await? else {
        stage.screen.plain("The customer has no conversation yet.");
        return Ok(());
    };
    let id = text(&conversation, "id");
    let page = stage.api.get(&format!("/conversations/{id}/messages")).await?;
    let messages = page["messages"].as_array().context("the answer has no messages")?;
    let lines = messages.iter().map(message).collect::<Vec<_>>().join("\n");
    stage.screen.plain(&format!("\n{}\n{lines}\n", head(stage, &conversation)));
    Ok(())
}

fn head(stage: &Stage, conversation: &Value) -> String {
    let title = stage.screen.bold(&format!("Conversation {}", text(conversation, "id")));
    let state = ["status", "ownership", "job_type", "urgency_level", "outcome"]
        .iter()
        .filter(|key| !text(conversation, key).is_empty())
        .map(|key| format!("{key}: {}", text(conversation, key)))
        .collect::<Vec<_>>()
        .join(", ");
    let state = indented(&state);
    let summary = text(conversation, "summary");
    let summary = if summary.is_empty() { String::new() } else { indented(&format!("summary: {summary}")) };
    format!("{title}{state}{summary}")
}

fn indented(text: &str) -> String {
    wrap(text, HEAD_WIDTH).into_iter().map(|line| format!("\n  {line}")).collect()
}

fn message(message: &Value) -> String {
    let at: Option<DateTime<Local>> = text(message, "created_at").parse().ok();
    let at = at.map_or_else(|| "        ".to_owned(), |at| at.format("%H:%M:%S").to_string());
    let indent = format!("\n{:22}", "");
    let body = wrap(&format!("{} ({})", text(message, "body"), text(message, "status")), WIDTH).join(&indent);
    format!("  {at}  {:<8}  {body}", text(message, "sender_type"))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}
