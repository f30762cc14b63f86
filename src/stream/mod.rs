//! Stream operators with at-least-once processing. Every worker chain is built from them.
//!
//! A source turns messages into [`Delivery`] values; the operators transform them; [`settle`] acks or naks each one
//! according to its result. An item travels together with the obligation to acknowledge it, so a delivery that is
//! dropped, canceled or lost to a panic is delivered again. The operators do no I/O themselves, except through the
//! [`Acknowledge`] and [`DeadLetterSink`] implementations that they are given.
//!
//! A complete chain, from source to settlement:
//!
//! ```
//! # use std::{convert::Infallible, sync::Arc, time::Duration};
//! # use futures::{future::BoxFuture, stream};
//! use nevermisscall::stream::{Delivery, DeliveryStreamExt, FailureReason};
//! # use nevermisscall::stream::{DeadLetter, DeadLetterSink, Metadata, AckHandle};
//! # struct Shelf;
//! # impl DeadLetterSink for Shelf {
//! #     type Error = Infallible;
//! #     fn dead_letter<'a>(&'a self, _: &'a DeadLetter) -> BoxFuture<'a, Result<(), Infallible>> {
//! #         Box::pin(async { Ok(()) })
//! #     }
//! # }
//!
//! #[derive(serde::Deserialize)]
//! struct Sms { from: String }
//!
//! async fn store(sms: Sms) -> Result<(), FailureReason> {
//! #   drop(sms);
//!     Ok(())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! # let shelf = Arc::new(Shelf);
//! # let payloads = [r#"{"from":"a"}"#, r#"{"from":"b"}"#, "not JSON"];
//! # let message = |payload| AckHandle::detached(Metadata::new("nmc.test", payload)).with(());
//! # let messages = stream::iter(payloads.map(message));
//! let summary = messages
//!     .decode::<Sms>()
//!     .keyed(64, |sms| sms.from.clone(), |sms| sms.keep_alive(Duration::from_secs(10), |sms, _| store(sms)))
//!     .dead_letter(shelf, 5)
//!     .settle()
//!     .await;
//! assert_eq!(summary.acked, 3);
//! # }
//! ```
//!
//! [`settle`]: DeliveryStreamExt::settle

mod dead_letter;
mod decode;
mod delivery;
mod group_commit;
mod keep_alive;
mod keyed;
mod settle;
mod step;
#[cfg(test)]
mod testing;

use std::{hash::Hash, sync::Arc};

use futures::Stream;
use serde::de::DeserializeOwned;

pub use self::{
    dead_letter::{DeadLetter, DeadLetterSink, DeadLetters, Handled},
    decode::Decode,
    delivery::{AckHandle, Acknowledge, AcknowledgeError, BoxError, Delivery, Disposition, Metadata},
    group_commit::GroupCommit,
    keyed::Keyed,
    settle::SettleSummary,
    step::{DeadReason, Failure, FailureReason, Step},
};

/// The stream operators, as extension methods on streams of deliveries and steps.
pub trait DeliveryStreamExt: Stream + Sized {
    /// Decodes JSON payloads into `T`; see [`Decode`].
    fn decode<T>(self) -> Decode<Self, T>
    where
        Self: Stream<Item = Delivery<()>>,
        T: DeserializeOwned,
    {
        Decode::new(self)
    }

    /// Runs `handler` on at most `limit` deliveries at once, and on one at a time for each key; see [`Keyed`].
    fn keyed<T, U, K, KeyOf, Handler, Work>(
        self,
        limit: usize,
        key_of: KeyOf,
        handler: Handler,
    ) -> Keyed<Self, T, U, K, KeyOf, Handler>
    where
        Self: Stream<Item = Step<T>>,
        T: Send + 'static,
        U: Send + 'static,
        K: Hash + Eq + Clone + Send + 'static,
        KeyOf: Fn(&T) -> K,
        Handler: Fn(Delivery<T>) -> Work + Send + Sync + 'static,
        Work: Future<Output = Step<U>> + Send + 'static,
    {
        Keyed::new(self, limit, key_of, handler)
    }

    /// Sends a message to `sink` if it cannot be processed, or still fails after `max_deliveries` deliveries; see
    /// [`DeadLetters`].
    fn dead_letter<T, D>(self, sink: Arc<D>, max_deliveries: u64) -> DeadLetters<Self, T, D>
    where
        Self: Stream<Item = Step<T>>,
        T: 'static,
        D: DeadLetterSink + ?Sized + 'static,
    {
        DeadLetters::new(self, sink, max_deliveries)
    }

    /// Settles every delivery. Resolves with a summary when the stream has ended.
    ///
    /// A success is acked; a failure is nakked with its delay. A [`FailureReason::Dead`] that gets here, because the
    /// chain has no [`dead_letter`](Self::dead_letter), is nakked with a delay of 30 s: this operator never discards a
    /// message. Each failure is logged here, once. A settlement that the server does not confirm is logged and not
    /// retried, because the server redelivers the message anyway.
    ///
    /// # Ordering
    ///
    /// Settlements may complete in any order. Up to 256 wait for the server's confirmation at once; at that limit, the
    /// upstream is not polled.
    ///
    /// # Acknowledgement
    ///
    /// Deliveries are settled here and nowhere else.
    ///
    /// # Shutdown
    ///
    /// Resolves when the stream ends, so everything that the source has handed out is processed first. Callers should
    /// bound this with a timeout; deliveries that are dropped then are redelivered.
    ///
    /// ```
    /// use futures::stream;
    /// use nevermisscall::stream::{DeliveryStreamExt, Failure, Metadata, AckHandle};
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let [done, failed] = ["1", "2"].map(|payload| AckHandle::detached(Metadata::new("nmc.test", payload)));
    /// let steps = [Ok(done.with(1)), Err(Failure::retry(failed, Duration::from_secs(2), "no connection"))];
    /// let summary = stream::iter(steps).settle().await;
    /// assert_eq!((summary.acked, summary.retried), (1, 1));
    /// # }
    /// ```
    fn settle<T>(self) -> impl Future<Output = SettleSummary> + Send
    where
        Self: Stream<Item = Step<T>> + Send,
        T: Send,
    {
        settle::settle(self)
    }
}

impl<S: Stream> DeliveryStreamExt for S {}
