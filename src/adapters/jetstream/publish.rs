//! Publishing: a message is out when JetStream has acknowledged it, and not before.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::{Context, context};
use async_nats::{Client, HeaderMap};
use bytes::Bytes;

/// A message to be published.
#[derive(Debug, Clone, Default)]
pub struct Outgoing {
    /// The subject.
    pub subject: String,
    /// `Nats-Msg-Id`: a second one within the stream's deduplication window is acknowledged and not stored.
    pub message_id: Option<String>,
    /// Further headers.
    pub headers: BTreeMap<String, String>,
    /// The payload.
    pub payload: Bytes,
}

/// JetStream's acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The sequence in the stream: of the first one, where this is a duplicate.
    pub sequence: u64,
    /// Whether JetStream had it already.
    pub duplicate: bool,
}

/// It is not known to be stored.
#[derive(Debug, thiserror::Error)]
#[error("not acknowledged by JetStream: {0}")]
pub struct PublishError(#[from] context::PublishError);

/// Whether an error says that JetStream has not taken what was published.
pub fn says_away(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<PublishError>() || error.is::<context::PublishError>()
}

#[cfg(test)]
impl PublishError {
    /// No acknowledgement came.
    pub(crate) fn timed_out() -> Self {
        Self(context::PublishError::new(context::PublishErrorKind::TimedOut))
    }
}

/// Publishes and waits for the acknowledgement; clones share one connection.
#[derive(Debug, Clone)]
pub struct Publisher {
    client: Client,
    context: Context,
}

impl Publisher {
    pub(super) fn new(client: Client, context: Context) -> Self {
        Self { client, context }
    }

    /// Whoever waits at most `timeout` for an acknowledgement.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.context.set_timeout(timeout);
        self
    }

    /// Publishes one message.
    ///
    /// # Errors
    /// When no acknowledgement came in time: the message may be stored all the same.
    pub async fn publish(&self, message: Outgoing) -> Result<Published, PublishError> {
        self.send(message).await?.await
    }

    /// Sends one message; the future that is returned waits for its acknowledgement. Messages sent one after the other
    /// are stored in that order, so several can be on their way at once.
    ///
    /// # Errors
    /// When it could not be sent; at once, where the connection is known to be gone: whoever publishes may hold a lock.
    pub async fn send(
        &self,
        message: Outgoing,
    ) -> Result<impl Future<Output = Result<Published, PublishError>> + Send + use<>, PublishError> {
        if self.client.connection_state() == State::Disconnected {
            return Err(context::PublishError::new(context::PublishErrorKind::BrokenPipe).into());
        }
        let headers = headers(&message);
        let ack = self.context.publish_with_headers(message.subject, headers, message.payload).await?;
        Ok(async move {
            let ack = ack.into_future().await?;
            Ok(Published { sequence: ack.sequence, duplicate: ack.duplicate })
        })
    }
}

fn headers(message: &Outgoing) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &message.headers {
        headers.insert(name.as_str(), one_line(value));
    }
    if let Some(id) = &message.message_id {
        headers.insert(async_nats::header::NATS_MESSAGE_ID, one_line(id));
    }
    headers
}

/// A header is one line: what came from outside must not start another.
fn one_line(value: &str) -> String {
    value.replace(['\r', '\n'], " ")
}
