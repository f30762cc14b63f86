//! Messages → Twilio → conversations.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::engine::SendTask;
use crate::stream::{DeliveryStreamExt, SettleSummary};
use crate::worker::{Lane, Neighbours, Parts, Source, through};

const AT_ONCE: usize = 64;
/// A message that waits for its slot, or for Twilio, comes again and again: it is given up by its age, never by count.
const MAX_DELIVERIES: u64 = u64::MAX;

/// Messages to be sent, one at a time for each conversation.
pub fn send<N: Neighbours>(
    parts: &Parts<N>,
    lane: Lane,
    shutdown: CancellationToken,
) -> impl Future<Output = SettleSummary> + Send + use<N> {
    let consumer = match lane {
        Lane::Usual => "send_sms",
        Lane::Urgent => "send_sms_urgent",
    };
    parts
        .jetstream
        .deliveries("NMC_TASKS", consumer, shutdown.clone())
        .decode::<SendTask>()
        .keyed(AT_ONCE, |task| task.conversation_id, through(&parts.deliver, shutdown))
        .dead_letter(Arc::clone(&parts.dead), MAX_DELIVERIES)
        .settle()
}
