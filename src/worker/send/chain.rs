//! Messages → Twilio → conversations.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::domain::conversation::Priority;
use crate::engine::SendTask;
use crate::stream::{DeliveryStreamExt, SettleSummary};
use crate::worker::{Adapters, Source, WorkerDeps, handler};

const MAX_CONCURRENCY: usize = 64;
/// A message that waits for its slot, or for Twilio, is delivered many times: it expires by age, never by count.
const MAX_DELIVERIES: u64 = u64::MAX;

/// Messages to be sent: of each conversation one at a time to the customer, and one to the business's own side. So a phone of
/// the business that Twilio cannot reach holds up no customer.
pub fn send<N: Adapters>(
    parts: &WorkerDeps<N>,
    priority: Priority,
    shutdown: CancellationToken,
) -> impl Future<Output = SettleSummary> + Send + use<N> {
    let consumer = match priority {
        Priority::Normal => "send_sms",
        Priority::Urgent => "send_sms_urgent",
    };
    parts
        .jetstream
        .deliveries("NMC_TASKS", consumer, shutdown.clone())
        .decode::<SendTask>()
        .keyed(MAX_CONCURRENCY, |task| (task.conversation_id, task.to_own_side), handler(&parts.sms_sender, shutdown))
        .dead_letter(Arc::clone(&parts.dead), MAX_DELIVERIES)
        .settle()
}
