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

fn start() -> (Arc<Stream>, GroupPublisher) {
    let stream = Arc::new(Stream::default());
    (Arc::clone(&stream), GroupPublisher::new(stream, TIME_LIMIT))
}

/// Publishes these webhooks at once; returns how many were acknowledged.
async fn publish(group: &GroupPublisher, numbers: impl IntoIterator<Item = usize>) -> usize {
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

#[tokio::test(start_paused = true)]
async fn what_waits_meanwhile_is_published_as_one_batch() {
    let (stream, group) = start();
    let begun = Instant::now();
    assert_eq!(publish(&group, 0..41).await, 41);
    assert_eq!(begun.elapsed(), 2 * PUBLISHING);
    assert_eq!(stream.calls(), [Call::One(id(0)), Call::All(40)]);
    assert!(stream.has((0..41).map(id)));
}

#[tokio::test(start_paused = true)]
async fn a_few_are_published_singly_without_waiting_for_one_another() {
    let (stream, group) = start();
    let begun = Instant::now();
    assert_eq!(publish(&group, 0..17).await, 17);
    assert_eq!(begun.elapsed(), 2 * PUBLISHING);
    assert_eq!(stream.calls(), (0..17).map(|number| Call::One(id(number))).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn copies_in_a_batch_are_published_once_and_all_answered() {
    let (stream, group) = start();
    assert_eq!(publish(&group, (0..41).chain([7, 7, 8])).await, 44);
    assert_eq!(stream.calls(), [Call::One(id(0)), Call::All(40)]);
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_what_was_published_before_fails_no_batch() {
    let (stream, group) = start();
    publish(&group, 0..3).await;
    stream.calls();
    assert_eq!(publish(&group, (3..44).chain([0, 1])).await, 43);
    assert_eq!(stream.calls(), [Call::One(id(3)), Call::One(id(0)), Call::One(id(1)), Call::All(40)]);
    assert!(stream.has((0..44).map(id)));
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_that_is_not_known_costs_one_batch_for_a_while() {
    let (stream, group) = start();
    lock(&stream.ids).extend([id(20), id(60)]); // published by another edge
    assert_eq!(publish(&group, 0..41).await, 41);
    let calls = stream.calls();
    assert_eq!((calls.len(), &calls[1]), (42, &Call::All(40)), "{calls:?}");
    assert_eq!(publish(&group, 41..82).await, 41);
    assert!(!stream.calls().contains(&Call::All(40)), "the next batch is published singly");
    sleep(REST_AFTER_DUPLICATE).await;
    assert_eq!(publish(&group, (82..123).chain([20, 60])).await, 43);
    assert!(stream.calls().contains(&Call::All(40)), "both are known since");
    assert!(stream.has((0..123).map(id)));
}

#[tokio::test(start_paused = true)]
async fn where_atomic_batches_are_refused_webhooks_are_published_singly() {
    let (stream, group) = start();
    *lock(&stream.fails) = Some(|| BatchError::Unsupported);
    assert_eq!(publish(&group, 0..41).await, 41);
    assert_eq!(publish(&group, 41..82).await, 41);
    assert!(stream.has((0..82).map(id)));
    assert_eq!(stream.calls().iter().filter(|call| **call == Call::All(40)).count(), 1);
    *lock(&stream.fails) = None;
    sleep(REST_AFTER_FAILURE).await;
    assert_eq!(publish(&group, 82..123).await, 41);
    assert!(stream.calls().contains(&Call::All(40)), "tried again");
}

#[tokio::test(start_paused = true)]
async fn a_batch_without_an_answer_is_not_acknowledged_and_not_repeated() {
    let (stream, group) = start();
    *lock(&stream.fails) = Some(|| BatchError::Unanswered(PublishError::timed_out()));
    assert_eq!(publish(&group, 0..41).await, 1);
    assert_eq!(stream.calls(), [Call::One(id(0)), Call::All(40)]);
}

#[tokio::test(start_paused = true)]
async fn large_webhooks_are_published_singly() {
    let (stream, group) = start();
    let large = |number| Outgoing { payload: vec![0; MAX_BATCH_BYTES / 20].into(), ..webhook(number) };
    let outcomes = join_all((0..41).map(|number| group.publish(large(number)))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert!(!stream.calls().contains(&Call::All(40)));
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
    let group = GroupPublisher::new(Hanging, TIME_LIMIT);
    for round in 1..=2 {
        let begun = Instant::now();
        let acknowledged = publish(&group, (0..200).map(|number| round * 1_000 + number)).await;
        assert_eq!((acknowledged, begun.elapsed()), (0, TIME_LIMIT));
    }
}
