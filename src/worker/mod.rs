//! The pipelines of a worker: each is a chain of operators from a durable consumer to the settlement of its deliveries.
//!
//! | pipeline | from | to |
//! |---|---|---|
//! | [`webhooks()`] | NMC_INBOUND | conversations and calls |
//! | [`express()`] | NMC_TASKS, the express lane | conversations and calls |
//! | [`windows()`] | NMC_WINDOWS, timers that fired | conversations |
//! | [`analyze()`] | NMC_TASKS | DispatchBot, and its answer to the conversation |
//! | [`send()`] | NMC_TASKS | Twilio, and the outcome to the conversation |
//! | [`ring()`] | NMC_TASKS | Twilio, calls to people in an emergency |
//! | [`events()`] | NMC_EVENTS | Redis |
//!
//! A [`Handler`] processes one item of a pipeline; the operators do the rest. Every pipeline ends when `shutdown` is
//! cancelled and its deliveries in progress are settled.

mod alert_answers;
pub mod analyze;
mod bundled_alerts;
mod code_text;
mod detect_emergency;
mod event_time;
mod events;
mod express;
mod handler;
mod owner_texts;
mod participants;
mod ports;
pub mod probe;
mod prove_accounts;
pub mod ring;
pub mod send;
mod send_codes;
pub mod settle_calls;
mod too_early;
mod verify_numbers;
mod webhooks;
mod windows;

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use tokio_util::sync::CancellationToken;

pub use alert_answers::{AlertAnswered, answer_alert};
pub use analyze::analyze;
pub use events::events;
pub use express::express;
pub use handler::{Handler, handler, retry_delay, retry_or_wait};
pub use ports::{Adapters, EventSink, Production, Source};
pub use prove_accounts::prove_accounts;
pub use ring::ring;
pub use send::send;
pub use send_codes::{CodeSender, send_codes};
pub use settle_calls::{CallSettler, settle_calls};
pub use verify_numbers::{Verifier, verify};
pub use webhooks::{ApplyWebhook, webhooks};
pub use windows::{TimerFired, windows};

use crate::dead_letters::DeadLetterStream;
use crate::domain::conversation::Priority;
use crate::domain::emergency;
use crate::engine::Engine;
use crate::stream::SettleSummary;
use crate::telemetry::Metrics;
use crate::worker::analyze::Analyzer;
use crate::worker::send::SmsSender;

/// What the pipelines of a worker need.
#[derive(Clone)]
pub struct WorkerDeps<N: Adapters = Production> {
    pub jetstream: N::Source,
    pub engine: Engine<N::Store, N::Publisher>,
    pub analyzer: Arc<Analyzer<N::Store, N::Publisher, N::AiClient>>,
    pub sms_sender: Arc<SmsSender<N::Store, N::Publisher, N::SmsGateway>>,
    pub redis: Arc<N::EventSink>,
    /// Keeps messages that cannot be processed.
    pub dead: Arc<DeadLetterStream<N::Publisher>>,
    pub metrics: Metrics,
    /// Proves that the emergency rules are loaded: without them no worker starts.
    #[expect(dead_code, reason = "only proves that the rules are loaded")]
    pub rules: emergency::Loaded,
}

/// Runs every pipeline until `shutdown`, and until its deliveries in progress are settled.
pub async fn run<N: Adapters>(parts: WorkerDeps<N>, shutdown: CancellationToken) {
    let pipelines: [(&str, BoxFuture<'static, SettleSummary>); 9] = [
        ("webhooks", webhooks(&parts, shutdown.clone()).boxed()),
        ("express", express(&parts, shutdown.clone()).boxed()),
        ("windows", windows(&parts, shutdown.clone()).boxed()),
        ("analyze", analyze(&parts, Priority::Normal, shutdown.clone()).boxed()),
        ("urgent analyze", analyze(&parts, Priority::Urgent, shutdown.clone()).boxed()),
        ("send", send(&parts, Priority::Normal, shutdown.clone()).boxed()),
        ("urgent send", send(&parts, Priority::Urgent, shutdown.clone()).boxed()),
        ("ring", ring(&parts, shutdown.clone()).boxed()),
        ("events", events(&parts, shutdown.clone()).boxed()),
    ];
    let mut running: futures::stream::FuturesUnordered<_> = pipelines
        .into_iter()
        // Each runs in its own task: a busy one does not hold up the others.
        .map(|(name, pipeline)| async move { (name, tokio::spawn(pipeline).await) })
        .collect();
    while let Some((name, ended)) = running.next().await {
        match ended {
            Ok(summary) => tracing::info!(pipeline = name, acked = summary.acked, retried = summary.retried, "ended"),
            Err(error) => tracing::error!(pipeline = name, %error, "ended unexpectedly"),
        }
    }
}
