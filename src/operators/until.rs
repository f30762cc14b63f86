//! Takes no new deliveries once the process is to stop.
//!
//! Fed by a source; feeds the first operator of a pipeline. It guarantees that a pipeline can drain: everything behind
//! it sees the end of the stream, finishes what it has, and ends too.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures::{Stream, StreamExt, stream::TakeUntil};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Stream of [`until`](super::DeliveryStreamExt::until).
///
/// Passes its upstream on until the token is cancelled, then ends at once, even if the upstream is waiting or has more.
///
/// # Ordering
///
/// That of the upstream.
///
/// # Acknowledgement
///
/// Settles nothing. What the upstream had fetched but not handed out is dropped with it, and delivered again.
///
/// # Shutdown
///
/// This is the one place of a pipeline that knows of it. It belongs right behind the source: further down it would cut
/// off work that is under way.
///
/// ```
/// use futures::{StreamExt, stream};
/// use nevermisscall::operators::DeliveryStreamExt;
/// use tokio_util::sync::CancellationToken;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let shutdown = CancellationToken::new();
/// let mut numbers = stream::repeat(1).until(shutdown.clone());
/// assert_eq!(numbers.next().await, Some(1));
/// shutdown.cancel();
/// assert_eq!(numbers.next().await, None);
/// # }
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct Until<S: Stream>(Pin<Box<TakeUntil<S, WaitForCancellationFutureOwned>>>);

impl<S: Stream> Until<S> {
    pub(super) fn new(upstream: S, shutdown: CancellationToken) -> Self {
        Self(Box::pin(upstream.take_until(shutdown.cancelled_owned())))
    }
}

impl<S: Stream> Stream for Until<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures::{poll, stream};

    use super::*;
    use crate::operators::DeliveryStreamExt;

    #[tokio::test]
    async fn a_waiting_stream_ends_when_the_token_is_cancelled() {
        let shutdown = CancellationToken::new();
        let mut waiting = stream::pending::<()>().until(shutdown.clone());
        assert!(poll!(waiting.next()).is_pending());
        shutdown.cancel();
        assert_eq!(waiting.next().await, None);
        assert_eq!(waiting.next().await, None);
    }

    #[tokio::test]
    async fn it_ends_with_its_upstream() {
        let numbers = stream::iter([1, 2]).until(CancellationToken::new());
        assert_eq!(numbers.collect::<Vec<_>>().await, [1, 2]);
    }
}
