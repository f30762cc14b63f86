//! Group commit for webhooks: while many are being published at once, they are published together, and share an fsync
//! (docs/adr/0023-webhooks-are-published-in-batches.md).
//!
//! Each webhook is answered as before: once JetStream has acknowledged its own message. While few are on their way, or
//! batches are not cheaper, each is published by itself, and waits for no other.

mod known_ids;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
mod way;

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, timeout};

use self::known_ids::KnownIds;
use self::way::{FEW, Way, Ways};
use crate::adapters::jetstream::{BatchError, Outgoing, PublishError, Published, Publisher};
use crate::stream::GroupCommit;
use crate::telemetry::{Batch as BatchOf, Metrics};

/// How many webhooks are in a batch at most; the server allows 1,000 messages.
const MAX_BATCH: usize = 64;
/// How many bytes of payload an atomic batch may have. The server keeps a batch in memory until it is complete.
const MAX_BATCH_BYTES: usize = 1024 * 1024;
/// How long atomic batches are not tried after one contained a duplicate id. So duplicates that no memory of ids knows,
/// such as those of another edge, cost a batch in 100 ms at most.
const REST_AFTER_DUPLICATE: Duration = Duration::from_millis(100);
/// How long atomic batches are not tried after one failed for another reason, such as a stream that does not allow
/// them.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(10);

/// Publishes messages to JetStream.
pub(super) trait Publish: Send + Sync + 'static {
    /// Publishes one message. Several calls may be in progress.
    fn one(&self, message: Outgoing) -> impl Future<Output = Result<Published, PublishError>> + Send;

    /// Publishes all messages or none, and returns once they are stored.
    fn all(&self, messages: Vec<Outgoing>) -> impl Future<Output = Result<(), BatchError>> + Send;
}

impl Publish for Publisher {
    async fn one(&self, message: Outgoing) -> Result<Published, PublishError> {
        self.publish(message).await
    }

    async fn all(&self, messages: Vec<Outgoing>) -> Result<(), BatchError> {
        self.publish_atomically(messages).await
    }
}

/// The outcome of a message; several may share an error.
pub(super) type Acknowledged = Result<(), Arc<PublishError>>;

/// Publishes concurrent messages of one stream together; clones share the batches.
#[derive(Debug)]
pub(super) struct GroupPublisher<P = Publisher> {
    batches: GroupCommit<Outgoing, Acknowledged>,
    group: Arc<Group<P>>,
    time_limit: Duration,
    metrics: Metrics,
}

impl<P> Clone for GroupPublisher<P> {
    fn clone(&self) -> Self {
        let (batches, group) = (self.batches.clone(), Arc::clone(&self.group));
        Self { batches, group, time_limit: self.time_limit, metrics: self.metrics.clone() }
    }
}

impl<P: Publish> GroupPublisher<P> {
    /// A message and a batch each take at most `time_limit`.
    pub fn new(publisher: P, time_limit: Duration, metrics: Metrics) -> Self {
        let group = Arc::new(Group {
            publisher,
            known: Mutex::default(),
            ways: Mutex::new(Ways::new()),
            in_flight: AtomicUsize::new(0),
        });
        let (shared, of_batches) = (Arc::clone(&group), metrics.clone());
        let batches = GroupCommit::new(MAX_BATCH, move |messages: Vec<Outgoing>| {
            let group = Arc::clone(&shared);
            of_batches.batch(BatchOf::Edge, messages.len());
            async move {
                let count = messages.len();
                let published = timeout(time_limit, group.publish(messages)).await;
                published.unwrap_or_else(|_late| vec![Err(Arc::new(PublishError::timed_out())); count])
            }
        });
        Self { batches, group, time_limit, metrics }
    }

    /// Publishes a message, and resolves once it is stored.
    ///
    /// # Errors
    /// If it was not acknowledged in time; it may be stored all the same.
    pub async fn publish(&self, message: Outgoing) -> Acknowledged {
        let place = InFlight::enter(&self.group.in_flight);
        let published = timeout(self.time_limit, async {
            match self.group.way(place.count) {
                Way::Alone => {
                    self.metrics.batch(BatchOf::Edge, 1);
                    Some(self.group.alone(message, place.count).await)
                }
                // Without a result, the batch has panicked, and nobody knows which messages are stored.
                Way::Together => self.batches.call(message).await,
            }
        });
        published.await.ok().flatten().unwrap_or_else(|| Err(Arc::new(PublishError::timed_out())))
    }
}

/// A message on its way.
struct InFlight<'a> {
    all: &'a AtomicUsize,
    /// How many were on their way when this one came, itself included.
    count: usize,
}

