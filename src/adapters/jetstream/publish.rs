//! Publishing: a message counts as published only when JetStream has acknowledged it.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::{Context, context};
use async_nats::{Client, HeaderMap};
use bytes::Bytes;

/// A message to publish.
#[derive(Debug, Clone, Default)]
pub struct Outgoing {
    /// The subject.
    pub subject: String,
    /// `Nats-Msg-Id`: a second message with the same id within the stream's deduplication window is acknowledged but
    /// not stored.
    pub message_id: Option<String>,
    /// Further headers.
    pub headers: BTreeMap<String, String>,
    /// The payload.
    pub payload: Bytes,
}

/// JetStream's acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The sequence in the stream; for a duplicate, that of the first message.
    pub sequence: u64,
    /// Whether JetStream had stored it before.
    pub duplicate: bool,
}

/// JetStream has not confirmed that the message is stored.
#[derive(Debug, thiserror::Error)]
#[error("publish not acknowledged by JetStream: {0}")]
pub struct PublishError(#[from] context::PublishError);

/// Whether an error says that JetStream did not acknowledge a published message, or could not be read.
pub fn says_away(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<PublishError>()
        || error.is::<context::PublishError>()
        || error.is::<super::ArrivalsError>()
        || error.is::<super::EarlierError>()
}

impl PublishError {
    /// No acknowledgement arrived in time.
    pub(crate) fn timed_out() -> Self {
        Self(context::PublishError::new(context::PublishErrorKind::TimedOut))
    }
}

/// Publishes and waits for the acknowledgement; clones share one connection.
#[derive(Debug, Clone)]
pub struct Publisher {
    pub(super) client: Client,
    pub(super) context: Context,
}

impl Publisher {
    pub(super) fn new(client: Client, context: Context) -> Self {
        Self { client, context }
    }

    /// A publisher that waits at most `timeout` for an acknowledgement.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.context.set_timeout(timeout);
        self
    }

    /// Publishes one message and waits for its acknowledgement.
    ///
    /// # Errors
    /// If no acknowledgement arrived in time; the message may be stored all the same.
    pub async fn publish(&self, message: Outgoing) -> Result<Published, PublishError> {
        self.send(message).await?.await
    }

    /// Sends one message. The returned future waits for its acknowledgement. Messages are stored in the order in which
    /// they are sent, so several can be in flight at once.
    ///
    /// # Errors
    /// If it could not be sent. Fails at once if the connection is known to be lost, because the caller may hold a
    /// lock.
    pub async fn send(
        &self,
        message: Outgoing,
    ) -> Result<impl Future<Output = Result<Published, PublishError>> + Send + use<>, PublishError> {
        self.check_connected()?;
        let headers = headers(&message);
        let ack = self.context.publish_with_headers(message.subject, headers, message.payload).await?;
        Ok(async move {
            let ack = ack.into_future().await?;
            Ok(Published { sequence: ack.sequence, duplicate: ack.duplicate })
        })
    }

    pub(super) fn check_connected(&self) -> Result<(), context::PublishError> {
        if self.client.connection_state() == State::Disconnected {
            return Err(context::PublishError::new(context::PublishErrorKind::BrokenPipe));
        }
        Ok(())
    }
}

pub(super) fn headers(message: &Outgoing) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &message.headers {
        headers.insert(name.as_str(), one_line(value));
    }
    if let Some(id) = &message.message_id {
        headers.insert(async_nats::header::NATS_MESSAGE_ID, one_line(id));
    }
    headers
}

/// A header value is one line: input from outside must not be able to start another header.
fn one_line(value: &str) -> String {
    value.replace(['\r', '\n'], " ")
}
