//! Timers that fired → conversations.
//!
//! A fire is a hint to look, at least once (docs/design.md, Windows): what the window's deadline says is decided by the
//! rules, on the conversation as it stands then. Not due → armed again; due → claimed, once.

use std::sync::Arc;

use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Neighbours, Parts, Source, Stage, given_back, through};
use crate::domain::conversation::Input;
use crate::engine::{Happening, InputId, Publish, Records, Shell, Target};
use crate::stream::{DeliveryStreamExt, FailureReason, Metadata, SettleSummary};
use crate::trace::Trace;

const AT_ONCE: usize = 48;

/// The timer's payload, as it was armed.
#[derive(Debug, Deserialize)]
pub struct Fire {
    /// Whose window it is.
    pub conversation_id: Uuid,
}

/// Fires, in order for each conversation.
pub fn windows<N: Neighbours>(
    parts: &Parts<N>,
    shutdown: CancellationToken,
) -> impl Future<Output = SettleSummary> + Send + use<N> {
    let debounce = Arc::new(Debounce { shell: parts.shell.clone() });
    parts
        .jetstream
        .deliveries("NMC_WINDOWS", "due", shutdown.clone())
        .decode::<Fire>()
        .keyed(AT_ONCE, |fire| fire.conversation_id, through(&debounce, shutdown))
        .dead_letter(Arc::clone(&parts.dead), parts.dead.max_deliveries())
        .settle()
}

/// Looks whether a conversation's window is due.
struct Debounce<R, P> {
    shell: Shell<R, P>,
}

impl<R: Records, P: Publish> Stage<Fire> for Debounce<R, P> {
    async fn run(&self, fire: Fire, metadata: Arc<Metadata>) -> Result<(), FailureReason> {
        let trace = Trace::from_header(metadata.headers.get("traceparent").map(String::as_str));
        // The fire's own place in the stream: two fires are two inputs, and one delivered again is the same.
        let id = format!("due:{}:{}", fire.conversation_id, metadata.stream_sequence);
        let input = InputId { id: &id, body_hash: None, trace };
        let target = Target::Id(fire.conversation_id);
        match self.shell.apply(&target, &input, &Happening::Input(Input::WindowDue)).await {
            Ok(_) => Ok(()),
            Err(error) => Err(given_back(metadata.delivery_count, error)),
        }
    }
}
