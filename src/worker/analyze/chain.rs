//! Closed windows → DispatchBot → conversations.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::engine::AnalyzeTask;
use crate::stream::{DeliveryStreamExt, SettleSummary};
use crate::worker::{Lane, Neighbours, Parts, Source, through};

const AT_ONCE: usize = 64;

/// Questions to DispatchBot, one at a time for each conversation.
pub fn analyze<N: Neighbours>(
    parts: &Parts<N>,
    lane: Lane,
    shutdown: CancellationToken,
) -> impl Future<Output = SettleSummary> + Send + use<N> {
    let consumer = match lane {
        Lane::Usual => "analyze",
        Lane::Urgent => "analyze_urgent",
    };
    parts
        .jetstream
        .deliveries("NMC_TASKS", consumer, shutdown.clone())
        .decode::<AnalyzeTask>()
        .keyed(AT_ONCE, |task| task.conversation_id, through(&parts.dispatch, shutdown))
        .dead_letter(Arc::clone(&parts.dead), parts.dead.max_deliveries())
        .settle()
}
