//! Redis: a channel for who listens now, and a log for who was away (contract, section 5).
//!
//! One script does both, and remembers the event's id: an event that is delivered again is told once.

use std::sync::Arc;
use std::time::Duration;

use redis::Script;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use serde_json::Value;

use crate::operators::{FailureReason, Metadata};
use crate::pipelines::Stage;
use crate::services::{self, Service};
use crate::telemetry::Metrics;

/// The channel.
const CHANNEL: &str = "conversation.events";
/// The log stream.
const LOG: &str = "conversation.events:log";
/// About how many events the log keeps.
const LOG_LENGTH: u64 = 100_000;
/// How long an event's id is remembered: longer than it can be delivered again.
const REMEMBERED: Duration = Duration::from_secs(2 * 24 * 3600);
/// How long Redis may take before it counts as away.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How soon it is asked again: events wait behind this one.
const RETRY: Duration = Duration::from_millis(500);

const FORWARD: &str = r"
if not redis.call('SET', KEYS[2], '1', 'NX', 'EX', ARGV[4]) then return 0 end
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], '*', 'event_id', ARGV[1], 'event', ARGV[2])
redis.call('PUBLISH', ARGV[5], ARGV[2])
return 1
";

/// Forwards events to Redis.
pub struct RedisSink {
    connection: ConnectionManager,
    script: Script,
    metrics: Metrics,
}

impl RedisSink {
    /// A sink that connects when first used.
    ///
    /// # Errors
    /// When the URL is not one of Redis.
    pub fn lazy(url: &str, metrics: Metrics) -> Result<Self, redis::RedisError> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(TIMEOUT))
            .set_number_of_retries(0);
        let connection = ConnectionManager::new_lazy_with_config(redis::Client::open(url)?, config)?;
        Ok(Self { connection, script: Script::new(FORWARD), metrics })
    }

    /// Whether Redis answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), redis::RedisError> {
        redis::cmd("PING").query_async(&mut self.connection.clone()).await
    }

    async fn forward(&self, event_id: &str, envelope: &[u8]) -> Result<bool, redis::RedisError> {
        self.script
            .key(LOG)
            .key(format!("{LOG}:seen:{event_id}"))
            .arg(event_id)
            .arg(envelope)
            .arg(LOG_LENGTH)
            .arg(REMEMBERED.as_secs())
            .arg(CHANNEL)
            .invoke_async(&mut self.connection.clone())
            .await
    }
}

impl Stage<Value> for RedisSink {
    async fn run(&self, event: Value, metadata: Arc<Metadata>) -> Result<(), FailureReason> {
        let event_id = event.get("event_id").and_then(Value::as_str).unwrap_or_default();
        match self.forward(event_id, &metadata.payload).await {
            Ok(_) => {
                self.metrics.event_forwarded();
                Ok(())
            }
            Err(error) if services::missing(&error) == Some(Service::Redis) => {
                Err(FailureReason::wait(RETRY, Service::Redis.until_it_is_back()))
            }
            Err(error) => Err(FailureReason::retry(RETRY, error)),
        }
    }
}
