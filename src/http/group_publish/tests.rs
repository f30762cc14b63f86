//! Batches of webhooks, on a JetStream in memory.

use std::collections::BTreeSet;

use tokio::time::sleep;

use super::*;

/// How long a publish takes.
const PUBLISHING: Duration = Duration::from_millis(10);
const TIME_LIMIT: Duration = Duration::from_secs(1);

/// What was published.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Call {
    One(String),
    All(usize),
}

/// A stream that knows the ids of its messages.
#[derive(Debug, Default)]
struct Stream {
    ids: Mutex<BTreeSet<String>>,
    calls: Mutex<Vec<Call>>,
    /// Answers the next atomic batches, of which nothing is stored.
    fails: Mutex<Option<fn() -> BatchError>>,
}

impl Stream {
    fn calls(&self) -> Vec<Call> {
        std::mem::take(&mut *lock(&self.calls))
    }

    fn has(&self, ids: impl IntoIterator<Item = String>) -> bool {
        *lock(&self.ids) == ids.into_iter().collect()
    }
}

impl Publish for Arc<Stream> {
    async fn one(&self, message: Outgoing) -> Result<Published, PublishError> {
        let id = message.message_id.expect("an id");
        lock(&self.calls).push(Call::One(id.clone()));
        sleep(PUBLISHING).await;
        let duplicate = !lock(&self.ids).insert(id);
        Ok(Published { sequence: 1, duplicate })
    }

    async fn all(&self, messages: Vec<Outgoing>) -> Result<(), BatchError> {
        lock(&self.calls).push(Call::All(messages.len()));
        sleep(PUBLISHING).await;
        if let Some(fails) = *lock(&self.fails) {
            return Err(fails());
        }
        let count = messages.len();
        let new: BTreeSet<String> = messages.into_iter().filter_map(|message| message.message_id).collect();
        let mut ids = lock(&self.ids);
        if new.len() < count || !ids.is_disjoint(&new) {
            return Err(BatchError::Duplicate);
        }
        ids.extend(new);
        Ok(())
    }
}

fn id(number: usize) -> String {
    format!("sms:SM{number}")
}

fn webhook(number: usize) -> Outgoing {
    Outgoing { subject: "nmc.inbound.sms.k".to_owned(), message_id: Some(id(number)), ..Outgoing::default() }
}

type OnStream = GroupPublisher<Arc<Stream>>;

fn start() -> (Arc<Stream>, OnStream) {
    let stream = Arc::new(Stream::default());
    (Arc::clone(&stream), GroupPublisher::new(stream, TIME_LIMIT, Metrics::new()))
}

