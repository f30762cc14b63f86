//! Webhooks past a long queue → conversations and calls.
//!
//! While many webhooks wait, the edge publishes emergencies, and a share of each business's webhooks, a second time into a
//! queue of their own. Whichever copy is worked on first is decided on, and the inbox knows the other one. So this one is a
//! help and no more: whatever cannot be done with it is left to the copy in NMC_INBOUND.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::detect_emergency::{Heard, detect_emergency};
use super::{Decide, Neighbours, Parts, Source, Stage, through};
use crate::adapters::jetstream::Publisher;
use crate::adapters::postgres::Store;
use crate::engine::{Publish, Records};
use crate::stream::{DeliveryStreamExt, FailureReason, Metadata, SettleSummary};
use crate::webhook::Inbound;

const AT_ONCE: usize = 16;
const MAX_DELIVERIES: u64 = 1_000;

/// Webhooks of the express lane, in order for each call and customer.
pub fn express<N: Neighbours>(
    parts: &Parts<N>,
    shutdown: CancellationToken,
) -> impl Future<Output = SettleSummary> + Send + use<N> {
    let directory = parts.shell.directory().clone();
    let try_once = Arc::new(through(&Arc::new(Try(Decide::new(parts))), shutdown.clone()));
    let hear = move |inbound| {
        let (directory, try_once) = (directory.clone(), Arc::clone(&try_once));
        async move { try_once(detect_emergency(&directory, inbound).await?).await }
    };
    parts
        .jetstream
        .deliveries("NMC_TASKS", "express", shutdown)
        .decode::<Inbound>()
        .keyed(AT_ONCE, |inbound| inbound.webhook.key(), hear)
        .dead_letter(Arc::clone(&parts.dead), MAX_DELIVERIES)
        .settle()
}

/// Decides if that can be done now.
struct Try<R = Store, P = Publisher>(Decide<R, P>);

impl<R: Records, P: Publish> Stage<Heard> for Try<R, P> {
    async fn run(&self, heard: Heard, metadata: Arc<Metadata>) -> Result<(), FailureReason> {
        if let Err(reason) = self.0.run(heard, metadata).await {
            tracing::debug!(%reason, "left to its copy in NMC_INBOUND");
        }
        Ok(())
    }
}
