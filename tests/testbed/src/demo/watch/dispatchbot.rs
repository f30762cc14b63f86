//! Requests to the DispatchBot simulator, and what was wrong with them.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::demo::screen::{Screen, Tag};
use crate::dispatchbot::{DispatchBotSim, asked};

const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Prints each request.
pub(super) async fn print(screen: Screen, dispatchbot: Arc<DispatchBotSim>) {
    for index in 0.. {
        let Ok(all) = dispatchbot.wait_for(|all| all.len() > index, FOR_EVER).await else { return };
        let request = &all[index];
        let (texts, answered_with) = (asked::texts(request).len(), &request["answered_with"]);
        let text = if asked::is_of_dispatch_bot_ai(request) {
            format!("POST /dispatch/process messages: {texts} → {answered_with}")
        } else {
            let priority = request["priority"].as_str().unwrap_or("?");
            format!("POST /v1/conversations/analyze messages: {texts}, priority: {priority} → {answered_with}")
        };
        screen.line(Tag::DispatchBot, &text, "");
        for problem in request["problems"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            screen.line(Tag::Failed, &format!("DispatchBot refuses {problem}"), "");
        }
    }
}
