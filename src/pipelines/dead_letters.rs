//! NMC_DEAD: what could not be processed, with its reason, for a person to look at and to replay.

use std::collections::BTreeMap;

use futures::future::BoxFuture;

use crate::dead_letters::{Attribution, DeadLetterBody};
use crate::jetstream::{Outgoing, PublishError, Publisher};
use crate::operators::{DeadLetter, DeadLetterSink};
use crate::subjects;
use crate::telemetry::Metrics;

/// Writes to NMC_DEAD.
#[derive(Clone)]
pub struct DeadLetterStream {
    publisher: Publisher,
    attribution: Attribution,
    metrics: Metrics,
}

impl DeadLetterStream {
    /// Writes through this publisher.
    pub fn new(publisher: Publisher, attribution: Attribution, metrics: Metrics) -> Self {
        Self { publisher, attribution, metrics }
    }

    /// Keeps one letter; the same one is kept once.
    ///
    /// # Errors
    /// When JetStream has not acknowledged it.
    pub async fn keep(&self, letter: &DeadLetter, message_id: String) -> Result<(), PublishError> {
        let reason = letter.reason.code();
        let body = DeadLetterBody::of(letter, self.attribution.business_of(letter).await);
        self.publisher
            .publish(Outgoing {
                subject: subjects::dead(reason),
                message_id: Some(message_id),
                headers: BTreeMap::from([("Nmc-Reason".to_owned(), reason.to_owned())]),
                payload: serde_json::to_vec(&body).map_err(PublishError::unwritable)?.into(),
            })
            .await?;
        self.metrics.dead_letter(reason);
        Ok(())
    }
}

impl DeadLetterSink for DeadLetterStream {
    type Error = PublishError;

    fn bury<'a>(&'a self, letter: &'a DeadLetter) -> BoxFuture<'a, Result<(), PublishError>> {
        Box::pin(self.keep(letter, format!("dead:{}:{}", letter.subject, letter.stream_sequence)))
    }
}
