//! A live stream of events, from a position in NMC_EVENTS or from now on.

use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use bytes::Bytes;
use futures::{Stream, StreamExt, future};
use uuid::Uuid;

use super::{JetStream, subjects};

const STREAM: &str = "NMC_EVENTS";
/// How many events are buffered here for a slow reader; the rest stays in JetStream.
const BATCH: i64 = 64;

/// An event with its position.
#[derive(Debug, Clone)]
pub struct Followed {
    /// Its sequence number in NMC_EVENTS.
    pub sequence: u64,
    /// Its envelope.
    pub payload: Bytes,
}

/// Events cannot be read at the moment.
#[derive(Debug, thiserror::Error)]
#[error("cannot subscribe to events: {0}")]
pub struct FollowError(String);

impl JetStream {
    /// The events after the sequence `after`, or from now on; only those of a conversation, if one is given. The stream
    /// ends when JetStream cannot be read any more; the reader should then call this again with the last sequence it
    /// got.
    ///
    /// # Errors
    /// If JetStream is unreachable.
    pub async fn follow_events(
        &self,
        conversation_id: Option<Uuid>,
        after: Option<u64>,
    ) -> Result<impl Stream<Item = Followed> + Send + use<>, FollowError> {
        let failed = |error: &dyn std::fmt::Display| FollowError(error.to_string());
        let stream = self.context.get_stream_no_info(STREAM).await.map_err(|error| failed(&error))?;
        let filter_subject = match conversation_id {
            // An event type consists of two subject tokens.
            Some(id) => format!("nmc.event.*.*.{id}"),
            None => "nmc.event.>".to_owned(),
        };
        let deliver_policy = match after {
            Some(sequence) => DeliverPolicy::ByStartSequence { start_sequence: sequence.saturating_add(1) },
            None => DeliverPolicy::New,
        };
        let config =
            pull::OrderedConfig { filter_subject, deliver_policy, max_batch: BATCH, ..pull::OrderedConfig::default() };
        let consumer = stream.create_consumer(config).await.map_err(|error| failed(&error))?;
        let messages = consumer.messages().await.map_err(|error| failed(&error))?;
        let events = messages.scan((), |(), message| {
            let read = message.inspect_err(|error| tracing::warn!(%error, "event subscription ended by an error")).ok();
            let event = read.and_then(|message| {
                let sequence = message.info().ok()?.stream_sequence;
                let is_probed = subjects::is_probed(&message.message.subject);
                Some((!is_probed).then_some(Followed { sequence, payload: message.message.payload }))
            });
            future::ready(event)
        });
        Ok(events.filter_map(future::ready))
    }
}
