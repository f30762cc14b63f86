//! Decodes payloads: turns deliveries of `()` into deliveries of a type.
//!
//! The first operator after a source. A message that cannot be decoded is neither dropped nor redelivered forever: it
//! continues as a dead failure.

use std::{
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

use futures::{Stream, StreamExt};
use serde::de::DeserializeOwned;

use super::{
    delivery::Delivery,
    step::{DeadReason, Failure, Step},
};

/// Stream of [`decode`](super::DeliveryStreamExt::decode).
///
/// Parses each payload as JSON. If that fails, the result is a [`Failure`] with [`DeadReason::UNDECODABLE`]. Ends when
/// the upstream ends.
///
/// # Ordering
///
/// Keeps the order of the upstream.
///
/// # Acknowledgement
///
/// Settles nothing: the ack handle continues with the item or with the failure.
///
/// # Shutdown
///
/// Buffers nothing, so it may be dropped at any time.
///
/// ```
/// use futures::{StreamExt, stream};
/// use nevermisscall::stream::{DeliveryStreamExt, Metadata, AckHandle};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let raw = ["[1, 2]", "not JSON"].map(|payload| AckHandle::detached(Metadata::new("nmc.test", payload)).with(()));
/// let steps: Vec<_> = stream::iter(raw).decode::<Vec<u8>>().collect().await;
/// assert_eq!(steps[0].as_ref().map(|delivery| &delivery.item).ok(), Some(&vec![1, 2]));
/// assert!(steps[1].is_err());
/// # }
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct Decode<S, T> {
    upstream: Pin<Box<S>>,
    decoded: PhantomData<fn() -> T>,
}

impl<S, T> Decode<S, T> {
    pub(super) fn new(upstream: S) -> Self {
        Self { upstream: Box::pin(upstream), decoded: PhantomData }
    }
}

impl<S, T> Stream for Decode<S, T>
where
    S: Stream<Item = Delivery<()>>,
    T: DeserializeOwned,
{
    type Item = Step<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.upstream.poll_next_unpin(cx).map(|next| next.map(decode))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.upstream.size_hint()
    }
}

fn decode<T: DeserializeOwned>(delivery: Delivery<()>) -> Step<T> {
    let ((), receipt) = delivery.split();
    match serde_json::from_slice(&receipt.metadata().payload) {
        Ok(item) => Ok(receipt.with(item)),
        Err(error) => Err(Failure::dead(receipt, DeadReason::UNDECODABLE, error.to_string())),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use futures::stream;
    use rstest::rstest;

    use super::*;
    use crate::stream::{AckHandle, DeliveryStreamExt, FailureReason, Metadata};

    #[derive(Debug, serde::Deserialize, PartialEq)]
    struct Sms {
        body: String,
    }

    async fn decoded(payload: &'static [u8]) -> Step<Sms> {
        let raw = AckHandle::detached(Metadata::new("nmc.inbound.sms.k", payload)).with(());
        stream::iter([raw]).decode::<Sms>().next().await.unwrap()
    }

    #[rstest]
    #[case::as_agreed(br#"{"body":"hi"}"#)]
    #[case::with_an_unknown_field(br#"{"body":"hi","later":1}"#)]
    #[tokio::test]
    async fn a_readable_payload_becomes_the_item(#[case] payload: &'static [u8]) {
        assert_eq!(decoded(payload).await.unwrap().item, Sms { body: "hi".into() });
    }

    #[rstest]
    #[case::empty(b"")]
    #[case::another_type(b"[]")]
    #[case::a_missing_field(b"{}")]
    #[case::not_utf8(b"{\"body\":\"\xff\"}")]
    #[case::trailing_text(br#"{"body":"hi"} and more"#)]
    #[tokio::test]
    async fn an_unreadable_payload_is_dead_and_keeps_its_receipt(#[case] payload: &'static [u8]) {
        let failure = decoded(payload).await.unwrap_err();
        assert!(matches!(failure.reason, FailureReason::Dead { reason: DeadReason::UNDECODABLE, .. }));
        assert_eq!(failure.receipt.metadata().payload, payload);
    }
}
