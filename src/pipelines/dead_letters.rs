//! NMC_DEAD: what could not be processed, with its reason, for a person to look at and to replay.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use crate::jetstream::{Outgoing, PublishError, Publisher};
use crate::operators::{DeadLetter, DeadLetterSink};
use crate::shell::Publish;
use crate::subjects;
use crate::telemetry::Metrics;

/// Writes to NMC_DEAD.
#[derive(Clone)]
pub struct DeadLetterStream<P = Publisher> {
    publisher: P,
    metrics: Metrics,
}

impl<P: Publish> DeadLetterStream<P> {
    /// Writes through this publisher.
    pub fn new(publisher: P, metrics: Metrics) -> Self {
        Self { publisher, metrics }
    }

    /// Keeps one letter; the same one is kept once.
    ///
    /// # Errors
    /// When JetStream has not acknowledged it.
    pub async fn keep(&self, letter: &DeadLetter, message_id: String) -> Result<(), PublishError> {
        self.publisher.publish(dead_letter(letter, message_id)).await?;
        self.metrics.dead_letter(letter.reason.code());
        Ok(())
    }
}

/// A letter as it lies in NMC_DEAD; [`crate::jetstream::Letter`] reads it.
pub fn dead_letter(letter: &DeadLetter, message_id: String) -> Outgoing {
    let reason = letter.reason.code();
    // What can be read is kept readable; what is no text is kept to the byte.
    let payload = match std::str::from_utf8(&letter.payload) {
        Ok(text) => json!({ "text": text }),
        Err(_) => json!({ "base64": STANDARD.encode(&letter.payload) }),
    };
    let body = json!({
        "reason": reason,
        "detail": letter.detail,
        "subject": letter.subject,
        "stream_sequence": letter.stream_sequence,
        "delivery_count": letter.delivery_count,
        "first_seen": letter.first_seen,
        "headers": letter.headers,
        "payload": payload,
    });
    Outgoing {
        subject: subjects::dead(reason),
        message_id: Some(message_id),
        headers: BTreeMap::from([("Nmc-Reason".to_owned(), reason.to_owned())]),
        payload: body.to_string().into(),
    }
}

impl<P: Publish> DeadLetterSink for DeadLetterStream<P> {
    type Error = PublishError;

    fn bury<'a>(&'a self, letter: &'a DeadLetter) -> BoxFuture<'a, Result<(), PublishError>> {
        Box::pin(self.keep(letter, format!("dead:{}:{}", letter.subject, letter.stream_sequence)))
    }
}
