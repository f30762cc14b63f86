//! Closed windows → DispatchBot → conversations.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::domain::conversation::Priority;
use crate::engine::AnalyzeTask;
use crate::stream::{DeliveryStreamExt, SettleSummary};
use crate::worker::{Adapters, Source, WorkerDeps, handler};

const MAX_CONCURRENCY: usize = 64;

/// Requests to DispatchBot, one at a time for each conversation.
pub fn analyze<N: Adapters>(
    parts: &WorkerDeps<N>,
    priority: Priority,
    shutdown: CancellationToken,
) -> impl Future<Output = SettleSummary> + Send + use<N> {
    let consumer = match priority {
        Priority::Normal => "analyze",
        Priority::Urgent => "analyze_urgent",
    };
    parts
        .jetstream
        .deliveries("NMC_TASKS", consumer, shutdown.clone())
        .decode::<AnalyzeTask>()
        .keyed(MAX_CONCURRENCY, |task| task.conversation_id, handler(&parts.analyzer, shutdown))
        .dead_letter(Arc::clone(&parts.dead), parts.dead.max_deliveries())
        .settle()
}
