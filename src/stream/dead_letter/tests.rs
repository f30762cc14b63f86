//! Tests of `dead_letter`.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Mutex;

use futures::{poll, stream};
use rstest::rstest;
use tokio::sync::Semaphore;

use super::*;
use crate::stream::{DeliveryStreamExt, testing::Ledger};

const MAX_DELIVERIES: u64 = 5;
const DELAY: Duration = Duration::from_secs(7);

#[derive(Debug, thiserror::Error)]
#[error("the shelf is full")]
struct Full;

/// A sink that takes one letter per permit of `open`, and refuses all of them if it is full.
struct Shelf {
    letters: Mutex<Vec<DeadLetter>>,
    full: bool,
    open: Semaphore,
}

impl Shelf {
    fn new(full: bool, open: usize) -> Arc<Self> {
        Arc::new(Self { letters: Mutex::default(), full, open: Semaphore::new(open) })
    }
}

impl DeadLetterSink for Shelf {
    type Error = Full;

    fn dead_letter<'a>(&'a self, letter: &'a DeadLetter) -> BoxFuture<'a, Result<(), Full>> {
        Box::pin(async move {
            self.open.acquire().await.unwrap().forget();
            if self.full {
                return Err(Full);
            }
            self.letters.lock().unwrap().push(letter.clone());
            Ok(())
        })
    }
}

fn dead(receipt: AckHandle) -> Step<&'static str> {
    Err(Failure::dead(receipt, DeadReason::new("no_such_call"), "CA123"))
}

fn retry(receipt: AckHandle) -> Step<&'static str> {
    Err(Failure::retry(receipt, DELAY, Full))
}

