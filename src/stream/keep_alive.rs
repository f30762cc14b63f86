//! Sends in-progress acks for a delivery while its handler runs, so that its `ack_wait` does not expire.
//!
//! Used inside the handlers of `keyed`. The ack handle is kept outside the handler's future, so it survives a failure
//! or a panic.

use std::{convert::Infallible, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::Instrument;

use super::{
    delivery::{AckHandle, Delivery, Metadata},
    step::{FailureReason, Step, chain},
};
use crate::telemetry::records;
use crate::trace::{self, Trace};

/// Delay before the next attempt after a handler panicked. A panic is a bug, which a quick retry will not cure.
const AFTER_PANIC: Duration = Duration::from_secs(5);

impl<T> Delivery<T> {
    /// Runs `handler` on the item, and sends an in-progress ack once per `period` until it has finished.
    ///
    /// The handler runs in the delivery's spans. If an in-progress ack fails, it is logged and sent
    /// again one period later; this never disturbs the handler. The period should be at most a third of the consumer's
    /// `ack_wait`.
    ///
    /// # Ordering
    ///
    /// Affects only this delivery.
    ///
    /// # Acknowledgement
    ///
    /// Settles nothing: the ack handle continues with the handler's result. A panic of the handler is caught and
    /// becomes a [`FailureReason::Retry`] after 5 s. So a message that makes the handler panic repeatedly becomes a
    /// dead letter in the end.
    ///
    /// # Shutdown
    ///
    /// Dropping the future cancels the handler and drops the ack handle unsettled: the server redelivers the message.
    ///
    /// ```
    /// use std::time::Duration;
    /// use nevermisscall::stream::{Delivery, Metadata, AckHandle, Step};
    ///
    /// async fn double(delivery: Delivery<u32>) -> Step<u32> {
    ///     delivery.keep_alive(Duration::from_secs(10), async |number, _metadata| Ok(number * 2)).await
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let delivery = AckHandle::detached(Metadata::new("nmc.test", "21")).with(21);
    /// assert_eq!(double(delivery).await.map(|done| done.item).ok(), Some(42));
    /// # }
    /// ```
    pub async fn keep_alive<U, Handler, Work>(self, period: Duration, handler: Handler) -> Step<U>
    where
        Handler: FnOnce(T, Arc<Metadata>) -> Work,
        Work: Future<Output = Result<U, FailureReason>>,
    {
        let (item, receipt) = self.split();
        let metadata = Arc::clone(receipt.metadata());
        let exported = metadata.exported_span();
        let span = metadata.log_span(Trace::of_span(&exported).as_ref());
        let (begun, log) = (Instant::now(), span.clone());
        let work = AssertUnwindSafe(async move { handler(item, metadata).await }).catch_unwind();
        let work = work.instrument(span).instrument(exported.clone());
        let outcome = tokio::select! {
            biased;
            outcome = work => outcome,
            never = signal(&receipt, period) => match never {},
        };
        log.in_scope(|| {
            let outcome = match &outcome {
                Ok(Ok(_)) => "success",
                Ok(Err(FailureReason::Wait { .. })) => "unknown",
                _ => "failure",
            };
            let nanoseconds = begun.elapsed().as_nanos() as u64;
            tracing::debug!(target: records::INPUT, { event.outcome = outcome, event.duration = nanoseconds }, "input processed");
        });
        match &outcome {
            Ok(Err(reason)) => reason.error_type().into_iter().for_each(|kind| trace::failed(&exported, kind)),
            Ok(Ok(_)) => {}
            Err(_panic) => trace::failed(&exported, "panic"),
        }
        match outcome {
            Ok(Ok(item)) => Ok(receipt.with(item)),
            Ok(Err(reason)) => Err(receipt.fail(reason)),
            Err(_panic) => Err(receipt.fail(FailureReason::retry(AFTER_PANIC, "the handler panicked"))),
        }
    }
}

async fn signal(receipt: &AckHandle, period: Duration) -> Infallible {
    let period = period.max(Duration::from_millis(1));
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = receipt.in_progress().await {
            let sequence = receipt.metadata().stream_sequence;
            let error = chain(&error);
            tracing::warn!(nats.stream_sequence = sequence, error, "sending an in-progress ack failed");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use futures::{StreamExt, stream};
    use rstest::rstest;
    use tokio::time::sleep;

    use super::*;
    use crate::stream::{DeliveryStreamExt, testing::Ledger};

    const PERIOD: Duration = Duration::from_secs(10);

    async fn work_for(seconds: u64, ledger: &Ledger) -> Step<&'static str> {
        let work = async move |item, _| {
            sleep(Duration::from_secs(seconds)).await;
            Ok(item)
        };
        ledger.delivery(1, "item").keep_alive(PERIOD, work).await
    }

    #[rstest]
    #[case::shorter_than_a_period(9, 0)]
    #[case::a_bit_longer(11, 1)]
    #[case::many_periods(95, 9)]
    #[tokio::test(start_paused = true)]
    async fn the_server_is_told_once_per_period(#[case] seconds: u64, #[case] signals: usize) {
        let ledger = Ledger::default();
        assert_eq!(work_for(seconds, &ledger).await.unwrap().item, "item");
        assert_eq!(ledger.heartbeats(), signals);
        assert_eq!(ledger.settled(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_signal_that_fails_does_not_disturb_the_work() {
        let ledger = Ledger::default();
        ledger.break_down();
        assert!(work_for(25, &ledger).await.is_ok());
        assert_eq!(ledger.heartbeats(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_of_the_work_keeps_the_receipt() {
        let work = async |(), _| Err::<(), _>(FailureReason::retry(Duration::ZERO, "not now"));
        let failure = Ledger::default().delivery(4, ()).keep_alive(PERIOD, work).await.unwrap_err();
        assert_eq!(failure.receipt.metadata().stream_sequence, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_becomes_a_failure_to_be_tried_again() {
        let work = async |(), _| -> Result<(), FailureReason> { panic!("as intended by this test") };
        let failure = Ledger::default().delivery(4, ()).keep_alive(PERIOD, work).await.unwrap_err();
        assert!(matches!(failure.reason, FailureReason::Retry { delay: AFTER_PANIC, .. }));
    }

    #[tokio::test(start_paused = true)]
    async fn handlers_of_keyed_are_kept_alive_while_others_run() {
        let ledger = Ledger::default();
        let upstream = stream::iter([(1, 25), (2, 35)].map(|(seq, seconds)| Ok(ledger.delivery(seq, seconds))));
        let results = upstream.keyed(
            2,
            |seconds| *seconds,
            |delivery: Delivery<u64>| {
                delivery.keep_alive(PERIOD, async |seconds, _| {
                    sleep(Duration::from_secs(seconds)).await;
                    Ok(seconds)
                })
            },
        );
        assert_eq!(results.map(|step| step.unwrap().item).collect::<Vec<u64>>().await, [25, 35]);
        assert_eq!(ledger.heartbeats(), 2 + 3);
    }
}