impl<'a> InFlight<'a> {
    fn enter(all: &'a AtomicUsize) -> Self {
        Self { all, count: all.fetch_add(1, Ordering::Relaxed) + 1 }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the messages share.
#[derive(Debug)]
struct Group<P> {
    publisher: P,
    known: Mutex<KnownIds>,
    ways: Mutex<Ways>,
    /// How many messages are on their way, singly or in batches.
    in_flight: AtomicUsize,
}

/// A batch without repetitions.
#[derive(Default)]
struct Batch {
    /// Messages that are stored already, or by the time of the batch may be. They would fail an atomic batch.
    known: Vec<Outgoing>,
    new: Vec<Outgoing>,
    /// For each message that was given, its place in `known` or `new`.
    places: Vec<Place>,
}

#[derive(Clone, Copy)]
enum Place {
    Known(usize),
    New(usize),
}

impl<P: Publish> Group<P> {
    /// Publishes a batch, and returns the outcome of each message.
    async fn publish(&self, messages: Vec<Outgoing>) -> Vec<Acknowledged> {
        let (begun, count) = (Instant::now(), messages.len());
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        let Batch { known, new, places } = self.sort_out(messages);
        let (known, new) = tokio::join!(self.each(known), self.together(new));
        if in_flight > FEW {
            lock(&self.ways).took(Way::Together, count, begun, Instant::now());
        }
        let outcome = |place| match place {
            Place::Known(index) => known[index].clone(),
            Place::New(index) => new[index].clone(),
        };
        places.into_iter().map(outcome).collect()
    }

    fn sort_out(&self, messages: Vec<Outgoing>) -> Batch {
        let known = lock(&self.known);
        let mut batch = Batch::default();
        let mut first = HashMap::new();
        for message in messages {
            let id = message.message_id.clone();
            let place = match id.as_ref().and_then(|id| first.get(id)) {
                Some(first) => *first,
                None if id.as_ref().is_some_and(|id| known.contains(id)) => {
                    batch.known.push(message);
                    Place::Known(batch.known.len() - 1)
                }
                None => {
                    batch.new.push(message);
                    Place::New(batch.new.len() - 1)
                }
            };
            batch.places.push(place);
            first.extend(id.map(|id| (id, place)));
        }
        batch
    }

    /// Publishes the messages of a batch atomically, unless that would be no gain.
    async fn together(&self, messages: Vec<Outgoing>) -> Vec<Acknowledged> {
        let bytes: usize = messages.iter().map(|message| message.payload.len()).sum();
        let is_small = messages.len() <= FEW;
        if is_small || bytes > MAX_BATCH_BYTES || lock(&self.ways).is_resting(Instant::now()) {
            return self.each(messages).await;
        }
        match self.publisher.all(messages.clone()).await {
            Ok(()) => {
                messages.iter().for_each(|message| self.remember(message.message_id.as_deref()));
                vec![Ok(()); messages.len()]
            }
            Err(error) => self.instead(messages, error).await,
        }
    }

    /// The cheaper way while this many messages are on their way.
    fn way(&self, in_flight: usize) -> Way {
        lock(&self.ways).choose(in_flight, Instant::now())
    }

    /// Publishes a message by itself, while `in_flight` are on their way.
    async fn alone(&self, message: Outgoing, in_flight: usize) -> Acknowledged {
        let begun = Instant::now();
        let published = self.one(message).await;
        if published.is_ok() && in_flight > FEW {
            // By Little's law: a message is stored each time this long has passed.
            lock(&self.ways).took(Way::Alone, in_flight, begun, Instant::now());
        }
        published
    }

    /// After an atomic batch has failed: publishes its messages singly, unless they may be stored.
    async fn instead(&self, messages: Vec<Outgoing>, error: BatchError) -> Vec<Acknowledged> {
        let rest = if matches!(error, BatchError::Duplicate) { REST_AFTER_DUPLICATE } else { REST_AFTER_FAILURE };
        lock(&self.ways).rest_until(Instant::now() + rest);
        tracing::debug!(%error, count = messages.len(), "an atomic batch of webhooks failed");
        match error {
            BatchError::Unanswered(error) => vec![Err(Arc::new(error)); messages.len()],
            _nothing_is_stored => self.each(messages).await,
        }
    }

    /// Publishes each message by itself, all at once.
    async fn each(&self, messages: Vec<Outgoing>) -> Vec<Acknowledged> {
        join_all(messages.into_iter().map(|message| self.one(message))).await
    }

    async fn one(&self, message: Outgoing) -> Acknowledged {
        // Beforehand: Twilio's second try may come into a batch while the first is on its way.
        self.remember(message.message_id.as_deref());
        self.publisher.one(message).await.map(drop).map_err(Arc::new)
    }

    /// Remembers the id of a message that is stored or on its way.
    fn remember(&self, id: Option<&str>) {
        if let Some(id) = id {
            lock(&self.known).insert(id);
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
