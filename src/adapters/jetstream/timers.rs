//! NMC_WINDOWS has no `max_age`, which would evict timers (docs/design.md), so what should be gone from it is removed here.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{JetStream, JetStreamError};

const STREAM: &str = "NMC_WINDOWS";

impl JetStream {
    /// Removes timers, and fires of theirs, that were stored before `before`: the oldest, `at_most` so many; tells how many
    /// they were. A kill of nats-server brings back some that were gone, for their removal is not fsynced; nobody is given
    /// them any more. A timer that still has to fire may go with them: the sweeper arms again what is overdue.
    ///
    /// # Errors
    /// When JetStream is away.
    pub async fn remove_old_timers(&self, before: DateTime<Utc>, at_most: u32) -> Result<u64, JetStreamError> {
        let mut removed = 0;
        for _ in 0..at_most {
            let info = self.api(&format!("STREAM.INFO.{STREAM}"), &json!({})).await?;
            let Some(oldest) = oldest(&info).filter(|oldest| oldest.stored_at < before) else { break };
            // Up to the one that is named, and not that one.
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

/// The oldest message of a stream, by what is told of it; none where it is empty.
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
