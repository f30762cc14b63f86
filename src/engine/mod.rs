//! The engine around the rules: load, decide, commit in one transaction, publish the effects.
//!
//! Inputs come from the worker's pipelines (webhooks, timers, DispatchBot's answers, Twilio's outcomes). Results go to
//! the store and, through the outbox, to JetStream. The engine guarantees that an input changes a conversation once,
//! however often it is repeated, that no concurrent change is overwritten, and that the effects of a committed decision
//! are published, in order, before the input is acknowledged.

mod audit;
mod batch;
mod calls;
mod conversation_cache;
mod effects;
mod exported;
mod input;
mod ledger;
mod outbox;
mod ports;
mod steps;
mod sweeper;
mod takeover_wait;
mod window_traces;

use std::panic::resume_unwind;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::time::Instant;
use tracing::Instrument;
use uuid::Uuid;

use crate::adapters::jetstream::Publisher;
use crate::adapters::postgres::Store;
use crate::businesses::{BusinessCache, BusinessCacheError};
use crate::clock::Clock;
use crate::domain::conversation::{self, Conversation, IfMatch, Policy, Priority, Seen, derive_id};
use crate::store::{OutboxRow, StoreError, WaitingRow};
use crate::stream::GroupCommit;
use crate::telemetry::{Metrics, Stage};
use crate::trace::{self, Trace};

pub use calls::CallReport;
pub(crate) use effects::cloud_event;
pub use effects::{AnalyzeTask, AnswerTask, RingTask, SendTask};
pub use input::{Applied, Change, Happening, Input, Target};
pub use outbox::{Outbox, OutboxError};
pub use ports::{ConversationStore, Publish, WaitingEffects};
pub use sweeper::sweep;
pub use takeover_wait::{TAKEOVER_WAIT, ai_sends_finished};

use batch::{Batches, Job, Outcome, Work};
use conversation_cache::ConversationCache;
use input::CallPart;

/// How often a decision is made again after a concurrent change, before the input is given back.
const ATTEMPTS: usize = 16;
/// See [`Engine::with_max_batch`].
const DEFAULT_MAX_BATCH: usize = 64;

/// An error between an input and its effects. Nothing is lost: the input is retried.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A business could not be looked up.
    #[error(transparent)]
    BusinessCache(#[from] BusinessCacheError),
    /// The effects are committed, but not all of them are published yet.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// Concurrent changes came first at every attempt.
    #[error("the conversation was changed concurrently at every attempt")]
    Contended,
    /// The conversation is not in the state that the command is about, but in this one. Nothing was changed.
    #[error("the conversation is newer than the command")]
    Newer(Seen),
    /// Since the look-up, the number moved to another business or to none: the business must be looked up again.
    #[error("the number no longer belongs to the business")]
    NumberMoved,
}

/// When an input counts as applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// Once its effects are published: only then it is acknowledged; otherwise it is redelivered.
    Published,
    /// Once it is committed: nobody repeats it. The sweeper publishes what could not be published at once.
    Committed,
}

/// The engine; clones share everything.
#[derive(Debug, Clone)]
pub struct Engine<R = Store, P = Publisher> {
    parts: Arc<Batches<R>>,
    outbox: Outbox<R, P>,
    batches: GroupCommit<Work, Outcome>,
}

impl<R: ConversationStore, P: Publish> Engine<R, P> {
    /// An engine around the rules of `policy`, with the system clock.
    pub fn new(
        store: R,
        outbox: Outbox<R, P>,
        business_cache: BusinessCache<R>,
        policy: Policy,
        metrics: Metrics,
    ) -> Self {
        let (conversation_cache, policy) = (ConversationCache::new(), Arc::new(policy));
        let (clock, max_batch) = (Clock::default(), DEFAULT_MAX_BATCH);
        Self::around(Batches { store, business_cache, conversation_cache, policy, clock, max_batch, metrics }, outbox)
    }

    fn around(parts: Batches<R>, outbox: Outbox<R, P>) -> Self {
        let parts = Arc::new(parts);
        let of_batch = Arc::clone(&parts);
        let batches = GroupCommit::new(parts.max_batch, move |batch: Vec<Work>| {
            let parts = Arc::clone(&of_batch);
            let span = exported::batch(&batch);
            async move { parts.run(batch).await }.instrument(span)
        });
        Self { parts, outbox, batches }
    }

