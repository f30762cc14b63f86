//! A handler: what a pipeline does with one item. The operators control the order and the pace.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::adapters::outage;
use crate::stream::{Delivery, FailureReason, Metadata, Step};

/// How often an in-progress ack is sent: a third of the consumers' `ack_wait`.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(3);
/// The timeout for one item, including all that it waits for.
const LONGEST_RUN: Duration = Duration::from_secs(60);
/// Each retry waits twice as long as the one before, from here …
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// … up to here.
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// The longest wait before the next attempt while a service is unavailable.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Processes one item of a pipeline.
pub trait Handler<T>: Send + Sync + 'static {
    /// Processes the item. Every handler may get the same item again, at any time, and must then change nothing more.
    fn run(&self, item: T, metadata: Arc<Metadata>) -> impl Future<Output = Result<(), FailureReason>> + Send;
}

/// A handler as the function for `keyed`: it runs in the delivery's span, with keep-alive. An item not begun when
/// `shutdown` is cancelled is given back at once.
pub fn handler<T, S>(
    stage: &Arc<S>,
    shutdown: CancellationToken,
) -> impl Fn(Delivery<T>) -> BoxFuture<'static, Step<()>> + Send + Sync + 'static + use<T, S>
where
    T: Send + 'static,
    S: Handler<T>,
{
    let stage = Arc::clone(stage);
    move |delivery| {
        let (stage, stopping) = (Arc::clone(&stage), shutdown.is_cancelled());
        Box::pin(async move {
            if stopping {
                return Err(delivery
                    .split()
                    .1
                    .fail(FailureReason::wait(Duration::ZERO, "another process receives it")));
            }
            delivery.keep_alive(HEARTBEAT, |item, metadata| async move { bounded(&*stage, item, metadata).await }).await
        })
    }
}

/// Nobody else gets an item while its in-progress acks are sent, so a handler that waits for an answer that never comes
/// (from a machine that died silently) must be stopped.
async fn bounded<T, S: Handler<T>>(stage: &S, item: T, metadata: Arc<Metadata>) -> Result<(), FailureReason> {
    let delay = retry_delay(metadata.delivery_count);
    let ran = tokio::time::timeout(LONGEST_RUN, stage.run(item, metadata)).await;
    ran.unwrap_or_else(|late| Err(FailureReason::retry(delay, late)))
}

/// How an item is given back after an error. If a service is unavailable, it waits for as long as that takes; any other
/// error is retried a limited number of times.
pub fn retry_or_wait(delivery_count: u64, error: impl std::error::Error + Send + Sync + 'static) -> FailureReason {
    let delay = retry_delay(delivery_count);
    match outage::missing(&error) {
        Some(service) => FailureReason::wait(delay.min(LONGEST_WAIT), service.until_it_is_back()),
        None => FailureReason::retry(delay, error),
    }
}

/// The delay after this many deliveries: a quarter of a second at first, half a minute in the end.
pub fn retry_delay(delivery_count: u64) -> Duration {
    let doublings = u32::try_from(delivery_count.saturating_sub(1)).unwrap_or(u32::MAX).min(10);
    (FIRST_RETRY * 2_u32.pow(doublings)).min(LONGEST_RETRY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::EngineError;
    use crate::store::StoreError;
    use crate::stream::{AckHandle, DeliveryStreamExt};
    use futures::{StreamExt, stream};
    use rstest::rstest;

    #[test]
    fn what_a_missing_service_holds_up_waits_and_is_no_failure() {
        let away = EngineError::from(StoreError::away());
        assert!(matches!(retry_or_wait(9, away), FailureReason::Wait { delay, .. } if delay == LONGEST_WAIT));
        let contended = EngineError::Contended;
        assert!(matches!(retry_or_wait(9, contended), FailureReason::Retry { .. }));
    }

    /// Cancels `shutdown` while it processes its first item.
    struct StopsAtOnce(CancellationToken);

    impl Handler<u32> for StopsAtOnce {
        async fn run(&self, _item: u32, _metadata: Arc<Metadata>) -> Result<(), FailureReason> {
            self.0.cancel();
            Ok(())
        }
    }

    #[tokio::test]
    async fn what_is_under_way_is_finished_and_the_rest_is_given_back_at_once() {
        let shutdown = CancellationToken::new();
        let stage = Arc::new(StopsAtOnce(shutdown.clone()));
        let items = ["1", "2", "3"].map(|n| AckHandle::detached(Metadata::new("nmc.test", n)).with(()));
        let steps: Vec<Step<()>> =
            stream::iter(items).decode::<u32>().keyed(1, |_| (), handler(&stage, shutdown)).collect().await;
        let at_once = |step: &Step<()>| match step {
            Err(failure) => matches!(failure.reason, FailureReason::Wait { delay: Duration::ZERO, .. }),
            Ok(_) => false,
        };
        assert_eq!(steps.iter().map(at_once).collect::<Vec<_>>(), [false, true, true]);
    }

    /// Waits for an answer that never comes.
    struct Hangs;

    impl Handler<u32> for Hangs {
        async fn run(&self, _item: u32, _metadata: Arc<Metadata>) -> Result<(), FailureReason> {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_hangs_is_given_back() {
        let items = [AckHandle::detached(Metadata::new("nmc.test", "1")).with(())];
        let handler = handler(&Arc::new(Hangs), CancellationToken::new());
        let steps: Vec<Step<()>> = stream::iter(items).decode::<u32>().keyed(1, |_| (), handler).collect().await;
        assert!(matches!(&steps[0], Err(failure) if matches!(failure.reason, FailureReason::Retry { .. })));
    }

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
