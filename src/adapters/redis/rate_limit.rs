//! The rate limit of API keys, counted for all edges together, in one script.

use std::time::Duration;

use data_encoding::HEXLOWER;

use super::RedisSink;
use crate::config::Rate;

/// The script that [`RedisSink::count_request`] calls.
pub(super) const SCRIPT: &str = include_str!("rate_limit.lua");
/// Before the hash of a key.
const PREFIX: &str = "nmc:rate:";

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountedRequest {
    /// Whether it is within the limit. If not, it is not counted.
    pub is_accepted: bool,
    /// How many more requests are accepted now.
    pub remaining: u32,
    /// The time until one more is accepted.
    pub reset: Duration,
}

/// Redis did not count a request.
#[derive(Debug, thiserror::Error)]
#[error("Redis did not count a request: {0}")]
pub struct CountError(#[from] redis::RedisError);

impl RedisSink {
    /// Counts a request of the API key with this hash, for all edges that share this Redis.
    ///
    /// # Errors
    /// If Redis is unreachable, or refuses the call. The request may be counted anyway.
    pub async fn count_request(&self, key: &[u8; 32], rate: Rate) -> Result<CountedRequest, CountError> {
        let mut call = self.rate_limit.prepare_invoke();
        let period = u64::try_from(rate.per.as_micros()).unwrap_or(u64::MAX);
        call.key(format!("{PREFIX}{}", HEXLOWER.encode(key))).arg(rate.count).arg(period);
        let (is_accepted, remaining, reset): (bool, u32, u64) = call.invoke_async(&mut self.connection.clone()).await?;
        Ok(CountedRequest { is_accepted, remaining, reset: Duration::from_micros(reset) })
    }
}
