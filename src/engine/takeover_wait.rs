//! The wait after a takeover was committed: messages claimed before it may be at Twilio already.

use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::Instant;
use uuid::Uuid;

use super::ConversationStore;
use crate::store::StoreError;

/// How long a takeover waits for a message that is already at Twilio (docs/design.md, Fence and claim).
pub const TAKEOVER_WAIT: TimeDelta = TimeDelta::seconds(30);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Waits until no message of the AI is claimed in a conversation; `false` if one still is after the timeout.
///
/// # Errors
/// If the store is unavailable.
pub async fn ai_sends_finished<R: ConversationStore>(store: &R, conversation_id: Uuid) -> Result<bool, StoreError> {
    let asked_at = Instant::now();
    let timeout = TAKEOVER_WAIT.to_std().unwrap_or_default();
    loop {
        if store.ai_messages_under_way(conversation_id).await? == 0 {
            return Ok(true);
        }
        if asked_at.elapsed() >= timeout {
            return Ok(false);
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
