//! Events → Redis.

use std::sync::Arc;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{Neighbours, Parts, Source, through};
use crate::operators::{DeliveryStreamExt, SettleSummary};

/// One at a time, as the consumer's `max_ack_pending` says too: across all workers there is never a second one on its
/// way, so their order survives whichever worker dies.
const AT_ONCE: usize = 1;
/// Events wait for Redis, however long it is away.
const MAX_DELIVERIES: u64 = u64::MAX;

/// Events, in the order of the stream.
pub fn events<N: Neighbours>(
    parts: &Parts<N>,
    shutdown: CancellationToken,
) -> impl Future<Output = SettleSummary> + Send + use<N> {
    parts
        .jetstream
        .deliveries("NMC_EVENTS", "redis")
        .until(shutdown)
        .decode::<Value>()
        .keyed(AT_ONCE, |_| (), through(&parts.redis))
        .dead_letter(Arc::clone(&parts.dead), MAX_DELIVERIES)
        .settle()
}
