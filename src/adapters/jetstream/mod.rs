//! JetStream: the durable log between the edge, the workers and the outgoing messages.
//!
//! Only this module uses async-nats. It offers [`definitions`] (the streams and consumers of `streams/`, applied and
//! compared), [`Publisher`] (publish and wait for the acknowledgement), [`deliveries()`] (a durable consumer as a
//! stream of [`crate::stream::Delivery`]), and access to events, dead letters, timers and buckets.

mod arrivals;
mod batch;
mod bucket;
mod connection;
pub mod definitions;
mod deliveries;
mod earlier;
mod follow;
mod letters;
mod probes;
mod publish;
mod snapshot;
pub mod subjects;
mod timers;
mod usage;

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;

use crate::config::NatsConfig;

pub use arrivals::{ArrivalsError, ArrivedPage, Newest};
pub use batch::BatchError;
pub use bucket::BucketError;
use connection::LastFailure;
pub use deliveries::deliveries;
pub use earlier::EarlierError;
pub use follow::Followed;
pub use letters::{LetterError, StoredLetter};
pub use probes::ProbeMarks;
pub use publish::{Outgoing, PublishError, Published, Publisher, says_away};

/// How long the JetStream API may take to answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a stopping process waits until its last messages are sent.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// An error of JetStream.
#[derive(Debug, thiserror::Error)]
pub enum JetStreamError {
    /// The connection failed.
    #[error("NATS connection failed: {0}")]
    Connect(#[from] async_nats::ConnectError),
    /// There is no connection.
    #[error("NATS connection failed: {0}")]
    Unreachable(String),
    /// A file of the configuration cannot be used.
    #[error("{variable}: {why}")]
    Unusable {
        /// The variable that names the file.
        variable: &'static str,
        /// The cause.
        why: String,
    },
    /// A request to the API was not answered.
    #[error("JetStream request {subject} failed: {source}")]
    Request {
        /// The API subject.
        subject: String,
        /// The cause.
        #[source]
        source: async_nats::jetstream::context::RequestError,
    },
    /// The API refused a request.
    #[error("JetStream rejected request {subject}: {description} ({code})")]
    Refused {
        /// The API subject.
        subject: String,
        /// JetStream's error code.
        code: u64,
        /// JetStream's description.
        description: String,
    },
    /// A definition in `streams/` is invalid.
    #[error("streams/{file}: {what}")]
    Definition {
        /// The file, below `streams/`.
        file: &'static str,
        /// What is wrong.
        what: String,
    },
    /// The API did not say how much it stores.
    #[error("JetStream's usage cannot be read: {0}")]
    Usage(String),
    /// A stream could not be saved, or put back.
    #[error("stream {stream}: {why}")]
    Snapshot {
        /// The stream.
        stream: String,
        /// The cause.
        why: String,
    },
    /// A consumer could not be read from.
    #[error("consumer {consumer} of {stream}: {why}")]
    Consume {
        /// The stream.
        stream: &'static str,
        /// The consumer.
        consumer: &'static str,
        /// The cause.
        why: String,
    },
}

/// A connection to NATS with its JetStream context; clones share it.
#[derive(Debug, Clone)]
pub struct JetStream {
    client: async_nats::Client,
    context: async_nats::jetstream::Context,
    inbound_floor: arrivals::AckFloor,
    last_failure: LastFailure,
}

impl JetStream {
    /// Connects, and keeps reconnecting forever. NATS may start later than this process.
    ///
    /// # Errors
    /// If a URL is not a NATS URL, or a file of credentials cannot be used.
    pub async fn connect(nats: impl Into<NatsConfig>) -> Result<Self, JetStreamError> {
        Self::connect_with(nats.into(), async_nats::ConnectOptions::retry_on_initial_connect).await
    }

    /// The same, but the first connection must succeed.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect), and if no server accepts the connection.
    pub async fn connect_now(nats: impl Into<NatsConfig>) -> Result<Self, JetStreamError> {
        Self::connect_with(nats.into(), |options| options).await
    }

    async fn connect_with(
        nats: NatsConfig,
        adapt: impl FnOnce(async_nats::ConnectOptions) -> async_nats::ConnectOptions,
    ) -> Result<Self, JetStreamError> {
        super::tls::install_provider();
        let last_failure = LastFailure::default();
        let options = adapt(connection::options(&nats, &last_failure).await?);
        let client = options.connect(nats.addresses()).await?;
        let mut context = async_nats::jetstream::new(client.clone());
        context.set_timeout(REQUEST_TIMEOUT);
        Ok(Self { client, context, inbound_floor: arrivals::AckFloor::default(), last_failure })
    }

    /// Why there is no connection, if there is none.
    fn unreachable(&self) -> Option<JetStreamError> {
        if self.is_connected() {
            return None;
        }
        let reason = self.last_failure.reason().unwrap_or_else(|| "not connected yet".to_owned());
        Some(JetStreamError::Unreachable(reason))
    }

    /// Creates a publisher on this connection.
    pub fn publisher(&self) -> Publisher {
        Publisher::new(self.client.clone(), self.context.clone())
    }

    /// Whether the connection is established.
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// Checks that JetStream answers. A frozen server keeps its connections for minutes, so a connection says nothing.
    ///
    /// # Errors
    /// If there is no connection, or JetStream does not answer or is not available.
    pub async fn ping(&self) -> Result<(), JetStreamError> {
        // A request would wait for the connection.
        match self.unreachable() {
            Some(error) => Err(error),
            None => self.storage().await.map(drop),
        }
    }

    /// How many connections have been made so far.
    fn connections(&self) -> u64 {
        self.client.statistics().connects.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// How many messages of a consumer are not delivered or not acknowledged yet.
    ///
    /// # Errors
    /// If JetStream is unreachable, or has no such consumer.
    pub async fn waiting(&self, stream: &'static str, consumer: &'static str) -> Result<u64, JetStreamError> {
        let (lag, unacknowledged) = self.load(stream, consumer).await?;
        Ok(lag + unacknowledged)
    }

    /// How many messages of a consumer are not delivered yet, and how many are not acknowledged yet.
    async fn load(&self, stream: &'static str, consumer: &'static str) -> Result<(u64, u64), JetStreamError> {
        let failed = |why: String| JetStreamError::Consume { stream, consumer, why };
        let found: async_nats::jetstream::consumer::PullConsumer =
            self.context.get_consumer_from_stream(consumer, stream).await.map_err(|error| failed(error.to_string()))?;
        let info = found.cached_info(); // fetched just now
        Ok((info.num_pending, info.num_ack_pending as u64))
    }

    /// Waits until the server has handled everything sent to it before, and everything it sent until then has arrived:
    /// a message to ourselves passes through both queues. (`Client::flush` only empties the buffer, and waits for no
    /// answer.)
    async fn round_trip(&self) {
        let there_and_back = async {
            let inbox = self.client.new_inbox();
            let mut ours = self.client.subscribe(inbox.clone()).await.ok()?;
            self.client.publish(inbox, Bytes::new()).await.ok()?;
            ours.next().await
        };
        if !matches!(tokio::time::timeout(FLUSH_TIMEOUT, there_and_back).await, Ok(Some(_))) {
            tracing::debug!("no answer from NATS; messages in flight will be redelivered");
        }
    }

    /// Sends the messages that are still buffered.
    pub async fn flush(&self) {
        // Without a connection, it would wait for one.
        match tokio::time::timeout(FLUSH_TIMEOUT, self.client.flush()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "flushing buffered messages to NATS failed"),
            Err(_) => tracing::warn!("NATS flush timeout; buffered messages are dropped and will be published again"),
        }
    }
}
