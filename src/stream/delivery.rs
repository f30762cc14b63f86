//! An item and the obligation to acknowledge it, as one value.
//!
//! The JetStream source creates deliveries, and every operator of a chain passes them on. An acknowledgement is sent at
//! most once, and only by an explicit call: dropping a delivery sends nothing.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use tracing::{Span, field::Empty};

use super::step::{Failure, FailureReason};
use crate::trace::{self, Trace};

/// Any error that can be sent to another task.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How a delivery is settled: what the server should do with the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// The message was processed; never deliver it again.
    Ack,
    /// The message was not processed; deliver it again, after `delay` if one is given.
    Nak {
        /// How long the server waits before the redelivery. `None` means at once.
        delay: Option<Duration>,
    },
    /// The message can never be processed; never deliver it again.
    Term,
}

/// The server did not confirm an acknowledgement, so it may deliver the message again.
#[derive(Debug, thiserror::Error)]
#[error("the acknowledgement was not confirmed")]
pub struct AcknowledgeError(#[source] BoxError);

impl AcknowledgeError {
    /// Wraps the error that the transport reported.
    pub fn new(cause: impl Into<BoxError>) -> Self {
        Self(cause.into())
    }
}

/// Sends acknowledgements to the server. The JetStream adapter implements it for real messages.
pub trait Acknowledge: Send + Sync {
    /// Sends the final acknowledgement, and resolves once the server has confirmed it.
    fn settle(self: Box<Self>, how: Disposition) -> BoxFuture<'static, Result<(), AcknowledgeError>>;

    /// Sends an in-progress ack, which restarts the message's `ack_wait`.
    fn in_progress(&self) -> BoxFuture<'_, Result<(), AcknowledgeError>>;
}

/// The message behind a delivery: subject, position, headers and payload.
#[derive(Clone, PartialEq, Eq)]
pub struct Metadata {
    /// The subject it was published on. It never contains a phone number in plain text.
    pub subject: String,
    /// Its sequence number in the stream.
    pub stream_sequence: u64,
    /// How often it has been delivered, including this time; 1 for the first delivery.
    pub delivery_count: u64,
    /// When the server stored it.
    pub published_at: DateTime<Utc>,
    /// Its headers. If a header is repeated, only one of its values is kept; the source decides which.
    pub headers: BTreeMap<String, String>,
    /// Its payload, as published.
    pub payload: Bytes,
}

impl Metadata {
    /// Creates the metadata of a first delivery, for tests, examples and replays.
    pub fn new(subject: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        Self {
            subject: subject.into(),
            stream_sequence: 0,
            delivery_count: 1,
            published_at: DateTime::UNIX_EPOCH,
            headers: BTreeMap::new(),
            payload: payload.into(),
        }
    }

    /// The `traceparent` that it carries.
    pub fn traceparent(&self) -> Option<&str> {
        self.headers.get("traceparent").map(String::as_str)
    }

    /// The span for logs in which this delivery is processed, with the trace that it belongs to. The engine records
    /// `conversation.id` once it is known.
    pub(super) fn log_span(&self, exported: Option<&Trace>) -> Span {
        let span = tracing::info_span!(
            "delivery",
            nats.subject = %self.subject,
            nats.stream_sequence = self.stream_sequence,
            nats.delivery_count = self.delivery_count,
            trace.id = Empty,
            span.id = Empty,
            conversation.id = Empty,
        );
        match exported {
            Some(trace) => span.record("trace.id", trace.trace_id()).record("span.id", trace.span_id()),
            None => match self.traceparent().and_then(trace::id_in) {
                Some(id) => span.record("trace.id", id),
                None => &span,
            },
        };
        span
    }

    /// The span for OpenTelemetry: it continues the trace of the message.
    pub(super) fn exported_span(&self) -> Span {
        let span = tracing::trace_span!(
            target: trace::TARGET,
            parent: None,
            "process",
            otel.name = %format_args!("process {}", self.destination()),
            otel.kind = "consumer",
            messaging.system = "nats",
            messaging.operation.name = "process",
            messaging.operation.type = "process",
            messaging.destination.name = %self.subject,
            messaging.destination.template = self.destination(),
            messaging.message.body.size = self.payload.len() as i64,
            nats.stream_sequence = self.stream_sequence as i64,
            nats.delivery_count = self.delivery_count as i64,
            error.type = Empty,
            otel.status_code = Empty,
        );
        trace::continue_from(&span, self.traceparent());
        span
    }

    /// The subject without its last token, which identifies a conversation, a call or a message.
    fn destination(&self) -> &str {
        self.subject.rsplit_once('.').map_or(self.subject.as_str(), |(destination, _)| destination)
    }
}

/// Omits headers and payload, because they contain customers' texts.
impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metadata")
            .field("subject", &self.subject)
            .field("stream_sequence", &self.stream_sequence)
            .field("delivery_count", &self.delivery_count)
            .finish_non_exhaustive()
    }
}