/// Publishes these webhooks at once; returns how many were acknowledged.
async fn publish(group: &GroupPublisher<impl Publish>, numbers: impl IntoIterator<Item = usize>) -> usize {
    let outcomes = join_all(numbers.into_iter().map(|number| group.publish(webhook(number)))).await;
    outcomes.iter().filter(|outcome| outcome.is_ok()).count()
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_comes_alone_is_published_alone_and_at_once() {
    let (stream, group) = start();
    let begun = Instant::now();
    assert_eq!(publish(&group, [1]).await, 1);
    assert_eq!(begun.elapsed(), PUBLISHING);
    assert_eq!(stream.calls(), [Call::One(id(1))]);
}

/// Of this number of webhooks at once, the first [`FEW`] are published alone, the next begins a batch, and [`WAITING`] wait
/// for the one after.
const MANY: usize = FEW + 1 + WAITING;
const WAITING: usize = 40;

/// The calls for [`MANY`] webhooks from this one on.
fn a_batch_after_some(first: usize) -> Vec<Call> {
    (first..=first + FEW).map(|number| Call::One(id(number))).chain([Call::All(WAITING)]).collect()
}

#[tokio::test(start_paused = true)]
async fn while_many_are_on_their_way_what_waits_is_published_as_one_batch() {
    let (stream, group) = start();
    let begun = Instant::now();
    assert_eq!(publish(&group, 0..MANY).await, MANY);
    assert_eq!(begun.elapsed(), 2 * PUBLISHING);
    assert_eq!(stream.calls(), a_batch_after_some(0));
    assert!(stream.has((0..MANY).map(id)));
}

#[tokio::test(start_paused = true)]
async fn a_few_are_published_singly_without_waiting_for_one_another() {
    let (stream, group) = start();
    let begun = Instant::now();
    assert_eq!(publish(&group, 0..FEW).await, FEW);
    assert_eq!(begun.elapsed(), PUBLISHING);
    assert_eq!(stream.calls(), (0..FEW).map(|number| Call::One(id(number))).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn once_batches_have_shown_to_be_dearer_none_of_many_waits_for_another() {
    let (stream, group) = start();
    // Both ways are measured. Each message takes as long as a batch, so 57 alone are cheaper than batches of 1 and of 40.
    let rounds = 20;
    for round in 0..rounds {
        publish(&group, round * MANY..(round + 1) * MANY).await;
    }
    stream.calls();
    let begun = Instant::now();
    assert_eq!(publish(&group, rounds * MANY..(rounds + 1) * MANY).await, MANY);
    assert_eq!(begun.elapsed(), PUBLISHING);
    assert_eq!(stream.calls().len(), MANY);
}

#[tokio::test(start_paused = true)]
async fn copies_in_a_batch_are_published_once_and_all_answered() {
    let (stream, group) = start();
    let waiting = MANY - 1;
    assert_eq!(publish(&group, (0..MANY).chain([waiting, waiting, waiting - 1])).await, MANY + 3);
    assert_eq!(stream.calls(), a_batch_after_some(0));
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_what_was_published_before_fails_no_batch() {
    let (stream, group) = start();
    publish(&group, 0..3).await;
    stream.calls();
    assert_eq!(publish(&group, (3..3 + MANY).chain([0, 1])).await, MANY + 2);
    let mut expected = a_batch_after_some(3);
    expected.splice(FEW + 1..FEW + 1, [Call::One(id(0)), Call::One(id(1))]);
    assert_eq!(stream.calls(), expected);
    assert!(stream.has((0..3 + MANY).map(id)));
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_what_is_on_its_way_fails_no_batch() {
    let (stream, group) = start();
    assert_eq!(publish(&group, (0..MANY).chain([0])).await, MANY + 1);
    let (in_batches, alone): (Vec<_>, Vec<_>) =
        stream.calls().into_iter().partition(|call| matches!(call, Call::All(_)));
    assert_eq!(in_batches, [Call::All(WAITING)]);
    assert_eq!(alone.len(), FEW + 2, "of them one is the copy");
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_that_is_not_known_costs_one_batch_for_a_while() {
    let (stream, group) = start();
    let (of_first, of_second) = (MANY - 1, 2 * MANY - 1);
    lock(&stream.ids).extend([id(of_first), id(of_second)]); // published by another edge
    assert_eq!(publish(&group, 0..MANY).await, MANY);
    let calls = stream.calls();
    assert_eq!((&calls[..FEW + 2], calls.len()), (&a_batch_after_some(0)[..], MANY + 1));
    assert_eq!(publish(&group, MANY..2 * MANY).await, MANY);
    assert_eq!(stream.calls().len(), MANY, "the next are published singly");
    sleep(REST_AFTER_DUPLICATE).await;
    assert_eq!(publish(&group, (2 * MANY..3 * MANY).chain([of_first, of_second])).await, MANY + 2);
    assert!(stream.calls().contains(&Call::All(WAITING)), "both are known since");
    assert!(stream.has((0..3 * MANY).map(id)));
}

#[tokio::test(start_paused = true)]
async fn where_atomic_batches_are_refused_webhooks_are_published_singly() {
    let (stream, group) = start();
    *lock(&stream.fails) = Some(|| BatchError::Unsupported);
    assert_eq!(publish(&group, 0..MANY).await, MANY);
    assert_eq!(publish(&group, MANY..2 * MANY).await, MANY);
    assert!(stream.has((0..2 * MANY).map(id)));
    assert_eq!(stream.calls().iter().filter(|call| **call == Call::All(WAITING)).count(), 1);
    *lock(&stream.fails) = None;
    sleep(REST_AFTER_FAILURE).await;
    assert_eq!(publish(&group, 2 * MANY..3 * MANY).await, MANY);
    assert!(stream.calls().contains(&Call::All(WAITING)), "tried again");
}

#[tokio::test(start_paused = true)]
async fn a_batch_without_an_answer_is_not_acknowledged_and_not_repeated() {
    let (stream, group) = start();
    *lock(&stream.fails) = Some(|| BatchError::Unanswered(PublishError::timed_out()));
    assert_eq!(publish(&group, 0..MANY).await, FEW + 1);
    assert_eq!(stream.calls(), a_batch_after_some(0));
}

#[tokio::test(start_paused = true)]
async fn large_webhooks_are_published_singly() {
    let (stream, group) = start();
    let large = |number| Outgoing { payload: vec![0; MAX_BATCH_BYTES / 20].into(), ..webhook(number) };
    let outcomes = join_all((0..MANY).map(|number| group.publish(large(number)))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(stream.calls().len(), MANY);
}

/// Acknowledges nothing.
struct Hanging;

impl Publish for Hanging {
    async fn one(&self, _message: Outgoing) -> Result<Published, PublishError> {
        std::future::pending().await
    }

    async fn all(&self, _messages: Vec<Outgoing>) -> Result<(), BatchError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn where_nothing_is_acknowledged_no_webhook_waits_longer_than_the_limit() {
    let group = GroupPublisher::new(Hanging, TIME_LIMIT, Metrics::new());
    for round in 1..=2 {
        let begun = Instant::now();
        let acknowledged = publish(&group, (0..200).map(|number| round * 1_000 + number)).await;
        assert_eq!((acknowledged, begun.elapsed()), (0, TIME_LIMIT));
    }
}
