//! The key-value buckets: the snapshot of the businesses, and the last announced state of each service.

use std::collections::HashMap;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

use super::JetStream;

const BUSINESSES: &str = "NMC_BUSINESSES";
const SERVICES: &str = "NMC_SERVICES";
/// How many entries are read at once.
const MAX_CONCURRENCY: usize = 16;

/// The bucket cannot be used at the moment.
#[derive(Debug, thiserror::Error)]
#[error("key-value bucket unavailable: {0}")]
pub struct BucketError(String);

impl BucketError {
    fn of(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl JetStream {
    /// All entries of the business snapshot, by key.
    ///
    /// # Errors
    /// If JetStream is unreachable.
    pub async fn mirrored(&self) -> Result<HashMap<String, Bytes>, BucketError> {
        let bucket = self.context.get_key_value(BUSINESSES).await.map_err(BucketError::of)?;
        let keys: Vec<String> =
            bucket.keys().await.map_err(BucketError::of)?.try_collect().await.map_err(BucketError::of)?;
        let entries = stream::iter(keys).map(|key| {
            let bucket = bucket.clone();
            async move { bucket.get(&key).await.map(|value| value.map(|value| (key, value))) }
        });
        let entries: Vec<Option<(String, Bytes)>> =
            entries.buffer_unordered(MAX_CONCURRENCY).try_collect().await.map_err(BucketError::of)?;
        Ok(entries.into_iter().flatten().collect())
    }

    /// Stores an entry of the business snapshot.
    ///
    /// # Errors
    /// If JetStream is unreachable.
    pub async fn store_snapshot(&self, key: &str, value: Bytes) -> Result<(), BucketError> {
        let bucket = self.context.get_key_value(BUSINESSES).await.map_err(BucketError::of)?;
        bucket.put(key, value).await.map(drop).map_err(BucketError::of)
    }

    /// The largest message that the server takes, in bytes.
    pub fn max_payload(&self) -> usize {
        self.client.server_info().max_payload
    }

    /// Removes an entry of the business snapshot.
    ///
    /// # Errors
    /// If JetStream is unreachable.
    pub async fn unmirror(&self, key: &str) -> Result<(), BucketError> {
        let bucket = self.context.get_key_value(BUSINESSES).await.map_err(BucketError::of)?;
        bucket.purge(key).await.map_err(BucketError::of)
    }

    /// The last announced state of a service, with its revision.
    ///
    /// # Errors
    /// If JetStream is unreachable.
    pub async fn service_entry(&self, service: &str) -> Result<Option<(Bytes, u64)>, BucketError> {
        let bucket = self.context.get_key_value(SERVICES).await.map_err(BucketError::of)?;
        let entry = bucket.entry(service).await.map_err(BucketError::of)?;
        Ok(entry.map(|entry| (entry.value, entry.revision)))
    }

    /// Replaces the last announced state of a service, if its revision is still `revision` (0: no entry yet).
    ///
    /// # Errors
    /// If another process has changed the entry, or JetStream is unreachable.
    pub async fn set_service_entry(&self, service: &str, value: Bytes, revision: u64) -> Result<(), BucketError> {
        let bucket = self.context.get_key_value(SERVICES).await.map_err(BucketError::of)?;
        bucket.update(service, value, revision).await.map(drop).map_err(BucketError::of)
    }
}
