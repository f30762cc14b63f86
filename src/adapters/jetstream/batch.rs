//! Atomic batches: JetStream stores all messages of a batch, with one fsync, or none of them (ADR-50 of NATS).

use std::future::IntoFuture;

use async_nats::header::{NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL, NATS_BATCH_ID, NATS_BATCH_SEQUENCE};
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{self, PublishErrorKind};
use uuid::Uuid;

use super::publish::{Outgoing, PublishError, Publisher, headers};

/// JetStream's error codes for an id that it has stored, or is about to store.
const DUPLICATE: [ErrorCode; 2] =
    [ErrorCode::ATOMIC_PUBLISH_CONTAINS_DUPLICATE_MESSAGE, ErrorCode::STREAM_DUPLICATE_MESSAGE_CONFLICT];

/// Why an atomic batch was not acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// Nothing was stored, because the stream has a message with one of the ids, or two messages have the same id.
    #[error("the atomic batch contains a duplicate message id")]
    Duplicate,
    /// Nothing was stored: the stream does not allow atomic batches, too many are in flight, or a message of this one
    /// is missing.
    #[error("atomic batch rejected by JetStream: {0}")]
    Rejected(#[source] context::PublishError),
    /// The server does not know atomic batches. Some of the messages may be stored.
    #[error("the server does not know atomic batches")]
    Unsupported,
    /// No answer. All messages may be stored, or none.
    #[error(transparent)]
    Unanswered(PublishError),
}

impl Publisher {
    /// Publishes messages of one stream as an atomic batch. Returns once all of them are stored.
    ///
    /// # Errors
    /// If the batch was rejected, or not acknowledged in time.
    pub async fn publish_atomically(&self, messages: Vec<Outgoing>) -> Result<(), BatchError> {
        self.check_connected().map_err(failure)?;
        let count = messages.len();
        let id = Uuid::now_v7().simple().to_string();
        for (message, sequence) in messages.into_iter().zip(1_usize..) {
            let mut headers = headers(&message);
            headers.insert(NATS_BATCH_ID, id.as_str());
            headers.insert(NATS_BATCH_SEQUENCE, sequence.to_string());
            let Outgoing { subject, payload, .. } = message;
            if sequence < count {
                // Only the last message is answered, with the outcome of the whole batch.
                let sent = self.client.publish_with_headers(subject, headers, payload).await;
                sent.map_err(|error| failure(context::PublishError::with_source(PublishErrorKind::Other, error)))?;
                continue;
            }
            headers.insert(NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL);
            let ack = self.context.publish_with_headers(subject, headers, payload).await.map_err(failure)?;
            let ack = ack.into_future().await.map_err(failure)?;
            if ack.batch_size != u64::try_from(count).ok() {
                return Err(BatchError::Unsupported);
            }
        }
        Ok(())
    }
}

fn failure(error: context::PublishError) -> BatchError {
    match error.kind() {
        PublishErrorKind::TimedOut | PublishErrorKind::BrokenPipe => BatchError::Unanswered(error.into()),
        _ if code(&error).is_some_and(|code| DUPLICATE.contains(&code)) => BatchError::Duplicate,
        _ => BatchError::Rejected(error),
    }
}

/// JetStream's error code, if the error is JetStream's answer.
fn code(error: &context::PublishError) -> Option<ErrorCode> {
    let source = std::error::Error::source(error)?;
    source.downcast_ref::<async_nats::jetstream::Error>().map(async_nats::jetstream::Error::error_code)
}
