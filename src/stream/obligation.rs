//! Joins and splits the obligation to acknowledge.
//!
//! Fed by operators that merge several messages into one item or spread one message over several branches; feeds the
//! receipts of the original messages. It guarantees that an original is acknowledged only if every part of it was.
//!
//! # Acknowledgement
//!
//! - **Merged**: however the merged receipt is settled, each original is settled alike.
//! - **Forked**: once every branch is settled, the original is settled with the worst of their outcomes: nak over term
//!   over ack; of several naks the longest delay. A branch that was dropped is worse than all these: nothing is sent,
//!   and the server delivers the original again after its `ack_wait`.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use futures::future::{BoxFuture, join_all};

use super::delivery::{AckHandle, Acknowledge, AcknowledgeError, Delivery, Disposition};

impl AckHandle {
    /// Makes one receipt of several. It carries the metadata of `self`, and settling it settles all.
    ///
    /// ```
    /// use nevermisscall::stream::{Disposition, Metadata, Receipt};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let [first, second] = ["1", "2"].map(|payload| Receipt::detached(Metadata::new("nmc.test", payload)));
    /// first.merge([second]).settle(Disposition::Ack).await?;
    /// # Ok(()) }
    /// ```
    pub fn merge(self, others: impl IntoIterator<Item = AckHandle>) -> AckHandle {
        let (metadata, first) = self.into_parts();
        let rest = others.into_iter().map(|receipt| receipt.into_parts().1);
        AckHandle::new(metadata, Merged(std::iter::once(first).chain(rest).collect()))
    }

    /// Gives each of `N` branches an obligation of its own; the worst outcome wins.
    ///
    /// ```
    /// use nevermisscall::stream::{Disposition, Metadata, Receipt};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let [answer, audit] = Receipt::detached(Metadata::new("nmc.test", "")).fork();
    /// answer.settle(Disposition::Ack).await?;
    /// audit.settle(Disposition::Nak { delay: None }).await?; // the original is delivered again
    /// # Ok(()) }
    /// ```
    pub fn fork<const N: usize>(self) -> [AckHandle; N] {
        const { assert!(N > 0, "a fork has at least one branch") };
        let (metadata, shared) = self.share();
        std::array::from_fn(|_| AckHandle::new(Arc::clone(&metadata), Branch(Some(Arc::clone(&shared)))))
    }

    /// As [`fork`](Self::fork), for a number of branches that is known only at run time.
    pub fn fork_into(self, branches: NonZeroUsize) -> Vec<AckHandle> {
        let (metadata, shared) = self.share();
        let branch = || AckHandle::new(Arc::clone(&metadata), Branch(Some(Arc::clone(&shared))));
        std::iter::repeat_with(branch).take(branches.get()).collect()
    }

    fn share(self) -> (Arc<super::delivery::Metadata>, Arc<Shared>) {
        let (metadata, original) = self.into_parts();
        (metadata, Arc::new(Shared { original, outcome: Mutex::new(Outcome::Settled(Disposition::Ack)) }))
    }
}

impl<T> Delivery<T> {
    /// Makes one delivery of several, in the given order; `None` where there are none.
    pub fn merge(deliveries: impl IntoIterator<Item = Delivery<T>>) -> Option<Delivery<Vec<T>>> {
        let (items, receipts): (Vec<T>, Vec<AckHandle>) = deliveries.into_iter().map(Delivery::split).unzip();
        let mut receipts = receipts.into_iter();
        let first = receipts.next()?;
        Some(first.merge(receipts).with(items))
    }
}

struct Merged(Vec<Box<dyn Acknowledge>>);

impl Acknowledge for Merged {
    fn settle(self: Box<Self>, how: Disposition) -> BoxFuture<'static, Result<(), AcknowledgeError>> {
        let all = join_all(self.0.into_iter().map(move |original| original.settle(how)));
        Box::pin(async move { all.await.into_iter().collect() })
    }

    fn in_progress(&self) -> BoxFuture<'_, Result<(), AcknowledgeError>> {
        let all = join_all(self.0.iter().map(|original| original.in_progress()));
        Box::pin(async move { all.await.into_iter().collect() })
    }
}

#[derive(Clone, Copy)]
enum Outcome {
    Settled(Disposition),
    Dropped,
}

impl Outcome {
    fn worse(self, other: Self) -> Self {
        match (self, other) {
            (Self::Settled(one), Self::Settled(two)) => Self::Settled(worse(one, two)),
            _ => Self::Dropped,
        }
    }
}

fn worse(one: Disposition, two: Disposition) -> Disposition {
    use Disposition::{Ack, Nak, Term};
    match (one, two) {
        (Nak { delay: one }, Nak { delay: two }) => Nak { delay: one.max(two) },
        (nak @ Nak { .. }, _) | (_, nak @ Nak { .. }) => nak,
        (Term, _) | (_, Term) => Term,
        (Ack, Ack) => Ack,
    }
}

struct Shared {
    original: Box<dyn Acknowledge>,
    outcome: Mutex<Outcome>,
}

