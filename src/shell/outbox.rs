//! The outbox: what was committed is published, in the order of its commit, and then marked.
//!
//! One drainer per conversation at a time, under a lock on its waiting rows. Repeating it is harmless: what carries an id
//! is deduplicated by JetStream, and by the inbox beyond that; a timer may be armed twice.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::effects::{self, Trace};
use super::{Publish, Records, WaitingEffects};
use crate::jetstream::{Outgoing, PublishError, Publisher};
use crate::store::{OutboxRow, Store, StoreError, WaitingRow};
use crate::telemetry::Metrics;

/// Not everything is published yet; what is not stays in the outbox.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// The store is away.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// JetStream is away.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// The outbox; clones share it.
#[derive(Debug, Clone)]
pub struct Outbox<R = Store, P = Publisher> {
    store: R,
    publisher: P,
    metrics: Metrics,
}

impl<R: Records, P: Publish> Outbox<R, P> {
    /// An outbox that publishes here.
    pub fn new(store: R, publisher: P, metrics: Metrics) -> Self {
        Self { store, publisher, metrics }
    }

    /// Publishes what waits under these keys.
    ///
    /// # Errors
    /// When a part is missing.
    pub async fn drain_all(&self, keys: impl IntoIterator<Item = Uuid>) -> Result<(), OutboxError> {
        for key in keys {
            self.drain(key).await?;
        }
        Ok(())
    }

    /// Publishes what waits under a key; returns how much that was.
    ///
    /// # Errors
    /// When a part is missing: what was published until then is marked.
    pub async fn drain(&self, key: Uuid) -> Result<usize, OutboxError> {
        let draining = self.store.drain(key).await?;
        if draining.rows().is_empty() {
            return Ok(0);
        }
        let mut on_their_way = Vec::with_capacity(draining.rows().len());
        let mut failure = None;
        for row in draining.rows() {
            crate::failpoint::hit("before_effect_published");
            match self.publisher.send(outgoing(row)).await {
                Ok(ack) => on_their_way.push(ack),
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        let mut published = 0;
        for ack in on_their_way {
            match ack.await {
                Ok(_) => published += 1,
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        let events = draining.rows().iter().take(published).filter(|row| row.subject.starts_with("nmc.event.")).count();
        draining.published(published).await?;
        (0..events).for_each(|_| self.metrics.event_published());
        failure.map_or(Ok(published), |error| Err(error.into()))
    }

    /// Arms a conversation's timer; nothing is written for it.
    ///
    /// # Errors
    /// When JetStream is away.
    pub async fn arm(&self, conversation_id: Uuid, at: DateTime<Utc>) -> Result<(), OutboxError> {
        let OutboxRow { subject, message_id, headers, payload, .. } =
            effects::arm(conversation_id, at, &Trace::start());
        let payload = payload.to_string().into();
        self.publisher.publish(Outgoing { subject, message_id, headers, payload }).await?;
        Ok(())
    }
}

fn outgoing(row: &WaitingRow) -> Outgoing {
    Outgoing {
        subject: row.subject.clone(),
        message_id: row.message_id.clone(),
        headers: row.headers.clone(),
        payload: row.payload.to_string().into(),
    }
}
