//! Webhooks of the express lane → conversations and calls.
//!
//! While many webhooks wait, the edge also publishes emergencies, and a share of each business's webhooks, to a second
//! queue. The copy that is processed first is applied, and the inbox drops the other one. So this pipeline is only a
//! help: what it cannot process is left to the copy in NMC_INBOUND.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::detect_emergency::{ScannedWebhook, detect_emergency};
use super::participants::resolved;
use super::{Adapters, ApplyWebhook, Handler, Source, WorkerDeps, handler};
use crate::adapters::jetstream::{JetStream, Publisher};
use crate::adapters::postgres::Store;
use crate::engine::{ConversationStore, Publish};
use crate::stream::{DeliveryStreamExt, FailureReason, Metadata, SettleSummary};
use crate::webhook::Inbound;

const MAX_CONCURRENCY: usize = 16;
const MAX_DELIVERIES: u64 = 1_000;

/// Webhooks of the express lane, in order for each call and customer.
pub fn express<N: Adapters>(
    parts: &WorkerDeps<N>,
    shutdown: CancellationToken,
) -> impl Future<Output = SettleSummary> + Send + use<N> {
    let business_cache = parts.engine.business_cache().clone();
    let try_once = Arc::new(handler(&Arc::new(BestEffort(ApplyWebhook::new(parts))), shutdown.clone()));
    let sms_sender = Arc::clone(&parts.sms_sender);
    let hear = move |inbound| {
        let (business_cache, try_once) = (business_cache.clone(), Arc::clone(&try_once));
        let sms_sender = Arc::clone(&sms_sender);
        async move {
            let inbound = match resolved(&sms_sender, inbound).await {
                Ok(inbound) => inbound,
                Err(failure) => return Ok(failure.receipt.with(())), // left to the copy in NMC_INBOUND
            };
            try_once(detect_emergency(&business_cache, inbound).await?).await
        }
    };
    parts
        .jetstream
        .deliveries("NMC_TASKS", "express", shutdown)
        .decode::<Inbound>()
        .keyed(MAX_CONCURRENCY, |inbound| inbound.webhook.key(), hear)
        .dead_letter(Arc::clone(&parts.dead), MAX_DELIVERIES)
        .settle()
}

/// Applies a webhook if that is possible now.
struct BestEffort<R = Store, P = Publisher, S = JetStream>(ApplyWebhook<R, P, S>);

impl<R: ConversationStore, P: Publish, S: Source> Handler<ScannedWebhook> for BestEffort<R, P, S> {
    async fn run(&self, heard: ScannedWebhook, metadata: Arc<Metadata>) -> Result<(), FailureReason> {
        if let Err(reason) = self.0.run(heard, metadata).await {
            tracing::debug!(%reason, "not processed in the express lane; left to the copy in NMC_INBOUND");
        }
        Ok(())
    }
}