impl Shared {
    fn add(&self, outcome: Outcome) {
        let mut worst = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        *worst = worst.worse(outcome);
    }
}

/// One branch of a fork; `None` only after it was settled.
struct Branch(Option<Arc<Shared>>);

impl Acknowledge for Branch {
    /// Settles the original if this is the last branch; otherwise there is nothing to wait for.
    fn settle(mut self: Box<Self>, how: Disposition) -> BoxFuture<'static, Result<(), AcknowledgeError>> {
        let done = Box::pin(std::future::ready(Ok(())));
        let Some(shared) = self.0.take() else { return done };
        shared.add(Outcome::Settled(how));
        let Some(Shared { original, outcome }) = Arc::into_inner(shared) else { return done };
        match outcome.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Outcome::Settled(worst) => original.settle(worst),
            Outcome::Dropped => done,
        }
    }

    fn in_progress(&self) -> BoxFuture<'_, Result<(), AcknowledgeError>> {
        match &self.0 {
            Some(shared) => shared.original.in_progress(),
            None => Box::pin(std::future::ready(Ok(()))),
        }
    }
}

impl Drop for Branch {
    fn drop(&mut self) {
        if let Some(shared) = &self.0 {
            shared.add(Outcome::Dropped);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use rstest::rstest;

    use super::*;
    use crate::stream::testing::Ledger;

    const ACK: Disposition = Disposition::Ack;
    const TERM: Disposition = Disposition::Term;
    const NAK: Disposition = Disposition::Nak { delay: None };
    const fn nak_after(seconds: u64) -> Disposition {
        Disposition::Nak { delay: Some(Duration::from_secs(seconds)) }
    }

    #[rstest]
    #[case::ack(ACK)]
    #[case::nak(nak_after(3))]
    #[case::term(TERM)]
    #[tokio::test]
    async fn settling_a_merged_receipt_settles_every_original_alike(#[case] how: Disposition) {
        let ledger = Ledger::default();
        let merged = ledger.receipt(1).merge([ledger.receipt(2), ledger.receipt(3)]);
        assert_eq!(merged.metadata().stream_sequence, 1);
        merged.settle(how).await.unwrap();
        assert_eq!(ledger.settled(), [(1, how), (2, how), (3, how)]);
    }

    #[tokio::test]
    async fn one_original_that_is_not_confirmed_is_reported_and_the_others_are_still_settled() {
        let (sound, broken) = (Ledger::default(), Ledger::default());
        broken.break_down();
        let merged = broken.receipt(1).merge([sound.receipt(2)]);
        assert!(merged.settle(ACK).await.is_err());
        assert_eq!(sound.settled(), [(2, ACK)]);
    }

    #[tokio::test]
    async fn merging_deliveries_keeps_their_order_and_merging_none_gives_none() {
        let ledger = Ledger::default();
        let merged = Delivery::merge([ledger.delivery(1, "a"), ledger.delivery(2, "b")]).unwrap();
        assert_eq!(merged.item, ["a", "b"]);
        assert!(Delivery::merge(Vec::<Delivery<()>>::new()).is_none());
    }

    #[rstest]
    #[case::all_ack([ACK, ACK, ACK], ACK)]
    #[case::term_over_ack([ACK, TERM, ACK], TERM)]
    #[case::nak_over_term([NAK, TERM, ACK], NAK)]
    #[case::nak_over_term_in_any_order([TERM, ACK, nak_after(1)], nak_after(1))]
    #[case::the_longest_delay([nak_after(1), NAK, nak_after(9)], nak_after(9))]
    #[tokio::test]
    async fn the_worst_outcome_of_the_branches_wins(#[case] outcomes: [Disposition; 3], #[case] worst: Disposition) {
        let ledger = Ledger::default();
        let branches = ledger.receipt(1).fork::<3>();
        for (branch, outcome) in branches.into_iter().zip(outcomes) {
            assert_eq!(ledger.settled(), [], "nothing before the last branch");
            branch.settle(outcome).await.unwrap();
        }
        assert_eq!(ledger.settled(), [(1, worst)]);
    }

    #[rstest]
    #[case::first(0)]
    #[case::in_the_middle(1)]
    #[case::last(2)]
    #[tokio::test]
    async fn a_dropped_branch_leaves_the_original_to_be_delivered_again(#[case] dropped: usize) {
        let ledger = Ledger::default();
        let branches = ledger.receipt(1).fork_into(NonZeroUsize::new(3).unwrap());
        for (index, branch) in branches.into_iter().enumerate() {
            if index == dropped {
                drop(branch);
            } else {
                branch.settle(ACK).await.unwrap();
            }
        }
        assert_eq!(ledger.settled(), []);
    }

    #[tokio::test]
    async fn heartbeats_pass_through_forks_and_merges() {
        let ledger = Ledger::default();
        let [left, _right] = ledger.receipt(1).merge([ledger.receipt(2)]).fork();
        left.in_progress().await.unwrap();
        assert_eq!(ledger.heartbeats(), 2);
    }
}
