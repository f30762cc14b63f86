//! NMC_DEAD: messages that could not be processed, with the reason, for a person to inspect and replay.

use std::collections::BTreeMap;

use futures::future::BoxFuture;

use super::{Attribution, DeadLetterBody};
use crate::adapters::jetstream::{Outgoing, PublishError, Publisher, subjects};
use crate::engine::Publish;
use crate::stream::{DeadLetter, DeadLetterSink};
use crate::telemetry::Metrics;

/// Default number of failed deliveries after which a message is quarantined. With the longest delay between tries, that
/// is more than eight hours.
const MAX_DELIVERIES: u64 = 1_000;

/// Writes to NMC_DEAD.
#[derive(Clone)]
pub struct DeadLetterStream<P = Publisher> {
    publisher: P,
    attribution: Option<Attribution>,
    max_deliveries: u64,
    metrics: Metrics,
}

impl<P: Publish> DeadLetterStream<P> {
    pub fn new(publisher: P, metrics: Metrics) -> Self {
        Self { publisher, attribution: None, max_deliveries: MAX_DELIVERIES, metrics }
    }

    /// Adds to each letter the business that it belongs to.
    #[must_use]
    pub fn attributed(self, attribution: Attribution) -> Self {
        Self { attribution: Some(attribution), ..self }
    }

    /// Sets the number of failed deliveries after which a message is quarantined.
    #[must_use]
    pub fn after_deliveries(self, max_deliveries: u64) -> Self {
        Self { max_deliveries, ..self }
    }

    /// The number of failed deliveries after which a message is quarantined.
    pub fn max_deliveries(&self) -> u64 {
        self.max_deliveries
    }

    /// Stores one letter; JetStream drops a duplicate by its message id.
    ///
    /// # Errors
    /// If JetStream does not acknowledge it.
    pub async fn keep(&self, letter: &DeadLetter, message_id: String) -> Result<(), PublishError> {
        let business_id = match &self.attribution {
            Some(attribution) => attribution.business_of(letter).await,
            None => None,
        };
        self.publisher.publish(dead_letter(letter, business_id, message_id)).await?;
        self.metrics.dead_letter(letter.reason.code());
        Ok(())
    }
}

/// The message that stores a letter in NMC_DEAD.
pub fn dead_letter(letter: &DeadLetter, business_id: Option<String>, message_id: String) -> Outgoing {
    let reason = letter.reason.code();
    Outgoing {
        subject: subjects::dead(reason),
        message_id: Some(message_id),
        headers: BTreeMap::from([("Nmc-Reason".to_owned(), reason.to_owned())]),
        payload: DeadLetterBody::of(letter, business_id).json().into(),
    }
}

impl<P: Publish> DeadLetterSink for DeadLetterStream<P> {
    type Error = PublishError;

    fn dead_letter<'a>(&'a self, letter: &'a DeadLetter) -> BoxFuture<'a, Result<(), PublishError>> {
        Box::pin(self.keep(letter, format!("dead:{}:{}", letter.subject, letter.stream_sequence)))
    }
}
