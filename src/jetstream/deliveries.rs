//! A durable consumer as a stream of deliveries, shared by all workers.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::message::{AckKind, Acker};
use chrono::DateTime;
use futures::future::BoxFuture;
use futures::{Stream, StreamExt};

use super::{JetStream, JetStreamError};
use crate::operators::{Acknowledge, AcknowledgeError, Delivery, Disposition, Metadata, Receipt};

/// How many messages one pull asks for: a worker that dies leaves at most so many to be redelivered.
const BATCH: usize = 128;
/// How long to wait before a consumer that cannot be read is asked again.
const RETRY: Duration = Duration::from_millis(250);

/// The deliveries of a durable consumer, without end: where the consumer cannot be read (NATS is away, the consumer is
/// not there yet), it is asked again until it can. End it with [`crate::operators::DeliveryStreamExt::until`].
///
/// # Acknowledgement
/// Each delivery carries its own. Unsettled ones come again after the consumer's `ack_wait`, here or elsewhere.
pub fn deliveries(
    jetstream: &JetStream,
    stream: &'static str,
    consumer: &'static str,
) -> impl Stream<Item = Delivery<()>> + Send + use<> {
    let jetstream = jetstream.clone();
    futures::stream::unfold(None::<pull::Stream>, move |messages| {
        let jetstream = jetstream.clone();
        async move { Some(next_delivery(&jetstream, stream, consumer, messages).await) }
    })
}

async fn next_delivery(
    jetstream: &JetStream,
    stream: &'static str,
    consumer: &'static str,
    mut messages: Option<pull::Stream>,
) -> (Delivery<()>, Option<pull::Stream>) {
    loop {
        let mut source = match messages.take() {
            Some(source) => source,
            None => match open(jetstream, stream, consumer).await {
                Ok(source) => source,
                Err(error) => {
                    tracing::warn!(stream, consumer, %error, "the consumer cannot be read; trying again");
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            },
        };
        match source.next().await {
            Some(Ok(message)) => return (delivery(message), Some(source)),
            Some(Err(error)) => {
                tracing::warn!(stream, consumer, %error, "reading was interrupted; trying again");
                tokio::time::sleep(RETRY).await;
            }
            None => tokio::time::sleep(RETRY).await,
        }
    }
}

async fn open(
    jetstream: &JetStream,
    stream: &'static str,
    consumer: &'static str,
) -> Result<pull::Stream, JetStreamError> {
    let failed = |why: String| JetStreamError::Consume { stream, consumer, why };
    let consumer: jetstream::consumer::Consumer<pull::Config> = jetstream
        .context
        .get_consumer_from_stream(consumer, stream)
        .await
        .map_err(|error| failed(error.to_string()))?;
    consumer
        .stream()
        .max_messages_per_batch(BATCH)
        .expires(Duration::from_secs(10))
        .heartbeat(Duration::from_secs(3))
        .messages()
        .await
        .map_err(|error| failed(error.to_string()))
}

fn delivery(message: jetstream::Message) -> Delivery<()> {
    let mut metadata = Metadata::new(message.subject.as_str(), message.payload.clone());
    if let Ok(info) = message.info() {
        metadata.stream_sequence = info.stream_sequence;
        metadata.delivery_count = u64::try_from(info.delivered).unwrap_or(1);
        metadata.published_at =
            DateTime::from_timestamp(info.published.unix_timestamp(), info.published.nanosecond()).unwrap_or_default();
    }
    metadata.headers = message.headers.as_ref().map_or_else(BTreeMap::new, |headers| {
        headers.iter().filter_map(|(name, values)| Some((name.to_string(), values.first()?.to_string()))).collect()
    });
    let (_, acker) = message.split();
    Receipt::new(metadata, Pending(acker)).with(())
}

/// A message that JetStream waits to hear of.
struct Pending(Acker);

impl Acknowledge for Pending {
    fn settle(self: Box<Self>, how: Disposition) -> BoxFuture<'static, Result<(), AcknowledgeError>> {
        Box::pin(async move {
            let kind = match how {
                Disposition::Ack => {
                    crate::failpoint::hit("before_ack");
                    AckKind::Ack
                }
                Disposition::Nak { delay } => AckKind::Nak(delay),
                Disposition::Term => AckKind::Term,
            };
            self.0.ack_with(kind).await.map_err(AcknowledgeError::new)
        })
    }

    fn in_progress(&self) -> BoxFuture<'_, Result<(), AcknowledgeError>> {
        Box::pin(async move { self.0.ack_with(AckKind::Progress).await.map_err(AcknowledgeError::new) })
    }
}
