//! What a pipeline is laid between: the neighbours of a worker, taken together.

use futures::Stream;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::Handler;
use super::events::ForwardEvent;
use crate::adapters::dispatchbot::DispatchBotClient;
use crate::adapters::jetstream::{self, JetStream, Publisher};
use crate::adapters::postgres::Store;
use crate::adapters::twilio::TwilioClient;
use crate::engine::Publish;
use crate::stream::Delivery;
use crate::worker::analyze::{AiClient, AnalysisStore, CircuitBreaker};
use crate::worker::send::{OutboundStore, SmsGateway};

/// Where deliveries come from. Each message that was published comes at least once, until it is acknowledged, to one of
/// those who share the consumer at a time.
pub trait Source: Clone + Send + Sync + 'static {
    /// The deliveries of a durable consumer. It ends once `shutdown` is cancelled and all that was fetched is handed out:
    /// whoever works on it then gives it back. See [`jetstream::deliveries`].
    fn deliveries(
        &self,
        stream: &'static str,
        consumer: &'static str,
        shutdown: CancellationToken,
    ) -> impl Stream<Item = Delivery<()>> + Send + 'static + use<Self>;
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
}

/// The neighbours of a worker, each with its kind.
pub trait Adapters: Clone + 'static {
    /// Where deliveries come from.
    type Source: Source;
    /// Where what was decided is kept.
    type Store: OutboundStore + AnalysisStore;
    /// Where effects are published.
    type Publisher: Publish;
    /// Who knows what to answer.
    type AiClient: AiClient;
    /// Who takes messages to the customer.
    type SmsGateway: SmsGateway;
    /// Who hears of events.
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
