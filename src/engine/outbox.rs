//! The outbox: publishes committed effects in the order of their commit, then deletes them.
//!
//! What was just committed is published from memory. One task at a time drains what waits in the table: after a crash,
//! or if older effects of a conversation wait. Repeating it is harmless: messages with an id are deduplicated by
//! JetStream, and by the inbox beyond that; a timer may be armed twice.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::effects::{self, SendTask};
use super::{ConversationStore, Publish, WaitingEffects};
use crate::adapters::jetstream::{Outgoing, PublishError, Published, Publisher, subjects};
use crate::adapters::postgres::Store;
use crate::domain::conversation::Priority;
use crate::store::{OutboxRow, StoreError, WaitingRow};
use crate::telemetry::Metrics;
use crate::trace::Trace;

/// Not everything is published yet; the rest stays in the outbox.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// The store is unavailable.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// JetStream is unavailable.
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

impl<R: ConversationStore, P: Publish> Outbox<R, P> {
    pub fn new(store: R, publisher: P, metrics: Metrics) -> Self {
        Self { store, publisher, metrics }
    }

    /// Publishes everything that waits under these keys.
    ///
    /// # Errors
    /// When PostgreSQL or JetStream is unavailable.
    pub async fn drain_all(&self, keys: impl IntoIterator<Item = Uuid>) -> Result<(), OutboxError> {
        for key in keys {
            self.drain(key).await?;
        }
        Ok(())
    }

    /// Publishes everything that waits under a key; returns the number of rows.
    ///
    /// # Errors
    /// When PostgreSQL or JetStream is unavailable. The rows published until then are deleted.
    pub async fn drain(&self, key: Uuid) -> Result<usize, OutboxError> {
        if !self.store.has_waiting_effects(key).await? {
            return Ok(0);
        }
        let draining = self.store.drain(key).await?;
        if draining.rows().is_empty() {
            return Ok(0);
        }
        let (published, failure) = self.publish_in_order(draining.rows()).await;
        let events = draining.rows().iter().take(published).filter(|row| is_counted(row)).count();
        draining.published(published).await?;
        (0..events).for_each(|_| self.metrics.event_published());
        failure.map_or(Ok(published), |error| Err(error.into()))
    }

    /// Publishes effects that were just committed. Returns the ids of those that were published, and the error that
    /// stopped it.
    pub(super) async fn publish(&self, rows: Vec<WaitingRow>) -> (Vec<i64>, Result<(), OutboxError>) {
        let (published, failure) = self.publish_in_order(&rows).await;
        let published = rows.iter().take(published);
        published.clone().filter(|row| is_counted(row)).for_each(|_| self.metrics.event_published());
        (published.map(|row| row.id).collect(), failure.map_or(Ok(()), |error| Err(error.into())))
    }

    /// Publishes the rows one by one; returns how many were acknowledged, and the error that stopped it.
    ///
    /// Acks are awaited together, but an event is sent only after all rows before it are stored: a message that is lost
    /// (the connection breaks between two of them) must not be stored after a later event.
    async fn publish_in_order(&self, rows: &[WaitingRow]) -> (usize, Option<PublishError>) {
        let mut on_their_way = Vec::with_capacity(rows.len());
        let (mut published, mut failure) = (0, None);
        for row in rows {
            if is_event(row)
                && let Err(error) = acknowledged(&mut on_their_way, &mut published).await
            {
                return (published, Some(error));
            }
            crate::failpoint::hit("before_effect_published");
            match self.publisher.send(outgoing(row)).await {
                Ok(ack) => on_their_way.push(ack),
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        match acknowledged(&mut on_their_way, &mut published).await {
            Ok(()) => (published, failure),
            Err(error) => (published, Some(error)),
        }
    }

    /// Arms a conversation's timer; nothing is written to the store.
    ///
    /// # Errors
    /// When JetStream is unavailable.
    pub async fn arm(&self, conversation_id: Uuid, at: DateTime<Utc>) -> Result<(), OutboxError> {
        self.publisher.publish(outgoing_row(effects::arm(conversation_id, at, &Trace::of_request()))).await?;
        Ok(())
    }

    /// Publishes the task to send a message once more, because it may be lost; nothing is written to the store.
    ///
    /// # Errors
    /// When JetStream is unavailable.
    pub async fn send_again(&self, task: &SendTask, priority: Priority, message_id: String) -> Result<(), OutboxError> {
        self.publisher.publish(outgoing_row(effects::send_task(task, priority, message_id))).await?;
        Ok(())
    }
}

/// Waits for acks in order, and counts them.
async fn acknowledged<A>(on_their_way: &mut Vec<A>, published: &mut usize) -> Result<(), PublishError>
where
    A: Future<Output = Result<Published, PublishError>>,
{
    for ack in on_their_way.drain(..) {
        ack.await?;
        *published += 1;
    }
    Ok(())
}

fn is_event(row: &WaitingRow) -> bool {
    row.subject.starts_with("nmc.event.")
}

fn is_counted(row: &WaitingRow) -> bool {
    is_event(row) && !subjects::is_probed(&row.subject)
}

fn outgoing_row(row: OutboxRow) -> Outgoing {
    let OutboxRow { subject, message_id, headers, payload, .. } = row;
    Outgoing { subject, message_id, headers, payload: payload.to_string().into() }
}

fn outgoing(row: &WaitingRow) -> Outgoing {
    Outgoing {
        subject: row.subject.clone(),
        message_id: row.message_id.clone(),
        headers: row.headers.clone(),
        payload: row.payload.to_string().into(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Loses the first message, like a connection that breaks; later messages arrive.
    #[derive(Clone, Default)]
    struct Breaks {
        given: Arc<Mutex<usize>>,
        arrived: Arc<Mutex<Vec<String>>>,
    }

    impl Publish for Breaks {
        async fn send(
            &self,
            message: Outgoing,
        ) -> Result<impl Future<Output = Result<Published, PublishError>> + Send + use<>, PublishError> {
            let mut given = self.given.lock().unwrap();
            *given += 1;
            let lost = *given == 1;
            if !lost {
                self.arrived.lock().unwrap().push(message.subject);
            }
            Ok(async move {
                if lost {
                    return Err(PublishError::timed_out());
                }
                Ok(Published { sequence: 1, duplicate: false })
            })
        }
    }

    fn row(id: i64, subject: &str) -> WaitingRow {
        let subject = subject.to_owned();
        WaitingRow {
            id,
            key: Uuid::nil(),
            subject,
            message_id: None,
            headers: Default::default(),
            payload: Default::default(),
        }
    }

    #[tokio::test]
    async fn an_event_is_not_overtaken_by_a_later_one_where_it_is_lost_on_its_way() {
        let (store, publisher) = (Store::lazy("postgres://nowhere").unwrap(), Breaks::default());
        let outbox = Outbox::new(store, publisher.clone(), Metrics::new());
        let rows = [row(1, "nmc.event.message.received.c"), row(2, "nmc.event.message.sent.c")];
        let (published, failure) = outbox.publish_in_order(&rows).await;
        assert!(published == 0 && failure.is_some());
        assert_eq!(*publisher.arrived.lock().unwrap(), [""; 0], "the second one would be stored before the first");
        assert_eq!(outbox.publish_in_order(&rows).await.0, 2);
        assert_eq!(publisher.arrived.lock().unwrap().len(), 2);
    }
}
