//! NMC_DEAD: what could not be processed, with its reason, for a person to look at and to replay.

use std::collections::BTreeMap;

use futures::future::BoxFuture;

use super::{Attribution, DeadLetterBody};
use crate::adapters::jetstream::{Outgoing, PublishError, Publisher, subjects};
use crate::engine::Publish;
use crate::stream::{DeadLetter, DeadLetterSink};
use crate::telemetry::Metrics;

/// What fails so often is put aside, unless said otherwise: with the longest delay between tries, that is more than eight
/// hours.
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
    /// Writes through this publisher.
    pub fn new(publisher: P, metrics: Metrics) -> Self {
        Self { publisher, attribution: None, max_deliveries: MAX_DELIVERIES, metrics }
    }

    /// The same with letters that name the business that they belong to.
    #[must_use]
    pub fn attributed(self, attribution: Attribution) -> Self {
        Self { attribution: Some(attribution), ..self }
    }

    /// The same for what has failed so often.
    #[must_use]
    pub fn after_deliveries(self, max_deliveries: u64) -> Self {
        Self { max_deliveries, ..self }
    }

    /// What fails so often belongs here.
    pub fn max_deliveries(&self) -> u64 {
        self.max_deliveries
    }

    /// Keeps one letter; the same one is kept once.
    ///
    /// # Errors
    /// When JetStream has not acknowledged it.
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

/// A letter as it lies in NMC_DEAD.
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
