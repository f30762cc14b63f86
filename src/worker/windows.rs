//! Timers that fired → conversations.
//!
//! A fire is a hint, delivered at least once (docs/design.md, Windows): the rules check the window's deadline on the
//! current conversation. Not due, or a text of the customer is missing → armed again; due → claimed, once.

use std::sync::Arc;

use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::event_time::{Fired, look};
use super::{Adapters, Handler, Source, WorkerDeps, handler, retry_or_wait};
use crate::domain::conversation;
use crate::engine::{ConversationStore, Engine, Happening, Input, Publish, Target};
use crate::stream::{DeliveryStreamExt, FailureReason, Metadata, SettleSummary};
use crate::trace::Trace;

const MAX_CONCURRENCY: usize = 48;

/// The timer's payload, as it was armed.
#[derive(Debug, Deserialize)]
pub struct TimerFired {
    /// The conversation that has the window.
    pub conversation_id: Uuid,
}

/// Fires, in order for each conversation.
pub fn windows<N: Adapters>(
    parts: &WorkerDeps<N>,
    shutdown: CancellationToken,
) -> impl Future<Output = SettleSummary> + Send + use<N> {
    let timer = Arc::new(WindowTimer { engine: parts.engine.clone(), source: parts.jetstream.clone() });
    parts
        .jetstream
        .deliveries("NMC_WINDOWS", "due", shutdown.clone())
        .decode::<TimerFired>()
        .keyed(MAX_CONCURRENCY, |fire| fire.conversation_id, handler(&timer, shutdown))
        .dead_letter(Arc::clone(&parts.dead), parts.dead.max_deliveries())
        .settle()
}

/// Checks whether a conversation's window is due.
struct WindowTimer<R, P, S> {
    engine: Engine<R, P>,
    source: S,
}

impl<R: ConversationStore, P: Publish, S: Source> Handler<TimerFired> for WindowTimer<R, P, S> {
    async fn run(&self, fire: TimerFired, metadata: Arc<Metadata>) -> Result<(), FailureReason> {
        let trace = Trace::current_or(metadata.traceparent());
        // The fire's sequence in the stream: two fires are two inputs, and a redelivery is the same input.
        let id = format!("due:{}:{}", fire.conversation_id, metadata.stream_sequence);
        let again = |error| retry_or_wait(metadata.delivery_count, error);
        let looked = look(&self.engine, &self.source, fire.conversation_id).await;
        let complete_until = match looked.map_err(|error| retry_or_wait(metadata.delivery_count, error))? {
            Fired::Due { complete_until } => complete_until,
            Fired::TooEarly { look_at } => {
                return self.engine.arm(fire.conversation_id, look_at).await.map_err(again);
            }
        };
        let due = conversation::Input::WindowDue { complete_until };
        let (target, happening) = (Target::Id(fire.conversation_id), Happening::Input(due));
        match self.engine.apply(Input { id, body_hash: None, trace, target, happening }).await {
            Ok(_) => Ok(()),
            Err(error) => Err(again(error)),
        }
    }
}
