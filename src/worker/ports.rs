//! The adapters that the pipelines of a worker use, as one type.

use futures::Stream;
use tokio_util::sync::CancellationToken;

use crate::adapters::dispatchbot::DispatchBotClient;
use crate::adapters::jetstream::{self, ArrivalsError, ArrivedPage, EarlierError, JetStream, Newest, Publisher};
use crate::adapters::postgres::Store;
use crate::adapters::redis::{ForwardError, Forwarded, OutgoingEvent, RedisSink};
use crate::adapters::twilio::TwilioClient;
use crate::engine::Publish;
use crate::stream::{Delivery, Metadata};
use crate::worker::analyze::{AiClient, AnalysisStore, CircuitBreaker};
use crate::worker::ring::{CallGateway, RingStore};
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
    /// A page of the webhooks on a subject of NMC_INBOUND that are not acknowledged yet, and perhaps others, the oldest
    /// first; see [`JetStream::unprocessed`].
    fn unprocessed(
        &self,
        subject: &str,
        after: Option<u64>,
    ) -> impl Future<Output = Result<ArrivedPage, ArrivalsError>> + Send;
    /// Whether an earlier event of the same scope may not be forwarded to Redis yet; see
    /// [`JetStream::earlier_event_waits`].
    fn earlier_event_waits(&self, event: &Metadata) -> impl Future<Output = Result<bool, EarlierError>> + Send;
}

/// Where events are forwarded to.
pub trait EventSink: Send + Sync + 'static {
    /// Forwards events in this order, each once; see [`RedisSink::forward`].
    fn forward(&self, events: &[OutgoingEvent]) -> impl Future<Output = Result<Vec<Forwarded>, ForwardError>> + Send;
}

impl EventSink for RedisSink {
    async fn forward(&self, events: &[OutgoingEvent]) -> Result<Vec<Forwarded>, ForwardError> {
        self.forward(events).await
    }
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
    async fn unprocessed(&self, subject: &str, after: Option<u64>) -> Result<ArrivedPage, ArrivalsError> {
        self.unprocessed(subject, after).await
    }
    async fn earlier_event_waits(&self, event: &Metadata) -> Result<bool, EarlierError> {
        self.earlier_event_waits(event).await
    }
}

/// The adapters of a worker.
pub trait Adapters: Clone + 'static {
    type Source: Source;
    type Store: OutboundStore + AnalysisStore + RingStore;
    type Publisher: Publish;
    type AiClient: AiClient;
    type SmsGateway: SmsGateway + CallGateway;
    type EventSink: EventSink;
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
    type EventSink = RedisSink;
}