/// The obligation to settle a message, with the message's metadata.
///
/// [`settle`](Self::settle) consumes the handle, so a message is settled at most once. A handle that is dropped without
/// being settled, by an early return, a panic or a canceled future, sends nothing: the server redelivers the message
/// when its `ack_wait` has expired.
#[must_use = "dropping the handle without settling causes a redelivery"]
pub struct AckHandle {
    metadata: Arc<Metadata>,
    obligation: Box<dyn Acknowledge>,
}

impl AckHandle {
    /// Creates a handle that sends its acknowledgements through `obligation`.
    pub fn new(metadata: impl Into<Arc<Metadata>>, obligation: impl Acknowledge + 'static) -> Self {
        Self { metadata: metadata.into(), obligation: Box::new(obligation) }
    }

    /// Creates a handle without a server: settling it does nothing and succeeds. For tests, examples and replays.
    pub fn detached(metadata: impl Into<Arc<Metadata>>) -> Self {
        Self::new(metadata, Detached)
    }

    /// The message's metadata.
    pub fn metadata(&self) -> &Arc<Metadata> {
        &self.metadata
    }

    /// Settles the message. Resolves once the server has confirmed it.
    pub fn settle(self, how: Disposition) -> BoxFuture<'static, Result<(), AcknowledgeError>> {
        self.obligation.settle(how)
    }

    /// Sends an in-progress ack.
    pub fn in_progress(&self) -> BoxFuture<'_, Result<(), AcknowledgeError>> {
        self.obligation.in_progress()
    }

    /// Combines the handle with an item.
    pub fn with<T>(self, item: T) -> Delivery<T> {
        Delivery { item, receipt: self }
    }

    /// Creates the failure to process this message.
    pub fn fail(self, reason: FailureReason) -> Failure {
        Failure { receipt: self, reason }
    }
}

impl fmt::Debug for AckHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AckHandle").field(&self.metadata).finish()
    }
}

/// An item with the handle to acknowledge it.
///
/// ```
/// use nevermisscall::stream::{Disposition, Metadata, AckHandle};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let delivery = AckHandle::detached(Metadata::new("nmc.inbound.sms.k1", "17")).with(17);
/// let (doubled, receipt) = delivery.map(|n| n * 2).split();
/// assert_eq!(doubled, 34);
/// receipt.settle(Disposition::Ack).await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Delivery<T> {
    /// The item; `()` until the payload has been decoded.
    pub item: T,
    receipt: AckHandle,
}

impl<T> Delivery<T> {
    /// The message's metadata.
    pub fn metadata(&self) -> &Arc<Metadata> {
        self.receipt.metadata()
    }

    /// Transforms the item and keeps the handle.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Delivery<U> {
        Delivery { item: change(self.item), receipt: self.receipt }
    }

    /// Splits the delivery into item and handle; [`AckHandle::with`] combines them again.
    pub fn split(self) -> (T, AckHandle) {
        (self.item, self.receipt)
    }
}

struct Detached;

impl Acknowledge for Detached {
    fn settle(self: Box<Self>, _how: Disposition) -> BoxFuture<'static, Result<(), AcknowledgeError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn in_progress(&self) -> BoxFuture<'_, Result<(), AcknowledgeError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::stream::testing::Ledger;

    #[tokio::test]
    async fn settling_reaches_the_server_once() {
        let ledger = Ledger::default();
        ledger.receipt(1).settle(Disposition::Term).await.unwrap();
        assert_eq!(ledger.settled(), [(1, Disposition::Term)]);
    }

    #[tokio::test]
    async fn dropping_a_delivery_tells_the_server_nothing() {
        let ledger = Ledger::default();
        drop(ledger.delivery(1, "item"));
        assert_eq!(ledger.settled(), []);
    }

    #[tokio::test]
    async fn the_item_changes_and_the_receipt_stays() {
        let ledger = Ledger::default();
        let (item, receipt) = ledger.delivery(7, 20).map(|n| n + 1).split();
        assert_eq!((item, receipt.metadata().stream_sequence), (21, 7));
        assert_eq!(receipt.with("other").item, "other");
    }

    #[test]
    fn neither_payload_nor_headers_are_printed() {
        let mut metadata = Metadata::new("nmc.inbound.sms.k1", "secret words");
        metadata.headers.insert("from".into(), "secret number".into());
        let printed = format!("{:?}", AckHandle::detached(metadata).with(()));
        assert!(printed.contains("nmc.inbound.sms.k1") && !printed.contains("secret"), "{printed}");
    }
}
