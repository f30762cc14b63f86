//! Replay: a dead letter is put back to where it came from, to be processed as if it had just come.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use uuid::Uuid;

use super::{JetStream, Outgoing, PublishError};

/// A dead letter could not be put back.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// NMC_DEAD has no such message, or is out of reach.
    #[error("NMC_DEAD has no message {sequence} that can be read: {why}")]
    Missing {
        /// Its sequence.
        sequence: u64,
        /// Why.
        why: String,
    },
    /// The letter does not say where it came from, or what it held.
    #[error("message {sequence} of NMC_DEAD cannot be put back: {why}")]
    Unusable {
        /// Its sequence.
        sequence: u64,
        /// Why.
        why: String,
    },
    /// JetStream did not take it.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// What is needed of a dead letter to put it back.
pub struct Letter {
    /// Where it came from.
    pub subject: String,
    /// What it held, to the byte.
    pub payload: Vec<u8>,
}

#[derive(Deserialize)]
struct Written {
    subject: String,
    payload: Payload,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Payload {
    Text(String),
    Base64(String),
}

impl Letter {
    /// Reads a letter as it lies in NMC_DEAD.
    ///
    /// # Errors
    /// Why it cannot be put back.
    pub fn read(written: &[u8]) -> Result<Self, String> {
        let Written { subject, payload } = serde_json::from_slice(written).map_err(|error| error.to_string())?;
        if subject.starts_with("nmc.edge.") {
            return Err("it never became a webhook that can be processed".to_owned());
        }
        let payload = match payload {
            Payload::Text(text) => text.into_bytes(),
            Payload::Base64(text) => STANDARD.decode(text).map_err(|error| error.to_string())?,
        };
        Ok(Self { subject, payload })
    }
}

impl JetStream {
    /// Puts the letter at `sequence` of NMC_DEAD back to its subject, and returns that. It carries a new `Nats-Msg-Id`, so
    /// that JetStream takes it; what it holds carries its old id, so that nothing is done twice.
    ///
    /// # Errors
    /// When there is no such letter, or it cannot be put back.
    pub async fn replay(&self, sequence: u64) -> Result<String, ReplayError> {
        let missing = |why: String| ReplayError::Missing { sequence, why };
        let unusable = |why: String| ReplayError::Unusable { sequence, why };
        let stream = self.context.get_stream("NMC_DEAD").await.map_err(|e| missing(e.to_string()))?;
        let message = stream.get_raw_message(sequence).await.map_err(|e| missing(e.to_string()))?;
        let letter = Letter::read(&message.payload).map_err(unusable)?;
        self.publisher()
            .publish(Outgoing {
                subject: letter.subject.clone(),
                message_id: Some(format!("replay:{}", Uuid::new_v4())),
                payload: letter.payload.into(),
                ..Outgoing::default()
            })
            .await?;
        Ok(letter.subject)
    }
}
