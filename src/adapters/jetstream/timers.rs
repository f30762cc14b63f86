//! Pruning of NMC_WINDOWS, which has no `max_age` because that would evict timers (docs/design.md).

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{JetStream, JetStreamError};

const STREAM: &str = "NMC_WINDOWS";

impl JetStream {
    /// Removes timers, and messages of fired timers, that were stored before `before`: the oldest first, at most
    /// `at_most`. Returns how many it removed. A kill of nats-server can restore removed messages, because their
    /// removal is not fsynced; they are not delivered again. A timer that has not fired yet may be removed too: the
    /// sweeper arms overdue timers again.
    ///
    /// # Errors
    /// If JetStream is unreachable.
    pub async fn remove_old_timers(&self, before: DateTime<Utc>, at_most: u32) -> Result<u64, JetStreamError> {
        let mut removed = 0;
        for _ in 0..at_most {
            let info = self.api(&format!("STREAM.INFO.{STREAM}"), &json!({})).await?;
            let Some(oldest) = oldest(&info).filter(|oldest| oldest.stored_at < before) else { break };
            // A purge removes the messages before this sequence, and not the one with it.
            let purge = json!({ "seq": oldest.sequence + 1 });
            let purged = self.api(&format!("STREAM.PURGE.{STREAM}"), &purge).await?;
            removed += purged.get("purged").and_then(Value::as_u64).unwrap_or_default();
        }
        Ok(removed)
    }
}

struct Oldest {
    sequence: u64,
    stored_at: DateTime<Utc>,
}

/// The oldest message according to the stream's info; `None` if the stream is empty.
fn oldest(info: &Value) -> Option<Oldest> {
    let state = info.get("state").filter(|state| state["messages"].as_u64() > Some(0))?;
    Some(Oldest { sequence: state["first_seq"].as_u64()?, stored_at: state["first_ts"].as_str()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_stream_has_no_oldest_message() {
        let first_ts = "2026-11-23T14:05:06.123456789Z";
        let state = |messages: u64| json!({ "state": { "messages": messages, "first_seq": 7, "first_ts": first_ts } });
        assert!(oldest(&state(0)).is_none());
        assert!(oldest(&json!({})).is_none());
        let found = oldest(&state(1)).unwrap();
        assert_eq!((found.sequence, found.stored_at.timestamp()), (7, 1_795_442_706));
    }
}
