//! Events → Redis.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{Adapters, Handler, Source, WorkerDeps, handler};
use crate::adapters::outage;
use crate::adapters::redis::RedisSink;
use crate::outage::Service;
use crate::stream::{DeliveryStreamExt, FailureReason, Metadata, SettleSummary};
use crate::telemetry::Metrics;

/// One at a time, and the consumer's `max_ack_pending` says the same: across all workers only one event is in flight,
/// so the order survives if a worker dies.
const MAX_CONCURRENCY: usize = 1;
/// Events wait for Redis, however long it is unavailable.
const MAX_DELIVERIES: u64 = u64::MAX;

/// The delay before Redis is tried again; later events wait behind this one.
const RETRY: Duration = Duration::from_millis(500);

/// Events, in the order of the stream.
pub fn events<N: Adapters>(
    parts: &WorkerDeps<N>,
    shutdown: CancellationToken,
) -> impl Future<Output = SettleSummary> + Send + use<N> {
    parts
        .jetstream
        .deliveries("NMC_EVENTS", "redis", shutdown.clone())
        .decode::<Value>()
        .keyed(MAX_CONCURRENCY, |_| (), handler(&parts.redis, shutdown))
        .dead_letter(Arc::clone(&parts.dead), MAX_DELIVERIES)
        .settle()
}

/// Forwards an event to Redis.
pub struct ForwardEvent {
    pub redis: Arc<RedisSink>,
    pub metrics: Metrics,
}

impl Handler<Value> for ForwardEvent {
    async fn run(&self, event: Value, metadata: Arc<Metadata>) -> Result<(), FailureReason> {
        let event_id = event.get("event_id").and_then(Value::as_str).unwrap_or_default();
        match self.redis.forward(event_id, &metadata.payload).await {
            Ok(_) => {
                self.metrics.event_forwarded();
                Ok(())
            }
            Err(error) if outage::missing(&error) == Some(Service::Redis) => {
                Err(FailureReason::wait(RETRY, Service::Redis.until_it_is_back()))
            }
            Err(error) => Err(FailureReason::retry(RETRY, error)),
        }
    }
}
