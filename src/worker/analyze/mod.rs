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

use crate::adapters::dispatchbot::{Analysis, AnalyzeError, DispatchBotClient};
use crate::adapters::jetstream::Publisher;
use crate::adapters::outage;
use crate::adapters::postgres::Store;
use crate::domain::business::Profile;
use crate::domain::conversation::{AnalysisReason, Answer, Appointment, Conversation, Input, Phase, Priority};
use crate::engine::{self, AnalyzeTask, Engine, EngineError, Happening, Publish, Target};
use crate::stream::{FailureReason, Metadata};
use crate::telemetry::{AiResult, Metrics};
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

impl<R: AnalysisStore, P: Publish, B: AiClient> Analyzer<R, P, B> {
    /// Asks through this client, applies answers with this engine.
    pub fn new(client: B, engine: Engine<R, P>, metrics: Metrics) -> Self {
        Self { client, engine, metrics }
    }

    async fn answer(&self, task: &AnalyzeTask) -> Result<Option<Input>, EngineError> {
        let window_id = task.window_id;
        // The row itself, not the cache: a request about an outdated state is not worth sending.
        let Some(conversation) = self.engine.store().conversation(task.conversation_id).await? else { return Ok(None) };
        let wanted =
            conversation.answering.as_ref().filter(|a| a.window_id == window_id && a.phase == Phase::Analyzing);
        let Some(answering) = wanted else { return Ok(None) };
        let failed = |reason| Some(Input::AnalysisFailed { window_id, reason });
        if answering.epoch != conversation.epoch && self.engine.now() < answering.exempt_at {
            return Ok(failed(AnalysisReason::Overtaken)); // the rules record it as superseded
        }
        let Some(business) = self.engine.business_cache().by_id(&conversation.business_id).await? else {
            return Ok(failed(AnalysisReason::BusinessGone));
        };
        match self.ask(&conversation, &business, task).await? {
            Ok(analysis) => Ok(Some(Input::AnalysisReady { window_id, answer: answer_of(analysis) })),
            Err(error) => {
                tracing::warn!(conversation.id = %task.conversation_id, %error, "DispatchBot gave no usable answer");
                Ok(failed(error.reason()))
            }
        }
    }

    async fn ask(
        &self,
        conversation: &Conversation,
        business: &Profile,
        task: &AnalyzeTask,
    ) -> Result<Result<Analysis, AnalyzeError>, EngineError> {
        let messages = self.engine.store().newest_messages(conversation.id, MESSAGES).await?;
        let request = package::request(conversation, business, &messages, task);
        let spent = (self.engine.now() - task.closed_at).to_std().unwrap_or_default();
        let budget = match task.priority {
            Priority::Normal => BUDGET.saturating_sub(spent).max(MIN_BUDGET),
            Priority::Urgent => EMERGENCY_BUDGET.saturating_sub(spent).max(MIN_BUDGET),
        };
        let asked_at = Instant::now();
        let result = self.client.analyze(&request, budget).await;
        let outcome = match &result {
            Ok(_) => AiResult::Answered,
            Err(AnalyzeError::TimedOut) => AiResult::Timeout,
            Err(AnalyzeError::NotAsked) => AiResult::Rejected,
            Err(_) => AiResult::Failed,
        };
        self.metrics.ai_call(outcome, asked_at.elapsed());
        Ok(result)
    }

    async fn answered(&self, task: &AnalyzeTask, metadata: &Metadata) -> Result<(), EngineError> {
        match self.answer(task).await? {
            Some(input) => self.tell(task, metadata, input).await,
            None => Ok(()),
        }
    }

    async fn tell(&self, task: &AnalyzeTask, metadata: &Metadata, input: Input) -> Result<(), EngineError> {
        let trace = Trace::current_or(metadata.traceparent());
        let id = format!("analysis:{}", task.window_id);
        let (target, happening) = (Target::Id(task.conversation_id), Happening::Input(input));
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
        let failed = Input::AnalysisFailed { window_id: task.window_id, reason: AnalysisReason::NotProcessed };
        self.tell(&task, &metadata, failed).await.map_err(|error| retry_or_wait(metadata.delivery_count, error))
    }
}

/// DispatchBot's answer in the types of the rules.
fn answer_of(analysis: Analysis) -> Answer {
    Answer {
        job_type: analysis.job_type,
        urgency: analysis.urgency_level,
        emergency_detected: analysis.emergency_detected,
        text: analysis.message_to_customer,
        confidence: analysis.confidence,
        appointment: analysis.appointment.map(|a| Appointment {
            starts_at: a.starts_at,
            ends_at: a.ends_at,
            notes: a.notes,
        }),
        complete: analysis.conversation_complete.unwrap_or(false),
        outcome: analysis.outcome,
        summary: analysis.summary,
    }
}
