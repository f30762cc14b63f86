//! NMC_DEAD as it is read: one letter, or a range of them.

use std::ops::RangeInclusive;

use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::DirectGetErrorKind;
use bytes::Bytes;
use chrono::{DateTime, SubsecRound, Utc};
use futures::{StreamExt, TryStreamExt, stream};

use super::JetStream;

const STREAM: &str = "NMC_DEAD";
/// How many letters are asked for at once.
const MAX_CONCURRENCY: usize = 32;

/// A message of NMC_DEAD.
#[derive(Debug, Clone)]
pub struct StoredLetter {
    /// Its sequence.
    pub sequence: u64,
    /// When it was stored; to the microsecond, as PostgreSQL keeps times.
    pub at: DateTime<Utc>,
    /// What it holds.
    pub payload: Bytes,
}

/// NMC_DEAD cannot be read now.
#[derive(Debug, thiserror::Error)]
#[error("NMC_DEAD cannot be read: {0}")]
pub struct LetterError(String);

impl LetterError {
    fn of(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl JetStream {
    /// The sequences of the oldest and the newest letter; of an empty stream, the first is greater.
    ///
    /// # Errors
    /// When JetStream is away.
    pub async fn letters_there(&self) -> Result<(u64, u64), LetterError> {
        let state = self.context.get_stream(STREAM).await.map_err(LetterError::of)?.cached_info().state.clone();
        Ok((state.first_sequence.max(1), state.last_sequence))
    }

    /// One letter; `None` where there is none, or none any more.
    ///
    /// # Errors
    /// When JetStream is away.
    pub async fn letter(&self, sequence: u64) -> Result<Option<StoredLetter>, LetterError> {
        Ok(self.letters(sequence..=sequence).await?.pop())
    }

    /// Deletes a letter, and overwrites what it held.
    ///
    /// # Errors
    /// When JetStream is away.
    pub async fn delete_letter(&self, sequence: u64) -> Result<(), LetterError> {
        let stream = self.context.get_stream_no_info(STREAM).await.map_err(LetterError::of)?;
        stream.delete_message(sequence).await.map(drop).map_err(LetterError::of)
    }

    /// The letters of a range, in order.
    ///
    /// # Errors
    /// When JetStream is away.
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
