//! Forwards events: many in one call of a script, each once, those of a scope in their sequence.

use std::time::Duration;

use bytes::Bytes;
use redis::RedisError;
use uuid::Uuid;

use super::{CHANNEL, LOG, RedisSink};

/// The script that [`RedisSink::forward`] calls.
pub(super) const SCRIPT: &str = include_str!("forward.lua");
/// The approximate number of events that the log keeps.
const LOG_LENGTH: u64 = 100_000;
/// How long an event's id, and the last sequence of a scope, are recorded: longer than an event can be redelivered.
const REMEMBERED: Duration = Duration::from_secs(2 * 24 * 3600);

/// An event to forward.
#[derive(Debug, Clone)]
pub struct OutgoingEvent {
    /// Its id; it is forwarded once.
    pub event_id: Uuid,
    /// What its sequence counts within: a conversation, a call, or a part of the service. Never a phone number.
    pub scope: String,
    /// Its position within the scope.
    pub sequence: i64,
    /// Whether it must be the next of its scope.
    pub order: Order,
    /// The event itself.
    pub envelope: Bytes,
}

/// Which event of a scope may be forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The one whose sequence is one more than the last that Redis has recorded; without a record, the first.
    Next,
    /// Any. The next one is then the one after it.
    Any,
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forwarded {
    /// It is published, and in the log.
    Now,
    /// It was forwarded before.
    Before,
    /// It is not the next of its scope. Nothing was changed.
    Early {
        /// How many events are missing before it, by Redis's record. Negative if later ones were forwarded.
        missing: i64,
    },
    /// Redis refused it, with this error. Nothing was changed.
    Refused(String),
}

/// Redis did not answer, or refused the call.
#[derive(Debug, Clone, thiserror::Error)]
#[error("Redis did not forward events: {0}")]
pub struct ForwardError(#[from] RedisError);

#[cfg(test)]
impl ForwardError {
    /// An error for a missing answer.
    pub(crate) fn timed_out() -> Self {
        Self(std::io::Error::from(std::io::ErrorKind::TimedOut).into())
    }
}

impl RedisSink {
    /// Forwards events in the given order. Returns what became of each of them.
    ///
    /// # Errors
    /// If Redis is unreachable, or refuses the call. Some of the events may be forwarded anyway.
    pub async fn forward(&self, events: &[OutgoingEvent]) -> Result<Vec<Forwarded>, ForwardError> {
        let mut call = self.script.prepare_invoke();
        call.key(LOG).arg(LOG_LENGTH).arg(REMEMBERED.as_secs()).arg(CHANNEL);
        for event in events {
            call.key(format!("{LOG}:seen:{}", event.event_id)).key(format!("{LOG}:last:{}", event.scope));
            call.arg(event.event_id.to_string()).arg(&*event.envelope).arg(event.sequence).arg(event.order.word());
        }
        let results: Vec<String> = call.invoke_async(&mut self.connection.clone()).await?;
        Ok(results.into_iter().map(Forwarded::read).collect())
    }
}

impl Order {
    fn word(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Any => "any",
        }
    }
}

impl Forwarded {
    fn read(word: String) -> Self {
        match &*word {
            "now" => Self::Now,
            "before" => Self::Before,
            _ => match word.strip_prefix("early ").and_then(|missing| missing.parse().ok()) {
                Some(missing) => Self::Early { missing },
                None => Self::Refused(word),
            },
        }
    }
}
