//! Requests to the DispatchBot simulator, and what was wrong with them.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::demo::screen::{Screen, Tag};
use crate::dispatchbot::DispatchBotSim;

const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Prints each request.
pub(super) async fn print(screen: Screen, dispatchbot: Arc<DispatchBotSim>) {
    for index in 0.. {
        let Ok(all) = dispatchbot.wait_for(|all| all.len() > index, FOR_EVER).await else { return };
        let request = &all[index];
        let messages = request["messages"].as_array().map_or(0, Vec::len);
        let text = format!(
            "POST /v1/conversations/analyze messages: {messages}, priority: {} → {}",
            request["priority"].as_str().unwrap_or("?"),
            request["answered_with"],
        );
        screen.line(Tag::DispatchBot, &text, "");
        for problem in request["problems"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            screen.line(Tag::Failed, &format!("DispatchBot refuses {problem}"), "");
        }
    }
}
