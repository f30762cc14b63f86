//! The key-value buckets: what businesses are mirrored to, and what was told last of each service.

use std::collections::HashMap;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

use super::JetStream;

const BUSINESSES: &str = "NMC_BUSINESSES";
const SERVICES: &str = "NMC_SERVICES";
/// How many entries are read at once.
const MAX_CONCURRENCY: usize = 16;

/// The bucket cannot be used now.
#[derive(Debug, thiserror::Error)]
#[error("the bucket cannot be used: {0}")]
pub struct BucketError(String);

impl BucketError {
    fn of(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl JetStream {
    /// All that is in the bucket, by key.
    ///
    /// # Errors
    /// When JetStream is away.
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

    /// Puts an entry.
    ///
    /// # Errors
    /// When JetStream is away.
    pub async fn store_snapshot(&self, key: &str, value: Bytes) -> Result<(), BucketError> {
        let bucket = self.context.get_key_value(BUSINESSES).await.map_err(BucketError::of)?;
        bucket.put(key, value).await.map(drop).map_err(BucketError::of)
    }

    /// Takes an entry out.
    ///
    /// # Errors
    /// When JetStream is away.
    pub async fn unmirror(&self, key: &str) -> Result<(), BucketError> {
        let bucket = self.context.get_key_value(BUSINESSES).await.map_err(BucketError::of)?;
        bucket.purge(key).await.map_err(BucketError::of)
    }

    /// What was told last of a service, with its revision.
    ///
    /// # Errors
    /// When JetStream is away.
    pub async fn service_entry(&self, service: &str) -> Result<Option<(Bytes, u64)>, BucketError> {
        let bucket = self.context.get_key_value(SERVICES).await.map_err(BucketError::of)?;
        let entry = bucket.entry(service).await.map_err(BucketError::of)?;
        Ok(entry.map(|entry| (entry.value, entry.revision)))
    }

    /// Moves on what was told last of a service, if it is still the one of `revision` (0: none yet).
    ///
    /// # Errors
    /// When somebody else has moved it on, or JetStream is away.
    pub async fn set_service_entry(&self, service: &str, value: Bytes, revision: u64) -> Result<(), BucketError> {
        let bucket = self.context.get_key_value(SERVICES).await.map_err(BucketError::of)?;
        bucket.update(service, value, revision).await.map(drop).map_err(BucketError::of)
    }
}
