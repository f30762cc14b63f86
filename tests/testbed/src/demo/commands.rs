//! The commands that can be typed after the journey, and their effects.

use reqwest::Method;
use serde_json::{Value, json};

use super::business::{CUSTOMER_PHONE, USER_ID};
use super::keyboard::Keyboard;
use super::screen::Tag;
use super::stage::Stage;
use super::{addresses, transcript};

enum Command {
    Text(String),
    Call,
    Takeover,
    Release,
    Show,
    Help,
    Quit,
    Unknown(String),
    Nothing,
}

impl Command {
    fn parse(line: &str) -> Self {
        match line.trim() {
            "" => Self::Nothing,
            "/call" => Self::Call,
            "/takeover" => Self::Takeover,
            "/release" => Self::Release,
            "/show" => Self::Show,
            "/help" | "/?" => Self::Help,
            "/quit" | "/exit" => Self::Quit,
            other if other.starts_with('/') => Self::Unknown(other.to_owned()),
            text => Self::Text(text.to_owned()),
        }
    }
}

/// Carries out typed commands until `/quit`; if nobody can type, it waits until it is dropped.
pub(super) async fn serve(stage: &Stage) {
    let mut keyboard = Keyboard::open(stage.screen.clone());
    while let Some(line) = keyboard.line().await {
        let done = match Command::parse(&line) {
            Command::Quit => return,
            command => perform(stage, command).await,
        };
        if let Err(error) = done {
            stage.screen.line(Tag::Failed, &format!("{error:#}"), "");
        }
    }
    if !keyboard.is_someone() {
        stage.screen.plain("(nobody types here: it stays up until Ctrl-C or SIGTERM)");
        std::future::pending::<()>().await;
    }
}

async fn perform(stage: &Stage, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Text(text) => stage.phone.text(&text).await,
        Command::Call => stage.phone.missed_call().await,
        Command::Takeover => owner(stage, "takeover", json!({"user_id": USER_ID, "reason": "typed in the demo"})).await,
        Command::Release => owner(stage, "release", json!({"user_id": USER_ID})).await,
        Command::Show => transcript::print(stage).await,
        Command::Help => {
            addresses::print_commands(stage);
            Ok(())
        }
        Command::Unknown(command) => {
            stage.screen.plain(&format!("{command} is nothing that I know; /help says what I do"));
            Ok(())
        }
        Command::Quit | Command::Nothing => Ok(()),
    }
}

/// The owner acts on the customer's newest conversation.
async fn owner(stage: &Stage, act: &str, body: Value) -> anyhow::Result<()> {
    let Some(conversation) = stage.api.newest_conversation(CUSTOMER_PHONE).await? else {
        stage.screen.plain("The customer has no conversation yet.");
        return Ok(());
    };
    let id = conversation["id"].as_str().unwrap_or_default();
    let answer = stage.api.call(Method::POST, &format!("/conversations/{id}/{act}"), Some(&body)).await?;
    match answer.status {
        404 => stage.screen.plain(&format!("The service does not know {act} (yet).")),
        409 => stage.screen.plain("That conversation is completed: text something first, and it is opened again."),
        _ => {}
    }
    Ok(())
}
