//! The adapters that the pipelines of a worker use, as one type.

use bytes::Bytes;
use futures::Stream;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::Handler;
use super::events::ForwardEvent;
use crate::adapters::dispatchbot::DispatchBotClient;
use crate::adapters::jetstream::{self, ArrivalsError, JetStream, Newest, Publisher};
use crate::adapters::postgres::Store;
use crate::adapters::twilio::TwilioClient;
use crate::engine::Publish;
use crate::stream::Delivery;
use crate::worker::analyze::{AiClient, AnalysisStore, CircuitBreaker};
use crate::worker::send::{OutboundStore, SmsGateway};

/// A source of deliveries. Each published message is delivered at least once, until it is acknowledged, to one process
/// at a time of those that share the consumer.
pub trait Source: Clone + Send + Sync + 'static {
    /// The deliveries of a durable consumer. The stream ends once `shutdown` is cancelled and everything fetched is
    /// handed out; the handlers then give it back. See [`jetstream::deliveries`].
    fn deliveries(
        &self,
        stream: &'static str,
        consumer: &'static str,
        shutdown: CancellationToken,
    ) -> impl Stream<Item = Delivery<()>> + Send + 'static + use<Self>;

    /// The newest webhook on a subject of NMC_INBOUND; see [`JetStream::newest`].
    fn newest(&self, subject: &str) -> impl Future<Output = Result<Option<Newest>, ArrivalsError>> + Send;
    /// The payloads on a subject of NMC_INBOUND that are not acknowledged yet, and perhaps others; see
    /// [`JetStream::unprocessed`].
    fn unprocessed(&self, subject: &str) -> impl Future<Output = Result<Vec<Bytes>, ArrivalsError>> + Send;
}

impl Source for JetStream {
    fn deliveries(
        &self,
        stream: &'static str,
        consumer: &'static str,
        shutdown: CancellationToken,
    ) -> impl Stream<Item = Delivery<()>> + Send + 'static + use<> {
        jetstream::deliveries(self, stream, consumer, shutdown)
    }
    async fn newest(&self, subject: &str) -> Result<Option<Newest>, ArrivalsError> {
        self.newest(subject).await
    }
    async fn unprocessed(&self, subject: &str) -> Result<Vec<Bytes>, ArrivalsError> {
        self.unprocessed(subject).await
    }
}

/// The adapters of a worker.
pub trait Adapters: Clone + 'static {
    type Source: Source;
    type Store: OutboundStore + AnalysisStore;
    type Publisher: Publish;
    type AiClient: AiClient;
    type SmsGateway: SmsGateway;
    /// Forwards events.
    type Events: Handler<Value>;
}

/// JetStream, PostgreSQL, DispatchBot, Twilio and Redis.
#[derive(Debug, Clone, Copy)]
pub struct Production;

impl Adapters for Production {
    type Source = JetStream;
    type Store = Store;
    type Publisher = Publisher;
    type AiClient = CircuitBreaker<DispatchBotClient>;
    type SmsGateway = TwilioClient;
    type Events = ForwardEvent;
}
