//! An attachment while it is fetched.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::{BoxStream, Stream, StreamExt, TryStreamExt, once, try_unfold};
use reqwest::Response;
use tokio::time::{Instant, timeout};

use super::{MAX_BYTES, MediaError};
use crate::adapters::http_client::describe;

/// An attachment whose bytes can be read.
pub struct FetchedMedia {
    content_type: String,
    length: u64,
    bytes: BoxStream<'static, Result<Bytes, MediaError>>,
}

impl FetchedMedia {
    /// Creates the attachment from an answer whose body has not been read; `patience` is the remaining time.
    ///
    /// The body is streamed. Only if its length is not declared, all of it is read here, because a client that gets a
    /// part of it could not distinguish that from the whole.
    pub(super) async fn of(content_type: String, answer: Response, patience: Duration) -> Result<Self, MediaError> {
        let told = answer.content_length();
        if told.is_some_and(|length| length > MAX_BYTES) {
            return Err(MediaError::TooLarge);
        }
        let bytes = pieces(answer, patience);
        if let Some(length) = told {
            return Ok(Self { content_type, length, bytes: bytes.boxed() });
        }
        let join = async |mut all: Vec<u8>, piece: Bytes| {
            all.extend_from_slice(&piece);
            Ok(all)
        };
        let all = bytes.try_fold(Vec::new(), join).await?;
        Ok(Self { content_type, length: all.len() as u64, bytes: once(async { Ok(all.into()) }).boxed() })
    }

    /// Its content type, with parameters.
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// How many bytes it has.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Its bytes, as they arrive. Ends after the last one, or with an error if Twilio breaks off or its time is used
    /// up.
    pub fn into_bytes(self) -> impl Stream<Item = Result<Bytes, MediaError>> + Send + 'static {
        self.bytes
    }
}

/// The body of an answer, limited to [`MAX_BYTES`]. Only time spent waiting for Twilio counts against `patience`, so a
/// slow reader loses nothing.
fn pieces(answer: Response, patience: Duration) -> impl Stream<Item = Result<Bytes, MediaError>> + Send + 'static {
    try_unfold((answer, patience, MAX_BYTES), |(mut answer, patience, room)| async move {
        let asked = Instant::now();
        let late = |_| MediaError::Away("timeout while reading the attachment".to_owned());
        let piece = timeout(patience, answer.chunk()).await.map_err(late)?;
        let Some(piece) = piece.map_err(|error| MediaError::Away(describe(error)))? else { return Ok(None) };
        let room = room.checked_sub(piece.len() as u64).ok_or(MediaError::TooLarge)?;
        Ok(Some((piece, (answer, patience.saturating_sub(asked.elapsed()), room))))
    })
}
