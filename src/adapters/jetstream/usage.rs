//! How much waits in JetStream, and how much room it has.

use chrono::{DateTime, Utc};
use futures::future::try_join_all;

use super::definitions::consumers;
use super::{JetStream, JetStreamError};

/// What waits for a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsumerLoad {
    pub consumer: &'static str,
    /// Messages that are not delivered yet.
    pub lag: u64,
    /// Messages that are delivered and not acknowledged yet.
    pub unacknowledged: u64,
}

/// The dead letters of NMC_DEAD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LettersThere {
    pub count: u64,
    /// When the oldest came.
    pub since: DateTime<Utc>,
}

impl JetStream {
    /// What waits for each consumer of ours.
    ///
    /// # Errors
    /// If JetStream is unreachable, or lacks one of them.
    pub async fn consumer_loads(&self) -> Result<Vec<ConsumerLoad>, JetStreamError> {
        try_join_all(consumers().map(|(stream, consumer)| async move {
            let (lag, unacknowledged) = self.load(stream, consumer).await?;
            Ok(ConsumerLoad { consumer, lag, unacknowledged })
        }))
        .await
    }

    /// The version of the server that we are connected to.
    pub fn server_version(&self) -> String {
        self.client.server_info().version
    }

    /// The bytes of file storage that our account uses, and the account's limit if it has one.
    ///
    /// # Errors
    /// If JetStream is unreachable.
    pub async fn storage(&self) -> Result<(u64, Option<u64>), JetStreamError> {
        let account = self.context.query_account().await.map_err(|error| JetStreamError::Usage(error.to_string()))?;
        let limit = account.limits.max_storage.and_then(|limit| u64::try_from(limit).ok()).filter(|limit| *limit > 0);
        Ok((account.storage, limit))
    }

    /// How many dead letters there are.
    ///
    /// # Errors
    /// If JetStream is unreachable.
    pub async fn dead_letters(&self) -> Result<LettersThere, JetStreamError> {
        let stream =
            self.context.get_stream("NMC_DEAD").await.map_err(|error| JetStreamError::Usage(error.to_string()))?;
        let state = &stream.cached_info().state; // fetched just now
        let since = DateTime::from_timestamp(state.first_timestamp.unix_timestamp(), 0).unwrap_or_default();
        Ok(LettersThere { count: state.messages, since })
    }
}
