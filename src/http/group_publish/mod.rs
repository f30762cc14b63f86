//! Group commit for webhooks: those that wait while others are being published are published together, and share an
//! fsync (docs/adr/0023-webhooks-are-published-in-batches.md).
//!
//! Each webhook is answered as before: once JetStream has acknowledged its own message. While one batch is under way,
//! the next collects, so a webhook that comes alone is published alone and at once.

mod known_ids;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
mod way;

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, timeout};

use self::known_ids::KnownIds;
use self::way::{Way, Ways};
use crate::adapters::jetstream::{BatchError, Outgoing, PublishError, Published, Publisher};
use crate::stream::GroupCommit;

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
#[derive(Debug, Clone)]
pub(super) struct GroupPublisher {
    batches: GroupCommit<Outgoing, Acknowledged>,
    time_limit: Duration,
}

impl GroupPublisher {
    /// A message and a batch each take at most `time_limit`.
    pub fn new(publisher: impl Publish, time_limit: Duration) -> Self {
        let group = Arc::new(Group { publisher, known: Mutex::default(), ways: Mutex::default() });
        let batches = GroupCommit::new(MAX_BATCH, move |messages: Vec<Outgoing>| {
            let group = Arc::clone(&group);
            async move {
                let count = messages.len();
                let published = timeout(time_limit, group.publish(messages)).await;
                published.unwrap_or_else(|_late| vec![Err(Arc::new(PublishError::timed_out())); count])
            }
        });
        Self { batches, time_limit }
    }

    /// Publishes a message with the batch that collects, and resolves once it is stored.
    ///
    /// # Errors
    /// If it was not acknowledged in time; it may be stored all the same.
    pub async fn publish(&self, message: Outgoing) -> Acknowledged {
        let published = timeout(self.time_limit, self.batches.call(message)).await;
        // Without a result, the batch has panicked, and nobody knows which messages are stored.
        published.ok().flatten().unwrap_or_else(|| Err(Arc::new(PublishError::timed_out())))
    }
}

/// What the batches share.
struct Group<P> {
    publisher: P,
    known: Mutex<KnownIds>,
    ways: Mutex<Ways>,
}

/// A batch without repetitions.
#[derive(Default)]
struct Batch {
    /// Messages that are stored already, as far as we know. They would fail an atomic batch.
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
        let Batch { known, new, places } = self.sort_out(messages);
        let (known, new) = tokio::join!(self.each(&known), self.together(&new));
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

    /// Publishes messages in the way that is cheaper at the moment.
    async fn together(&self, messages: &[Outgoing]) -> Vec<Acknowledged> {
        let begun = Instant::now();
        let way = self.way(messages, begun);
        let outcomes = match way {
            Way::Singly => self.each(messages).await,
            Way::Atomically => match self.publisher.all(messages.to_vec()).await {
                Ok(()) => {
                    messages.iter().for_each(|message| self.remember(message));
                    vec![Ok(()); messages.len()]
                }
                Err(error) => return self.instead(messages, error).await,
            },
        };
        lock(&self.ways).took(way, messages.len(), begun, Instant::now());
        outcomes
    }

    fn way(&self, messages: &[Outgoing], now: Instant) -> Way {
        let bytes: usize = messages.iter().map(|message| message.payload.len()).sum();
        if bytes > MAX_BATCH_BYTES { Way::Singly } else { lock(&self.ways).choose(messages.len(), now) }
    }

    /// After an atomic batch has failed: publishes its messages singly, unless they may be stored.
    async fn instead(&self, messages: &[Outgoing], error: BatchError) -> Vec<Acknowledged> {
        let rest = if matches!(error, BatchError::Duplicate) { REST_AFTER_DUPLICATE } else { REST_AFTER_FAILURE };
        lock(&self.ways).rest_until(Instant::now() + rest);
        tracing::debug!(%error, count = messages.len(), "an atomic batch of webhooks failed");
        match error {
            BatchError::Unanswered(error) => vec![Err(Arc::new(error)); messages.len()],
            _nothing_is_stored => self.each(messages).await,
        }
    }

    /// Publishes each message by itself, all at once.
    async fn each(&self, messages: &[Outgoing]) -> Vec<Acknowledged> {
        join_all(messages.iter().map(|message| async {
            let published = self.publisher.one(message.clone()).await;
            if published.is_ok() {
                self.remember(message);
            }
            published.map(drop).map_err(Arc::new)
        }))
        .await
    }

    /// Remembers that a message is stored.
    fn remember(&self, message: &Outgoing) {
        if let Some(id) = &message.message_id {
            lock(&self.known).insert(id);
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
