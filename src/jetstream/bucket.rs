//! The key-value bucket that businesses are mirrored to.

use std::collections::HashMap;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

use super::JetStream;

const BUCKET: &str = "NMC_BUSINESSES";
/// How many entries are read at once.
const AT_ONCE: usize = 16;

/// The bucket cannot be used now.
#[derive(Debug, thiserror::Error)]
#[error("the bucket NMC_BUSINESSES cannot be used: {0}")]
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
        let bucket = self.context.get_key_value(BUCKET).await.map_err(BucketError::of)?;
        let keys: Vec<String> =
            bucket.keys().await.map_err(BucketError::of)?.try_collect().await.map_err(BucketError::of)?;
        let entries = stream::iter(keys).map(|key| {
            let bucket = bucket.clone();
            async move { bucket.get(&key).await.map(|value| value.map(|value| (key, value))) }
        });
        let entries: Vec<Option<(String, Bytes)>> =
            entries.buffer_unordered(AT_ONCE).try_collect().await.map_err(BucketError::of)?;
        Ok(entries.into_iter().flatten().collect())
    }

    /// Puts an entry.
    ///
    /// # Errors
    /// When JetStream is away.
    pub async fn mirror(&self, key: &str, value: Bytes) -> Result<(), BucketError> {
        let bucket = self.context.get_key_value(BUCKET).await.map_err(BucketError::of)?;
        bucket.put(key, value).await.map(drop).map_err(BucketError::of)
    }

    /// Takes an entry out.
    ///
    /// # Errors
    /// When JetStream is away.
    pub async fn unmirror(&self, key: &str) -> Result<(), BucketError> {
        let bucket = self.context.get_key_value(BUCKET).await.map_err(BucketError::of)?;
        bucket.purge(key).await.map_err(BucketError::of)
    }
}
