//! Messages → Twilio → conversations.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Neighbours, Parts, Source, through};
use crate::operators::{DeliveryStreamExt, SettleSummary};
use crate::shell::SendTask;

const AT_ONCE: usize = 64;
/// A message that waits for its slot, or for Twilio, comes again and again: it is given up by its age, never by count.
const MAX_DELIVERIES: u64 = u64::MAX;

/// Messages to be sent, one at a time for each conversation.
pub fn send<N: Neighbours>(
    parts: &Parts<N>,
    shutdown: CancellationToken,
) -> impl Future<Output = SettleSummary> + Send + use<N> {
    parts
        .jetstream
        .deliveries("NMC_TASKS", "send_sms")
        .until(shutdown)
        .decode::<SendTask>()
        .keyed(AT_ONCE, |task| task.conversation_id, through(&parts.deliver))
        .dead_letter(Arc::clone(&parts.dead), MAX_DELIVERIES)
        .settle()
}