    /// The same with at most this many inputs in one transaction.
    pub fn with_max_batch(self, max_batch: usize) -> Self {
        Self::around(Batches { max_batch, ..(*self.parts).clone() }, self.outbox)
    }

    /// The same with another clock.
    #[cfg(test)]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self::around(Batches { clock, ..(*self.parts).clone() }, self.outbox)
    }

    /// The time at which decisions are made.
    pub fn now(&self) -> DateTime<Utc> {
        self.parts.clock.now()
    }

    pub fn business_cache(&self) -> &BusinessCache<R> {
        &self.parts.business_cache
    }

    pub fn policy(&self) -> &Policy {
        &self.parts.policy
    }

    /// A conversation, which may be stale if another process has changed it.
    ///
    /// # Errors
    /// When PostgreSQL is unavailable.
    pub async fn conversation(&self, id: Uuid) -> Result<Option<Conversation>, StoreError> {
        match self.parts.conversation_cache.find(&Target::Id(id)) {
            Some(cached) => Ok(Some(cached)),
            None => self.store().conversation(id).await,
        }
    }

    /// Arms a conversation's timer.
    ///
    /// # Errors
    /// When JetStream is unavailable.
    pub async fn arm(&self, conversation_id: Uuid, at: DateTime<Utc>) -> Result<(), EngineError> {
        Ok(self.outbox.arm(conversation_id, at).await?)
    }

    /// Publishes the task to send a message once more, because it may be lost.
    ///
    /// # Errors
    /// When JetStream is unavailable.
    pub async fn send_again(&self, task: &SendTask, priority: Priority, message_id: String) -> Result<(), EngineError> {
        Ok(self.outbox.send_again(task, priority, message_id).await?)
    }

    /// The store, for reads that do not involve the rules.
    pub fn store(&self) -> &R {
        &self.parts.store
    }

    /// Decides what follows from an input, commits it and publishes the effects.
    ///
    /// # Errors
    /// When a service is unavailable or other changes keep conflicting. The same input may be applied again.
    pub async fn apply(&self, input: Input) -> Result<Applied, EngineError> {
        self.finish(Job::Input(Box::new(input), None, None), Until::Published).await
    }

    /// Commits an event that is about no conversation, and publishes it, once for each input.
    ///
    /// # Errors
    /// When a service is unavailable. The same input may be applied again.
    pub async fn emit(&self, input_id: &str, body_hash: &str, event: OutboxRow) -> Result<Applied, EngineError> {
        let (input_id, body_hash) = (input_id.to_owned(), Some(body_hash.to_owned()));
        let trace = Trace::from_header(event.headers.get("traceparent").map(String::as_str));
        self.finish(Job::Event { input_id, body_hash, trace, event }, Until::Published).await
    }

    /// The same as [`Engine::apply`] for a command of a person, who waits for the answer: it succeeds once it is committed.
    ///
    /// # Errors
    /// When a service is unavailable, and nothing was changed.
    pub async fn command(
        &self,
        conversation_id: Uuid,
        input_id: &str,
        command: conversation::Input,
    ) -> Result<Applied, EngineError> {
        self.command_if(conversation_id, input_id, command, None).await
    }

    /// The same if the conversation is in a state that the person has seen. That is compared with the state on which the
    /// command is decided, and which it changes only if it is still the newest.
    ///
    /// # Errors
    /// [`EngineError::Newer`] if the conversation is in another state, and the command was not carried out before.
    pub async fn command_if(
        &self,
        conversation_id: Uuid,
        input_id: &str,
        command: conversation::Input,
        if_match: Option<IfMatch>,
    ) -> Result<Applied, EngineError> {
        let (id, target, happening) = (input_id.to_owned(), Target::Id(conversation_id), Happening::Input(command));
        let input = Input { id, body_hash: None, trace: Trace::of_request(), target, happening };
        self.finish(Job::Input(Box::new(input), None, if_match), Until::Committed).await
    }

    /// Applies a job in the next batches, until it is decided, and publishes its effects.
    async fn finish(&self, job: Job, until: Until) -> Result<Applied, EngineError> {
        let job = Arc::new(job);
        let mut conflicts = 0;
        while conflicts < ATTEMPTS {
            let mut outcome = self.batches.call(Work::Apply(Arc::clone(&job))).await.unwrap_or(Outcome::Alone);
            if matches!(outcome, Outcome::Alone) {
                // Boxed: it is rare, and every caller's future would have room for it.
                outcome = Box::pin(self.parts.alone(&job).instrument(exported::alone())).await;
            }
            match outcome {
                // Outside of a batch, `Alone` is not returned.
                Outcome::Conflict | Outcome::Alone => conflicts += 1,
                Outcome::Again | Outcome::Marked => {}
                Outcome::Idle { conversation_id, version } => {
                    conflicts += 1;
                    Box::pin(self.end_idle(conversation_id, version)).await?;
                }
                Outcome::Failed(error) => return Err(error),
                Outcome::Panicked(panic) => resume_unwind(panic),
                Outcome::NotFound => return Ok(Applied::Nothing { status: None }),
                Outcome::Newer(seen) => return self.not_on(seen, &job).await,
                Outcome::Seen { outbox_keys, same_body } => {
                    // Its effects may still wait to be published.
                    self.parts.metrics.inbox_duplicate();
                    self.outbox.drain_all(outbox_keys).await?;
                    return Ok(Applied::Before { same_body });
                }
                Outcome::Unchanged { conversation_id, status, timer } => {
                    if let Some(at) = timer {
                        // It fired too early.
                        self.outbox.arm(conversation_id, at).await?;
                    }
                    // It may have been decided before, by a process that died before it published the effects.
                    self.outbox.drain(conversation_id).await?;
                    return Ok(Applied::Nothing { status: Some(status) });
                }
                Outcome::Committed { change, effects, behind } => {
                    if let Some(change) = &change {
                        let id = tracing::field::display(change.conversation.id);
                        tracing::Span::current().record("conversation.id", id);
                        trace::attribute("nmc.conversation.id", || change.conversation.id.to_string());
                    }
                    steps::log(&effects);
                    let began = Instant::now();
                    let published = self.publish(effects, behind).await;
                    if published.is_ok() {
                        self.parts.metrics.stage(Stage::Publish, began.elapsed(), Some(job.trace()));
                    }
                    match published {
                        Err(error) if until == Until::Committed => {
                            tracing::warn!(%error, "committed, but not all effects are published; the sweeper retries");
                        }
                        published => published?,
                    }
                    return Ok(change.map_or(Applied::Nothing { status: None }, Applied::Now));
                }
            }
        }
        Err(EngineError::Contended)
    }

    /// What became of an input whose conversation is in another state than it is about. It may be in that state because the
    /// input was applied before, by a process that died before it answered.
    async fn not_on(&self, newest: Seen, job: &Job) -> Result<Applied, EngineError> {
        let id = job.id().0;
        let Some(seen) = self.store().seen(&[id]).await?.remove(id) else { return Err(EngineError::Newer(newest)) };
        self.outbox.drain_all(seen.outbox_keys).await?;
        Ok(Applied::Before { same_body: true })
    }

    /// Ends a conversation that is idle, before the sweeper does.
    async fn end_idle(&self, conversation_id: Uuid, version: i64) -> Result<(), EngineError> {
        let id = format!("idle:{conversation_id}:{version}");
        let happening = Happening::Input(conversation::Input::WindowDue { complete_until: None });
        let (trace, target) = (Trace::of_request(), Target::Id(conversation_id));
        self.apply(Input { id, body_hash: None, trace, target, happening }).await.map(drop)
    }

    /// Publishes effects that were just committed, from memory, or from the table if older ones have to go first.
    async fn publish(&self, effects: Vec<WaitingRow>, behind: Vec<Uuid>) -> Result<(), OutboxError> {
        let (own, waiting): (Vec<_>, Vec<_>) = effects.into_iter().partition(|row| !behind.contains(&row.key));
        drop(waiting);
        let span = exported::publish(own.len());
        let (published, result) = self.outbox.publish(own).instrument(span.clone()).await;
        if result.is_err() {
            trace::failed(&span, "not_acknowledged");
        }
        // What is not deleted is published again, under the same ids. Nobody waits for it where a batch collects anyway.
        if !published.is_empty()
            && let Err(work) = self.batches.offer(Work::Published(published))
        {
            self.batches.call(work).await;
        }
        result?;
        self.outbox.drain_all(behind).await
    }
}

/// The id of an event: stable across redelivery, because it is derived from its sequence in the conversation or call.
fn event_id(scope: Uuid, sequence: i64) -> Uuid {
    derive_id(&scope.to_string(), "event", "sequence", usize::try_from(sequence).unwrap_or_default())
}
