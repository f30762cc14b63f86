//! Stores Twilio's webhooks durably before they are answered: in JetStream, or in PostgreSQL while JetStream is
//! unavailable (docs/design.md, When a part is missing).
//!
//! Webhooks go to NMC_INBOUND, in batches under load (`group_publish`), and to NMC_DEAD, directly or through the table
//! `waiting_webhooks`. An accepted webhook is on disk, and has the same message id on both ways.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::adapters::jetstream::{JetStream, Outgoing, PublishError, Publisher, subjects};
use crate::adapters::postgres::{Store, WaitingWebhook};
use crate::http::group_publish::{Acknowledged, GroupPublisher};
use crate::store::StoreError;
use crate::telemetry::Metrics;

/// Timeout for JetStream; after it PostgreSQL is used.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(1);
/// Timeout for PostgreSQL.
const KEEP_TIMEOUT: Duration = Duration::from_secs(1);
/// How often waiting webhooks are polled.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// How many webhooks are published under one lock.
const BATCH: i64 = 256;

/// Neither JetStream nor PostgreSQL has stored the message.
#[derive(Debug, thiserror::Error)]
#[error("not acknowledged by JetStream, and not stored in PostgreSQL: {0}")]
pub struct NotDurable(#[source] StoreError);

/// Publishes durably; clones share the connections.
#[derive(Clone)]
pub struct DurablePublisher {
    jetstream: JetStream,
    publisher: Publisher,
    /// For NMC_INBOUND, which allows atomic batches.
    webhooks: GroupPublisher,
    store: Store,
    metrics: Metrics,
}

impl DurablePublisher {
    /// A publisher on this connection, with this store for the time that JetStream is unavailable.
    pub fn new(jetstream: &JetStream, store: Store, metrics: Metrics) -> Self {
        let publisher = jetstream.publisher().with_timeout(PUBLISH_TIMEOUT);
        let webhooks = GroupPublisher::new(publisher.clone(), PUBLISH_TIMEOUT, metrics.clone());
        Self { jetstream: jetstream.clone(), publisher, webhooks, store, metrics }
    }

    /// Resolves once the message is on disk.
    ///
    /// # Errors
    /// If neither has acknowledged it. One of them may still have it, and it may arrive again under the same id.
    pub async fn publish(&self, outgoing: Outgoing) -> Result<(), NotDurable> {
        // A lost connection is not waited for, because a caller hears silence meanwhile.
        if self.jetstream.is_connected() {
            match self.publish_to_jetstream(outgoing.clone()).await {
                Ok(()) => return Ok(()),
                Err(error) => tracing::debug!(%error, "JetStream did not acknowledge; storing in PostgreSQL instead"),
            }
        }
        let Outgoing { subject, message_id, headers, payload } = outgoing;
        let message_id = message_id.unwrap_or_else(|| Uuid::now_v7().to_string());
        let webhook = WaitingWebhook { message_id, subject, headers, payload: payload.to_vec() };
        match tokio::time::timeout(KEEP_TIMEOUT, self.store.keep_webhook(&webhook)).await {
            Ok(Ok(())) => {
                self.metrics.webhook_kept();
                Ok(())
            }
            Ok(Err(error)) => Err(NotDurable(error)),
            Err(_late) => Err(NotDurable(StoreError::away())),
        }
    }

    async fn publish_to_jetstream(&self, outgoing: Outgoing) -> Acknowledged {
        if subjects::is_inbound(&outgoing.subject) {
            return self.webhooks.publish(outgoing).await;
        }
        self.publisher.publish(outgoing).await.map(drop).map_err(Arc::new)
    }

    /// Sends a message that need not be durable, without waiting for an acknowledgement.
    ///
    /// # Errors
    /// If the message could not be sent.
    pub async fn send(&self, outgoing: Outgoing) -> Result<(), PublishError> {
        self.publisher.send(outgoing).await.map(drop)
    }
}

/// Publishes the webhooks that wait in PostgreSQL once JetStream is available again, until `shutdown`.
pub async fn publish_waiting(jetstream: JetStream, store: Store, shutdown: CancellationToken) {
    let publisher = jetstream.publisher();
    let publishing = async {
        let mut ticks = tokio::time::interval(POLL_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            while jetstream.is_connected() {
                match publish_some(&publisher, &store).await {
                    Ok(0) => break,
                    Ok(count) => tracing::info!(count, "published webhooks that waited in PostgreSQL"),
                    Err(error) => {
                        tracing::debug!(%error, "webhooks that wait in PostgreSQL could not be published; retrying");
                        break;
                    }
                }
            }
        }
    };
    shutdown.run_until_cancelled(publishing).await;
}

/// Why webhooks remain in PostgreSQL.
#[derive(Debug, thiserror::Error)]
enum WaitOn {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// Publishes the oldest batch of waiting webhooks, and returns their number.
async fn publish_some(publisher: &Publisher, store: &Store) -> Result<usize, WaitOn> {
    let batch = store.waiting_webhooks(BATCH).await?;
    if batch.webhooks.is_empty() {
        return Ok(0);
    }
    let mut on_their_way = Vec::with_capacity(batch.webhooks.len());
    for webhook in &batch.webhooks {
        on_their_way.push(publisher.send(outgoing(webhook, "")).await?);
    }
    let mut published = 0;
    let mut failure = None;
    for (ack, webhook) in on_their_way.into_iter().zip(&batch.webhooks) {
        let told = async {
            // Another copy of the webhook was stored first, and has a later timestamp. The inbox must see this one as
            // well, for the order. A different `Nats-Msg-Id` makes JetStream store it; its input id is the same, so it
            // is applied once. (Dead letters have no inbox and no order.)
            let again = ack.await?.duplicate && subjects::is_inbound(&webhook.subject);
            if again { publisher.publish(outgoing(webhook, ":waited")).await.map(drop) } else { Ok(()) }
        };
        match told.await {
            Ok(()) => published += 1,
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }
    batch.published(published).await?;
    failure.map_or(Ok(published), |error| Err(error.into()))
}

fn outgoing(webhook: &WaitingWebhook, suffix: &str) -> Outgoing {
    let WaitingWebhook { message_id, subject, headers, payload } = webhook.clone();
    Outgoing { subject, message_id: Some(message_id + suffix), headers, payload: payload.into() }
}
