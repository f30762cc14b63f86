//! Whether an event has a predecessor that is still to be forwarded to Redis.

use std::time::Duration;

use async_nats::jetstream::stream::LastRawMessageErrorKind;

use super::{JetStream, subjects};
use crate::stream::Metadata;

const STREAM: &str = "NMC_EVENTS";
const CONSUMER: &str = "redis";
/// How many events of others are skipped at most. Only events without a conversation share a subject.
const MAX_SKIPPED: usize = 100;
const TIMEOUT: Duration = Duration::from_secs(2);

/// NMC_EVENTS cannot be read at the moment.
#[derive(Debug, thiserror::Error)]
#[error("NMC_EVENTS cannot be read: {0}")]
pub struct EarlierError(String);

impl EarlierError {
    pub(crate) fn new(why: impl std::fmt::Display) -> Self {
        Self(why.to_string())
    }
}

impl JetStream {
    /// Whether the stream has an event of the same scope before this one that may not be forwarded to Redis yet.
    /// `false` is certain: everything up to the consumer's acknowledgement floor is forwarded, is a dead letter, or is
    /// deleted. The stream's leader answers, so no replica that lags hides an event.
    ///
    /// # Errors
    /// If JetStream does not answer.
    pub async fn earlier_event_waits(&self, event: &Metadata) -> Result<bool, EarlierError> {
        let scope = subjects::event_scope(event.headers.get("ce-subject").map(String::as_str), &event.subject);
        let filter = subjects::events_like(&event.subject);
        let read = async {
            let stream = self.context.get_stream_no_info(STREAM).await.map_err(EarlierError::new)?;
            let consumer = stream.consumer_info(CONSUMER).await.map_err(EarlierError::new)?;
            let mut from = consumer.ack_floor.stream_sequence + 1;
            for _ in 0..MAX_SKIPPED {
                let found = match stream.get_first_raw_message_by_subject(&filter, from).await {
                    Ok(found) => found,
                    Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => return Ok(false),
                    Err(error) => return Err(EarlierError::new(error)),
                };
                if found.sequence >= event.stream_sequence {
                    return Ok(false);
                }
                let about = found.headers.get("ce-subject").map(|value| value.as_str());
                if subjects::event_scope(about, &found.subject) == scope {
                    return Ok(true);
                }
                from = found.sequence + 1;
            }
            Ok(true)
        };
        tokio::time::timeout(TIMEOUT, read).await.unwrap_or_else(|_| Err(EarlierError::new("timeout")))
    }
}
