//! A stage: what a pipeline does with one item. The operators bring it in order and at what pace; the stage only works.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use crate::operators::{Delivery, FailureReason, Metadata, Step};

/// How often the server is told that work on an item goes on: a third of the consumers' `ack_wait`.
const HEARTBEAT: Duration = Duration::from_secs(3);
/// Retries wait twice as long each time, from here …
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// … up to here.
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// What a pipeline does with one item.
pub trait Stage<T>: Send + Sync + 'static {
    /// Does it. Every stage may be given the same item again, at any time, and must then change nothing more.
    fn run(&self, item: T, metadata: Arc<Metadata>) -> impl Future<Output = Result<(), FailureReason>> + Send;
}

/// A stage as the handler of `keyed`: in the delivery's span, with its acknowledgement kept alive.
pub fn through<T, S>(
    stage: &Arc<S>,
) -> impl Fn(Delivery<T>) -> BoxFuture<'static, Step<()>> + Send + Sync + 'static + use<T, S>
where
    T: Send + 'static,
    S: Stage<T>,
{
    let stage = Arc::clone(stage);
    move |delivery| {
        let stage = Arc::clone(&stage);
        Box::pin(async move {
            delivery.keep_alive(HEARTBEAT, |item, metadata| async move { stage.run(item, metadata).await }).await
        })
    }
}

/// How long an item waits that was delivered so often: a quarter of a second at first, half a minute in the end.
pub fn retry_delay(delivery_count: u64) -> Duration {
    let doublings = u32::try_from(delivery_count.saturating_sub(1)).unwrap_or(u32::MAX).min(10);
    (FIRST_RETRY * 2_u32.pow(doublings)).min(LONGEST_RETRY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::first(1, 250)]
    #[case::second(2, 500)]
    #[case::seventh(7, 16_000)]
    #[case::capped(8, 30_000)]
    #[case::for_ever(u64::MAX, 30_000)]
    #[case::none_yet(0, 250)]
    fn retries_wait_twice_as_long_each_time_and_never_longer_than_half_a_minute(#[case] count: u64, #[case] ms: u64) {
        assert_eq!(retry_delay(count), Duration::from_millis(ms));
    }
}
