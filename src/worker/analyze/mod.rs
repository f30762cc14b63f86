//! Analysis: sends a closed window to DispatchBot with its context, and applies the answer to the conversation.
//!
//! Reads from NMC_TASKS; writes to the engine. In every case the engine gets a result early enough to send the fallback
//! text within 4 s of the window's closing (docs/contract.md, section 4).

mod breaker;
mod chain;
mod package;
mod ports;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::adapters::dispatchbot::{AnalyzeError, DispatchBotClient};
use crate::adapters::jetstream::Publisher;
use crate::adapters::outage;
use crate::adapters::postgres::Store;
use crate::domain::business::Profile;
use crate::domain::conversation::{AnalysisReason, Answer, Answering, Conversation, Input, Phase, Priority};
use crate::engine::{self, AnalyzeTask, Engine, EngineError, Happening, Publish, Target};
use crate::stream::{FailureReason, Metadata};
use crate::telemetry::{AiResult, Metrics, Stage};
use crate::trace::{self, Trace};
use crate::worker::{Handler, retry_or_wait};

pub use breaker::CircuitBreaker;
pub use chain::analyze;
pub use ports::{AiClient, AnalysisStore};

/// The time for DispatchBot from the window's closing; the rest of the 4 s is for sending the fallback text.
const BUDGET: Duration = Duration::from_millis(3_400);
/// The time in an emergency: the emergency text goes out within 2 s.
const EMERGENCY_BUDGET: Duration = Duration::from_millis(1_600);
/// A request that is late, after a crash, still gets this much time.
const MIN_BUDGET: Duration = Duration::from_millis(1_000);
/// How often an answer is processed, if no service is unavailable, before the window gets the fallback text.
const MAX_TRIES: u64 = 8;
/// How many messages of a conversation DispatchBot gets.
const MESSAGES: i64 = 200;

/// Asks DispatchBot.
pub struct Analyzer<R = Store, P = Publisher, B = CircuitBreaker<DispatchBotClient>> {
    client: B,
    engine: Engine<R, P>,
    metrics: Metrics,
}

/// The outcome of an analysis.
struct Analyzed {
    outcome: Input,
    /// How long DispatchBot took.
    took: Duration,
}

impl<R: AnalysisStore, P: Publish, B: AiClient> Analyzer<R, P, B> {
    /// Asks through this client, applies answers with this engine.
    pub fn new(client: B, engine: Engine<R, P>, metrics: Metrics) -> Self {
        Self { client, engine, metrics }
    }

    async fn answer(&self, task: &AnalyzeTask, trace: &Trace) -> Result<Option<Analyzed>, EngineError> {
        let window_id = task.window_id;
        // The row itself, not the cache: a request about an outdated state is not worth sending.
        let Some(conversation) = self.engine.store().conversation(task.conversation_id).await? else { return Ok(None) };
        let wanted =
            conversation.answering.as_ref().filter(|a| a.window_id == window_id && a.phase == Phase::Analyzing);
        let Some(answering) = wanted else { return Ok(None) };
        let failed = |reason, took| Some(Analyzed { outcome: Input::AnalysisFailed { window_id, reason }, took });
        if answering.epoch != conversation.epoch && self.engine.now() < answering.exempt_at {
            return Ok(failed(AnalysisReason::Overtaken, Duration::ZERO)); // the rules record it as superseded
        }
        let Some(business) = self.engine.business_cache().by_id(&conversation.business_id).await? else {
            return Ok(failed(AnalysisReason::BusinessGone, Duration::ZERO));
        };
        let (result, took) = self.ask((&conversation, answering), &business, task, trace).await?;
        match result {
            Ok(answer) => Ok(Some(Analyzed { outcome: Input::AnalysisReady { window_id, answer }, took })),
            Err(error) => {
                tracing::warn!(conversation.id = %task.conversation_id, %error, "DispatchBot gave no usable answer");
                Ok(failed(error.reason(), took))
            }
        }
    }

    async fn ask(
        &self,
        (conversation, answering): (&Conversation, &Answering),
        business: &Arc<Profile>,
        task: &AnalyzeTask,
        trace: &Trace,
    ) -> Result<(Result<Answer, AnalyzeError>, Duration), EngineError> {
        let messages = self.engine.store().newest_messages(conversation.id, MESSAGES).await?;
        let question = package::question((conversation, answering), business, &messages, task);
        let spent = (self.engine.now() - task.closed_at).to_std().unwrap_or_default();
        let budget = match task.priority {
            Priority::Normal => BUDGET.saturating_sub(spent).max(MIN_BUDGET),
            Priority::Urgent => EMERGENCY_BUDGET.saturating_sub(spent).max(MIN_BUDGET),
        };
        let asked_at = Instant::now();
        let result = self.client.analyze(&question, budget).await;
        let outcome = match &result {
            Ok(_) => AiResult::Answered,
            Err(AnalyzeError::TimedOut) => AiResult::Timeout,
            Err(error) if !error.was_called() => AiResult::Rejected,
            Err(_) => AiResult::Failed,
        };
        let took = asked_at.elapsed();
        self.metrics.ai_call(outcome, took, Some(trace));
        Ok((result, took))
    }

    async fn answered(&self, task: &AnalyzeTask, metadata: &Metadata) -> Result<(), EngineError> {
        let (began, trace) = (Instant::now(), trace_of(metadata));
        if let Some(analyzed) = self.answer(task, &trace).await? {
            self.tell(task, trace.clone(), analyzed).await?;
        }
        self.metrics.stage(Stage::Analyze, began.elapsed(), Some(&trace));
        Ok(())
    }

    async fn tell(&self, task: &AnalyzeTask, trace: Trace, analyzed: Analyzed) -> Result<(), EngineError> {
        let id = format!("analysis:{}", task.window_id);
        let Analyzed { outcome, took } = analyzed;
        let (target, happening) = (Target::Id(task.conversation_id), Happening::Analyzed { outcome, took });
        self.engine.apply(engine::Input { id, body_hash: None, trace, target, happening }).await.map(drop)
    }
}

impl<R: AnalysisStore, P: Publish, B: AiClient> Handler<AnalyzeTask> for Analyzer<R, P, B> {
    async fn run(&self, task: AnalyzeTask, metadata: Arc<Metadata>) -> Result<(), FailureReason> {
        trace::link_current(task.links.iter().map(String::as_str));
        let Err(error) = self.answered(&task, &metadata).await else { return Ok(()) };
        if metadata.delivery_count < MAX_TRIES || outage::missing(&error).is_some() {
            return Err(retry_or_wait(metadata.delivery_count, error));
        }
        // The answer cannot be processed: the customer gets the fallback text, and a person is notified.
        tracing::warn!(conversation.id = %task.conversation_id, %error, "an answer could not be processed");
        let outcome = Input::AnalysisFailed { window_id: task.window_id, reason: AnalysisReason::NotProcessed };
        let failed = Analyzed { outcome, took: Duration::ZERO };
        self.tell(&task, trace_of(&metadata), failed)
            .await
            .map_err(|error| retry_or_wait(metadata.delivery_count, error))
    }
}

fn trace_of(metadata: &Metadata) -> Trace {
    Trace::current_or(metadata.traceparent())
}
