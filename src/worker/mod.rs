//! The pipelines: each a chain of operators from a durable consumer to its settlement, on one screen.
//!
//! | pipeline | from | to |
//! |---|---|---|
//! | [`webhooks()`] | NMC_INBOUND | conversations and calls |
//! | [`express()`] | NMC_TASKS, webhooks past a long queue | conversations and calls |
//! | [`windows()`] | NMC_WINDOWS, timers that fired | conversations |
//! | [`analyze()`] | NMC_TASKS | DispatchBot, and its answer to the conversation |
//! | [`send()`] | NMC_TASKS | Twilio, and the outcome to the conversation |
//! | [`events()`] | NMC_EVENTS | Redis |
//!
//! What a pipeline does with one item is a [`Stage`]; the operators do the rest. Every pipeline ends when `shutdown` is
//! cancelled and what it has under way is settled.

pub mod analyze;
mod calm;
mod code_text;
mod detect_emergency;
mod events;
mod express;
mod ports;
mod prove_accounts;
pub mod send;
mod send_codes;
mod stage;
mod verify_numbers;
mod webhooks;
mod windows;

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use tokio_util::sync::CancellationToken;

pub use analyze::analyze;
pub use events::{ForwardEvent, events};
pub use express::express;
pub use ports::{Neighbours, Real, Source};
pub use prove_accounts::prove_accounts;
pub use send::send;
pub use send_codes::{CodeSender, send_codes};
pub use stage::{Stage, given_back, retry_delay, through};
pub use verify_numbers::{Verifier, verify};
pub use webhooks::{Decide, webhooks};
pub use windows::{Fire, windows};

use crate::dead_letters::DeadLetterStream;
use crate::domain::emergency;
use crate::engine::Shell;
use crate::stream::SettleSummary;
use crate::telemetry::Metrics;
use crate::worker::analyze::Dispatch;
use crate::worker::send::Deliver;

/// Which queue: those that hurry have one of their own, so that an emergency waits behind no flood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Everything else.
    Usual,
    /// What people write, and what an emergency needs.
    Urgent,
}

/// What the pipelines of a worker are made of.
#[derive(Clone)]
pub struct Parts<N: Neighbours = Real> {
    /// The source of every delivery.
    pub jetstream: N::Source,
    /// Where inputs go.
    pub shell: Shell<N::Store, N::Publisher>,
    /// Asks DispatchBot.
    pub dispatch: Arc<Dispatch<N::Store, N::Publisher, N::Analyst>>,
    /// Sends through Twilio.
    pub deliver: Arc<Deliver<N::Store, N::Publisher, N::Carrier>>,
    /// Forwards events.
    pub redis: Arc<N::Events>,
    /// Keeps what cannot be processed.
    pub dead: Arc<DeadLetterStream<N::Publisher>>,
    /// Counts.
    pub metrics: Metrics,
    /// The rules on emergencies are there: without them, no text is read.
    pub rules: emergency::Loaded,
}

/// Runs every pipeline until `shutdown`, and until what is under way is settled.
pub async fn run<N: Neighbours>(parts: Parts<N>, shutdown: CancellationToken) {
    let pipelines: [(&str, BoxFuture<'static, SettleSummary>); 8] = [
        ("webhooks", webhooks(&parts, shutdown.clone()).boxed()),
        ("express", express(&parts, shutdown.clone()).boxed()),
        ("windows", windows(&parts, shutdown.clone()).boxed()),
        ("analyze", analyze(&parts, Lane::Usual, shutdown.clone()).boxed()),
        ("urgent analyze", analyze(&parts, Lane::Urgent, shutdown.clone()).boxed()),
        ("send", send(&parts, Lane::Usual, shutdown.clone()).boxed()),
        ("urgent send", send(&parts, Lane::Urgent, shutdown.clone()).boxed()),
        ("events", events(&parts, shutdown.clone()).boxed()),
    ];
    let mut running: futures::stream::FuturesUnordered<_> = pipelines
        .into_iter()
        // Each on a task of its own: one that is busy does not hold up another.
        .map(|(name, pipeline)| async move { (name, tokio::spawn(pipeline).await) })
        .collect();
    while let Some((name, ended)) = running.next().await {
        match ended {
            Ok(summary) => tracing::info!(pipeline = name, acked = summary.acked, retried = summary.retried, "ended"),
            Err(error) => tracing::error!(pipeline = name, %error, "ended before its time"),
        }
    }
}
