//! Operators on streams of deliveries: the parts of which every pipeline is put together.
//!
//! Fed by sources, which turn messages into [`Delivery`] values; feeds the server, through [`settle`], with what became
//! of them. It guarantees at-least-once: an item and the obligation to acknowledge it travel together, and what is
//! dropped, cancelled or panics on the way is delivered again. Nothing here does I/O of its own.
//!
//! A pipeline is one chain from source to settlement:
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
    keyed::Keyed,
    settle::SettleSummary,
    step::{DeadReason, Failure, FailureReason, Step},
};

/// The operators, as methods of every stream whose items suit them.
pub trait DeliveryStreamExt: Stream + Sized {
    /// Decodes JSON payloads; see [`Decode`].
    fn decode<T>(self) -> Decode<Self, T>
    where
        Self: Stream<Item = Delivery<()>>,
        T: DeserializeOwned,
    {
        Decode::new(self)
    }

    /// Works on at most `limit` deliveries at once, one after the other for each key; see [`Keyed`].
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

    /// Puts aside what cannot be processed, or was delivered `max_deliveries` times in vain; see [`DeadLetters`].
    fn dead_letter<T, D>(self, sink: Arc<D>, max_deliveries: u64) -> DeadLetters<Self, T, D>
    where
        Self: Stream<Item = Step<T>>,
        T: 'static,
        D: DeadLetterSink + ?Sized + 'static,
    {
        DeadLetters::new(self, sink, max_deliveries)
    }

    /// Settles every delivery and resolves, when the stream has ended, with what became of them.
    ///
    /// A success is acknowledged, a failure is given back with its delay. A dead failure that reaches this point, where
    /// [`dead_letter`](Self::dead_letter) was left out, is given back too, 30 s later: nothing is thrown away here.
    /// Failures are logged here, once; a settlement that the server does not confirm is logged and not tried again,
    /// since the server delivers the message again by itself.
    ///
    /// # Ordering
    ///
    /// Up to 256 settlements wait for the server at once, and none for another. More hold up the upstream.
    ///
    /// # Acknowledgement
    ///
    /// Happens here and nowhere else.
    ///
    /// # Shutdown
    ///
    /// Resolves when the stream ends, so it drains what the source has handed out. Whoever awaits it
    /// bounds the draining, with a time-out: what is dropped then is delivered again.
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