async fn through(step: Step<&'static str>, shelf: &Arc<Shelf>) -> Step<Handled<&'static str>> {
    let mut stream = stream::iter([step]).dead_letter(Arc::clone(shelf), MAX_DELIVERIES);
    tokio::time::advance(look_on(MAX_DELIVERIES)).await;
    stream.next().await.unwrap()
}

#[rstest]
#[case::dead_at_once(dead as fn(_) -> _, 1, Some("no_such_call"))]
#[case::dead_later(dead as fn(_) -> _, 9, Some("no_such_call"))]
#[case::first_failure(retry as fn(_) -> _, 1, None)]
#[case::last_but_one(retry as fn(_) -> _, 4, None)]
#[case::the_last_allowed(retry as fn(_) -> _, 5, Some("exhausted"))]
#[case::more_than_allowed(retry as fn(_) -> _, 6, Some("exhausted"))]
#[tokio::test(start_paused = true)]
async fn dead_and_exhausted_messages_are_buried_and_others_tried_again(
    #[case] fail: fn(AckHandle) -> Step<&'static str>,
    #[case] delivery_count: u64,
    #[case] buried_as: Option<&str>,
) {
    let (ledger, shelf) = (Ledger::default(), Shelf::new(false, 1));
    let outcome = through(fail(ledger.receipt_delivered(3, delivery_count)), &shelf).await;
    match outcome {
        Ok(delivery) => {
            let Handled::Buried(reason) = delivery.item else { panic!("{delivery:?}") };
            assert_eq!(Some(reason.code()), buried_as);
            let letter = &shelf.letters.lock().unwrap()[0];
            assert_eq!((letter.stream_sequence, letter.delivery_count), (3, delivery_count));
        }
        Err(failure) => {
            assert_eq!(buried_as, None);
            assert!(matches!(failure.reason, FailureReason::Retry { delay: DELAY, .. }));
            assert!(shelf.letters.lock().unwrap().is_empty());
        }
    }
}

/// An outage raises delivery counts: a message that fails after it is retried until no message has waited for a while.
#[tokio::test(start_paused = true)]
async fn nothing_is_exhausted_soon_after_something_has_waited() {
    let shelf = Shelf::new(false, 10);
    let (steps, upstream) = futures::channel::mpsc::unbounded();
    let mut stream = upstream.dead_letter(Arc::clone(&shelf), MAX_DELIVERIES);
    let mut given = async |step| {
        steps.unbounded_send(step).unwrap();
        stream.next().await.unwrap().is_ok()
    };
    let ledger = Ledger::default();
    let delivered = || ledger.receipt_delivered(1, MAX_DELIVERIES);
    let waits = Err(delivered().fail(FailureReason::wait(DELAY, "PostgreSQL is back")));
    assert!(!given(waits).await);
    assert!(!given(retry(delivered())).await, "tried again");
    tokio::time::advance(AFTER_A_WAIT - Duration::from_secs(1)).await;
    assert!(!given(retry(delivered())).await, "and again");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(given(retry(delivered())).await, "put aside");
    assert_eq!(shelf.letters.lock().unwrap()[0].reason, DeadReason::EXHAUSTED);
}

/// There may have been an outage before the process started.
#[rstest]
#[case::few_deliveries(5, Duration::from_millis(1_500))]
#[case::as_by_default(1_000, AFTER_A_WAIT)]
#[case::many(u64::MAX - 1, AFTER_A_WAIT)]
#[tokio::test(start_paused = true)]
async fn nothing_is_exhausted_soon_after_the_beginning(#[case] max_deliveries: u64, #[case] lenient: Duration) {
    let (ledger, shelf) = (Ledger::default(), Shelf::new(false, 10));
    let delivered = || retry(ledger.receipt_delivered(1, u64::MAX));
    let (steps, upstream) = futures::channel::mpsc::unbounded();
    let mut stream = upstream.dead_letter(Arc::clone(&shelf), max_deliveries);
    tokio::time::advance(lenient - Duration::from_millis(1)).await;
    steps.unbounded_send(delivered()).unwrap();
    assert!(stream.next().await.unwrap().is_err(), "tried again");
    tokio::time::advance(Duration::from_millis(1)).await;
    steps.unbounded_send(delivered()).unwrap();
    assert!(stream.next().await.unwrap().is_ok(), "put aside");
}

#[tokio::test(start_paused = true)]
async fn a_success_passes() {
    let delivery = Ledger::default().delivery(1, "item");
    assert_eq!(through(Ok(delivery), &Shelf::new(false, 0)).await.unwrap().item, Handled::Done("item"));
}

#[tokio::test(start_paused = true)]
async fn a_letter_says_all_there_is_to_say_and_prints_no_message() {
    let shelf = Shelf::new(false, 1);
    let mut metadata = Metadata::new("nmc.inbound.sms.k", "what they wrote");
    metadata.headers.insert("traceparent".into(), "00-1".into());
    let outcome = through(retry(AckHandle::detached(Metadata { delivery_count: 5, ..metadata.clone() })), &shelf).await;
    assert!(outcome.is_ok());
    let letter = shelf.letters.lock().unwrap()[0].clone();
    assert_eq!(letter.detail, "the shelf is full");
    assert_eq!((&letter.subject, &letter.headers), (&metadata.subject, &metadata.headers));
    assert_eq!((&letter.payload, letter.first_seen), (&metadata.payload, metadata.published_at));
    assert!(!format!("{letter:?}").contains("wrote"));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_could_not_be_buried_is_tried_again() {
    let ledger = Ledger::default();
    let failure = through(dead(ledger.receipt(1)), &Shelf::new(true, 1)).await.unwrap_err();
    assert!(matches!(failure.reason, FailureReason::Retry { delay: AFTER_FAILED_BURIAL, .. }));
    assert_eq!(ledger.settled(), []);
}

#[tokio::test]
async fn others_pass_while_a_letter_is_on_its_way_and_the_end_waits_for_it() {
    let (ledger, shelf) = (Ledger::default(), Shelf::new(false, 0));
    let steps = [dead(ledger.receipt(1)), Ok(ledger.delivery(2, "a")), Ok(ledger.delivery(3, "b"))];
    let mut stream = stream::iter(steps).dead_letter(Arc::clone(&shelf), MAX_DELIVERIES);
    assert_eq!(stream.next().await.unwrap().unwrap().item, Handled::Done("a"));
    assert_eq!(stream.next().await.unwrap().unwrap().item, Handled::Done("b"));
    assert!(poll!(stream.next()).is_pending());
    shelf.open.add_permits(1);
    assert!(matches!(stream.next().await.unwrap().unwrap().item, Handled::Buried(_)));
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn too_many_letters_on_their_way_hold_up_the_upstream() {
    let (ledger, shelf) = (Ledger::default(), Shelf::new(false, 0));
    let pulled = Arc::new(Mutex::new(0));
    let counting = {
        let pulled = Arc::clone(&pulled);
        move |_: &Step<_>| *pulled.lock().unwrap() += 1
    };
    let endless = stream::repeat_with(move || dead(ledger.receipt(1))).inspect(counting);
    let mut stream = endless.dead_letter(Arc::clone(&shelf), MAX_DELIVERIES);
    assert!(poll!(stream.next()).is_pending());
    assert_eq!(*pulled.lock().unwrap(), BURIALS_AT_ONCE);
    shelf.open.add_permits(1);
    assert!(stream.next().await.unwrap().is_ok());
}
