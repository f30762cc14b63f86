//! The end of every chain: acks or naks each delivery according to its result.
//!
//! Only successes are acked. If a settlement fails, the only consequence is a redelivery.

use std::time::Duration;

use futures::{Stream, StreamExt};

use super::{
    delivery::{AcknowledgeError, Disposition},
    step::{Failure, FailureReason, Step, chain},
};

/// How many settlements may wait for the server's confirmation at once.
const SETTLING_AT_ONCE: usize = 256;

/// Delay of the nak for a dead failure that no dead letter sink has stored. The message is not discarded.
const AFTER_NO_BURIAL: Duration = Duration::from_secs(30);

/// How many deliveries of an ended chain were settled in which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SettleSummary {
    /// Acked, and confirmed by the server.
    pub acked: u64,
    /// Nakked for redelivery, and confirmed by the server.
    pub retried: u64,
    /// Settled without the server's confirmation; the message may be delivered again.
    pub unconfirmed: u64,
}

/// Implements [`settle`](super::DeliveryStreamExt::settle).
pub(super) async fn settle<T>(upstream: impl Stream<Item = Step<T>>) -> SettleSummary {
    let settled = upstream.map(settle_one).buffer_unordered(SETTLING_AT_ONCE);
    settled.fold(SettleSummary::default(), async |summary, outcome| summary.with(outcome)).await
}

impl SettleSummary {
    fn with(self, outcome: Result<Disposition, AcknowledgeError>) -> Self {
        match outcome {
            Ok(Disposition::Ack) => Self { acked: self.acked + 1, ..self },
            Ok(Disposition::Nak { .. } | Disposition::Term) => Self { retried: self.retried + 1, ..self },
            Err(_) => Self { unconfirmed: self.unconfirmed + 1, ..self },
        }
    }
}

async fn settle_one<T>(step: Step<T>) -> Result<Disposition, AcknowledgeError> {
    let (receipt, how) = match step {
        Ok(delivery) => (delivery.split().1, Disposition::Ack),
        Err(failure) => {
            let how = Disposition::Nak { delay: Some(delay_after(&failure)) };
            (failure.receipt, how)
        }
    };
    let sequence = receipt.metadata().stream_sequence;
    receipt.settle(how).await.map(|()| how).inspect_err(|error| {
        let error = chain(error);
        tracing::warn!(
            nats.stream_sequence = sequence,
            disposition = ?how,
            error,
            "ack or nak failed; the message may be redelivered"
        );
    })
}

fn delay_after(failure: &Failure) -> Duration {
    let metadata = failure.receipt.metadata();
    let delay = match &failure.reason {
        FailureReason::Wait { delay, until } => {
            tracing::debug!(
                nats.stream_sequence = metadata.stream_sequence,
                until,
                "not processed yet; nak with delay"
            );
            return *delay;
        }
        FailureReason::Retry { delay, .. } => *delay,
        FailureReason::Dead { .. } => AFTER_NO_BURIAL,
    };
    tracing::warn!(
        nats.subject = %metadata.subject,
        nats.stream_sequence = metadata.stream_sequence,
        nats.delivery_count = metadata.delivery_count,
        delay_ms = delay.as_millis() as u64,
        error = %chain(&failure.reason),
        "processing failed; nak with delay for redelivery"
    );
    delay
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use rstest::rstest;
    use tokio::time::{Instant, sleep};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::stream::{DeadReason, DeliveryStreamExt, testing::Ledger};

    const ACK: Disposition = Disposition::Ack;
    const fn nak(seconds: u64) -> Disposition {
        Disposition::Nak { delay: Some(Duration::from_secs(seconds)) }
    }

    fn succeeded(ledger: &Ledger) -> Step<()> {
        Ok(ledger.delivery(1, ()))
    }
    fn to_be_retried(ledger: &Ledger) -> Step<()> {
        Err(Failure::retry(ledger.receipt(1), Duration::from_secs(4), "no connection"))
    }
    fn before_its_time(ledger: &Ledger) -> Step<()> {
        Err(ledger.receipt(1).fail(FailureReason::wait(Duration::from_secs(7), "its slot has come")))
    }
    fn dead_but_not_buried(ledger: &Ledger) -> Step<()> {
        Err(Failure::dead(ledger.receipt(1), DeadReason::UNDECODABLE, ""))
    }

    #[rstest]
    #[case::a_success_is_acknowledged(succeeded, ACK, SettleSummary { acked: 1, ..SettleSummary::default() })]
    #[case::a_retry_waits_its_delay(to_be_retried, nak(4), SettleSummary { retried: 1, ..SettleSummary::default() })]
    #[case::one_before_its_time_waits(before_its_time, nak(7), SettleSummary { retried: 1, ..SettleSummary::default() })]
    #[case::a_dead_one_is_kept(dead_but_not_buried, nak(30), SettleSummary { retried: 1, ..SettleSummary::default() })]
    #[tokio::test]
    async fn the_server_learns_what_became_of_a_delivery(
        #[case] step: fn(&Ledger) -> Step<()>,
        #[case] how: Disposition,
        #[case] summary: SettleSummary,
    ) {
        let ledger = Ledger::default();
        assert_eq!(stream::iter([step(&ledger)]).settle().await, summary);
        assert_eq!(ledger.settled(), [(1, how)]);
    }

    #[tokio::test]
    async fn a_settlement_that_is_not_confirmed_does_not_stop_the_pipeline() {
        let (sound, broken) = (Ledger::default(), Ledger::default());
        broken.break_down();
        let summary = stream::iter([succeeded(&broken), succeeded(&sound)]).settle().await;
        assert_eq!(summary, SettleSummary { acked: 1, retried: 0, unconfirmed: 1 });
    }

    #[tokio::test(start_paused = true)]
    async fn settlements_do_not_wait_for_each_other() {
        let ledger = Ledger::default();
        ledger.confirm_after(Duration::from_secs(1));
        let started = Instant::now();
        let deliveries = (0..100).map(|sequence| Ok(ledger.delivery(sequence, ())));
        assert_eq!(stream::iter(deliveries).settle().await.acked, 100);
        assert_eq!(started.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn after_shutdown_nothing_new_is_taken_and_what_is_under_way_is_finished() {
        let (ledger, shutdown) = (Ledger::default(), CancellationToken::new());
        let source = ledger.clone();
        let one_per_second = stream::unfold(1, move |sequence| {
            let delivery = source.delivery(sequence, sequence);
            async move {
                sleep(Duration::from_secs(1)).await;
                Some((Ok(delivery), sequence + 1))
            }
        });
        let pipeline = one_per_second.take_until(shutdown.clone().cancelled_owned()).boxed().keyed(
            8,
            |sequence| *sequence,
            async |delivery| {
                sleep(Duration::from_secs(60)).await;
                Ok(delivery)
            },
        );
        let stop = async {
            sleep(Duration::from_millis(3500)).await;
            shutdown.cancel();
        };
        let (summary, ()) = tokio::join!(pipeline.settle(), stop);
        assert_eq!(summary.acked, 3);
        assert_eq!(ledger.settled(), [(1, ACK), (2, ACK), (3, ACK)]);
    }
}
