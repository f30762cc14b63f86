//! Reading and deleting dead letters in NMC_DEAD.

use std::ops::RangeInclusive;

use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::DirectGetErrorKind;
use bytes::Bytes;
use chrono::{DateTime, SubsecRound, Utc};
use futures::{StreamExt, TryStreamExt, stream};

use super::JetStream;

const STREAM: &str = "NMC_DEAD";
/// How many dead letters are requested at once.
const MAX_CONCURRENCY: usize = 32;

/// A dead letter in NMC_DEAD.
#[derive(Debug, Clone)]
pub struct StoredLetter {
    /// Its sequence number.
    pub sequence: u64,
    /// When it was stored, to the microsecond, like times in PostgreSQL.
    pub at: DateTime<Utc>,
    /// Its payload.
    pub payload: Bytes,
}

/// NMC_DEAD cannot be read at the moment.
#[derive(Debug, thiserror::Error)]
#[error("NMC_DEAD cannot be read: {0}")]
pub struct LetterError(String);

impl LetterError {
    fn of(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl JetStream {
    /// The sequences of the oldest and the newest dead letter. If the stream is empty, the first is greater.
    ///
    /// # Errors
    /// If JetStream is unreachable.
    pub async fn letters_there(&self) -> Result<(u64, u64), LetterError> {
        let state = self.context.get_stream(STREAM).await.map_err(LetterError::of)?.cached_info().state.clone();
        Ok((state.first_sequence.max(1), state.last_sequence))
    }

    /// One dead letter; `None` if it does not exist or has been deleted.
    ///
    /// # Errors
    /// If JetStream is unreachable.
    pub async fn letter(&self, sequence: u64) -> Result<Option<StoredLetter>, LetterError> {
        Ok(self.letters(sequence..=sequence).await?.pop())
    }

    /// Deletes a dead letter, and overwrites its data.
    ///
    /// # Errors
    /// If JetStream is unreachable.
    pub async fn delete_letter(&self, sequence: u64) -> Result<(), LetterError> {
        let stream = self.context.get_stream_no_info(STREAM).await.map_err(LetterError::of)?;
        stream.delete_message(sequence).await.map(drop).map_err(LetterError::of)
    }

    /// The dead letters of a range, in order.
    ///
    /// # Errors
    /// If JetStream is unreachable.
    pub async fn letters(&self, range: RangeInclusive<u64>) -> Result<Vec<StoredLetter>, LetterError> {
        let stream = self.context.get_stream_no_info(STREAM).await.map_err(LetterError::of)?;
        let found: Vec<Option<StreamMessage>> = stream::iter(range.filter(|sequence| *sequence > 0))
            .map(|sequence| {
                let stream = &stream;
                async move {
                    match stream.direct_get(sequence).await {
                        Ok(message) => Ok(Some(message)),
                        Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
                        Err(error) => Err(LetterError::of(error)),
                    }
                }
            })
            .buffered(MAX_CONCURRENCY)
            .try_collect()
            .await?;
        Ok(found.into_iter().flatten().map(StoredLetter::from).collect())
    }
}

impl From<StreamMessage> for StoredLetter {
    fn from(message: StreamMessage) -> Self {
        let at = DateTime::from_timestamp(message.time.unix_timestamp(), message.time.nanosecond()).unwrap_or_default();
        Self { sequence: message.sequence, at: at.trunc_subsecs(6), payload: message.payload }
    }
}
