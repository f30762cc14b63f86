//! An item and the obligation to acknowledge it, travelling as one value.
//!
//! Fed by the JetStream source, which knows how to acknowledge; fed on to every operator of a pipeline. It guarantees
//! that an acknowledgement is sent at most once, only on purpose, and never because something was dropped.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;

use super::step::{Failure, FailureReason};

/// Any error that can cross a task.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What the server should do with a message from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// It is done: never deliver it again.
    Ack,
    /// It is not done: deliver it again, after `delay` where one is given.
    Nak {
        /// How long the server waits before it delivers again; at once where absent.
        delay: Option<Duration>,
    },
    /// It can never be done: never deliver it again.
    Term,
}

/// The server did not confirm an acknowledgement, so it may deliver the message again.
#[derive(Debug, thiserror::Error)]
#[error("the acknowledgement was not confirmed")]
pub struct AcknowledgeError(#[source] BoxError);

impl AcknowledgeError {
    /// Wraps what the transport reported.
    pub fn new(cause: impl Into<BoxError>) -> Self {
        Self(cause.into())
    }
}

/// Somebody who can tell the server how a message ended. The JetStream module implements it for real messages.
pub trait Acknowledge: Send + Sync {
    /// Tells the server, and resolves once the server has confirmed it.
    fn settle(self: Box<Self>, how: Disposition) -> BoxFuture<'static, Result<(), AcknowledgeError>>;

    /// Tells the server that work is still under way, so that its `ack_wait` starts again.
    fn in_progress(&self) -> BoxFuture<'_, Result<(), AcknowledgeError>>;
}

/// What is known about a message besides the item it decodes to.
#[derive(Clone, PartialEq, Eq)]
pub struct Metadata {
    /// The subject it was published on; never carries a plain phone number.
    pub subject: String,
    /// Its place in the stream.
    pub stream_sequence: u64,
    /// How often it has been delivered, this time included: 1 at first.
    pub delivery_count: u64,
    /// When the server stored it.
    pub published_at: DateTime<Utc>,
    /// Its headers; of a repeated header, whatever value the source kept.
    pub headers: BTreeMap<String, String>,
    /// The message as it was published.
    pub payload: Bytes,
}

impl Metadata {
    /// Metadata of a first delivery with a subject and a payload, for tests, examples and replays.
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

    /// The span under which this delivery is worked on. `conversation.id` is recorded by whoever learns it.
    pub fn span(&self) -> tracing::Span {
        tracing::info_span!(
            "delivery",
            nats.subject = %self.subject,
            nats.stream_sequence = self.stream_sequence,
            nats.delivery_count = self.delivery_count,
            conversation.id = tracing::field::Empty,
        )
    }
}

/// Leaves out headers and payload: they hold what customers wrote.
impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metadata")
            .field("subject", &self.subject)
            .field("stream_sequence", &self.stream_sequence)
            .field("delivery_count", &self.delivery_count)
            .finish_non_exhaustive()
    }
}

/// The obligation to say how a message ended, with the message's metadata.
///
/// [`settle`](Self::settle) consumes it, so it happens at most once. A receipt that is dropped unsettled, by an early
/// return, a panic or a cancelled future, sends nothing at all: the server delivers again once its `ack_wait` is over.
#[must_use = "a dropped receipt means that the message is delivered again"]
pub struct AckHandle {
    metadata: Arc<Metadata>,
    obligation: Box<dyn Acknowledge>,
}

impl AckHandle {
    /// A receipt whose settlement goes to `obligation`.
    pub fn new(metadata: impl Into<Arc<Metadata>>, obligation: impl Acknowledge + 'static) -> Self {
        Self { metadata: metadata.into(), obligation: Box::new(obligation) }
    }

    /// A receipt with no server behind it: settling it succeeds and does nothing. For tests, examples and replays.
    pub fn detached(metadata: impl Into<Arc<Metadata>>) -> Self {
        Self::new(metadata, Detached)
    }

    /// What is known about the message.
    pub fn metadata(&self) -> &Arc<Metadata> {
        &self.metadata
    }

    /// Tells the server how the message ended, and resolves once it has confirmed that.
    pub fn settle(self, how: Disposition) -> BoxFuture<'static, Result<(), AcknowledgeError>> {
        self.obligation.settle(how)
    }

    /// Tells the server that work is still under way.
    pub fn in_progress(&self) -> BoxFuture<'_, Result<(), AcknowledgeError>> {
        self.obligation.in_progress()
    }

    /// Puts an item beside the receipt.
    pub fn with<T>(self, item: T) -> Delivery<T> {
        Delivery { item, receipt: self }
    }

    /// The failure to process this message.
    pub fn fail(self, reason: FailureReason) -> Failure {
        Failure { receipt: self, reason }
    }
}

impl fmt::Debug for AckHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AckHandle").field(&self.metadata).finish()
    }
}

/// An item with its receipt.
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
    /// What was delivered.
    pub item: T,
    receipt: AckHandle,
}

impl<T> Delivery<T> {
    /// What is known about the message.
    pub fn metadata(&self) -> &Arc<Metadata> {
        self.receipt.metadata()
    }

    /// Changes the item, keeps the receipt.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Delivery<U> {
        Delivery { item: change(self.item), receipt: self.receipt }
    }

    /// Takes item and receipt apart; [`AckHandle::with`] puts them together again.
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
