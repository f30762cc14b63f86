//! A batch of inputs: one read, a decision for each input, one transaction.
//!
//! A batch holds at most one input of a customer of a business. An input that conflicts is taken out and applied again,
//! and its neighbours are committed without it. If a row is locked or cannot be written, nobody waits: the inputs are
//! applied alone, each by its own caller.

mod decide;
mod load;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;
use tracing::Instrument;
use uuid::Uuid;

use super::conversation_cache::ConversationCache;
use super::ports::ConversationStore;
use super::{CallPart, Change, EngineError, Input, exported};
use crate::adapters::outage;
use crate::businesses::BusinessCache;
use crate::clock::Clock;
use crate::domain::conversation::{Conversation, IfMatch, Policy, Seen, Status};
use crate::store::{Commit, Committed, LedgerEntry, Locks, OutboxRow, StoreError, WaitingRow};
use crate::telemetry::{Batch as BatchOf, Metrics, Stage};
use crate::trace::Trace;

use decide::{Decided, Decision};

/// How long reading, deciding and committing may take, so that a connection that is dead does not stop the engine. Longer
/// than a wait for a connection and then for a lock.
const DEADLINE: Duration = Duration::from_secs(17);

/// What is asked of a batch.
#[derive(Debug)]
pub(super) enum Work {
    /// To apply an input.
    Apply(Arc<Job>),
    /// To delete these outbox rows, which are published.
    Published(Vec<i64>),
}

impl Work {
    /// The input to apply, if it is one.
    pub(super) fn job(&self) -> Option<&Job> {
        match self {
            Self::Apply(job) => Some(job),
            Self::Published(_) => None,
        }
    }
}

/// An input, or what concerns no conversation: a report of a call, an event, or a change of the ledger.
#[derive(Debug)]
pub(super) enum Job {
    /// An input, the call record that changes with it, and the state that the conversation must have.
    Input(Box<Input>, Option<CallPart>, Option<IfMatch>),
    /// A call record alone.
    Call { input_id: String, body_hash: Option<String>, trace: Trace, part: CallPart },
    /// An event alone.
    Event { input_id: String, body_hash: Option<String>, trace: Trace, event: OutboxRow },
    /// A change of the ledger alone.
    Ledger { input_id: String, trace: Trace, entry: LedgerEntry },
}

impl Job {
    pub(super) fn id(&self) -> (&str, Option<&str>) {
        match self {
            Self::Input(input, ..) => (&input.id, input.body_hash.as_deref()),
            Self::Call { input_id, body_hash, .. } | Self::Event { input_id, body_hash, .. } => {
                (input_id, body_hash.as_deref())
            }
            Self::Ledger { input_id, .. } => (input_id, None),
        }
    }

    /// The trace that it belongs to.
    pub(super) fn trace(&self) -> &Trace {
        match self {
            Self::Input(input, ..) => &input.trace,
            Self::Call { trace, .. } | Self::Event { trace, .. } | Self::Ledger { trace, .. } => trace,
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is committed.
    Committed {
        /// What has changed; `None` if no conversation has.
        change: Option<Box<Change>>,
        /// The effects to publish.
        effects: Vec<WaitingRow>,
        /// The outbox keys for which older effects wait: they must be published first.
        behind: Vec<Uuid>,
    },
    /// Nothing changed in the conversation; its timer may have to be armed again.
    Unchanged { conversation_id: Uuid, status: Status, timer: Option<DateTime<Utc>> },
    /// There is no conversation, or no message.
    NotFound,
    /// The conversation is not in the state that the input is about, but in this one.
    Newer(Seen),
    /// It was committed before.
    Seen { outbox_keys: Vec<Uuid>, same_body: bool },
    /// It was not decided: another input of the batch came first, or the cached conversation may be stale.
    Again,
    /// This conversation has to be ended first: it is idle.
    Idle { conversation_id: Uuid, version: i64 },
    /// The conversation was changed concurrently.
    Conflict,
    /// The batch cannot be committed with it, or could not at all: to be applied outside of a batch.
    Alone,
    /// It failed; nothing was committed for it.
    Failed(EngineError),
    /// Deciding on it panicked.
    Panicked(Box<dyn Any + Send>),
    /// The published rows are deleted.
    Marked,
}

/// Reads, decides and commits.
#[derive(Debug, Clone)]
pub(super) struct Batches<R> {
    pub(super) store: R,
    pub(super) business_cache: BusinessCache<R>,
    pub(super) conversation_cache: ConversationCache,
    pub(super) policy: Arc<Policy>,
    pub(super) clock: Clock,
    /// How many inputs one transaction holds at most.
    pub(super) max_batch: usize,
    pub(super) metrics: Metrics,
}

/// A job on its way through a batch.
enum Step<T> {
    Next(T),
    Ended(Outcome),
}

impl<R: ConversationStore> Batches<R> {
    /// Does the work of a batch; returns a result for each part of it, in order.
    pub(super) async fn run(&self, batch: Vec<Work>) -> Vec<Outcome> {
        let (mut jobs, mut published) = (Vec::new(), Vec::new());
        for work in &batch {
            match work {
                Work::Apply(job) => jobs.push(&**job),
                Work::Published(ids) => published.extend_from_slice(ids),
            }
        }
        if !jobs.is_empty() {
            self.metrics.batch(BatchOf::Engine, jobs.len());
        }
        let mut outcomes = self.apply(&jobs, &published).await.into_iter();
        let outcome = |work: &Work| match work {
            Work::Published(_) => Outcome::Marked,
            Work::Apply(_) => outcomes.next().unwrap_or(Outcome::Again),
        };
        batch.iter().map(outcome).collect()
    }

    async fn apply(&self, jobs: &[&Job], published: &[i64]) -> Vec<Outcome> {
        let error = match self.attempt(jobs, published, Locks::Skip).await {
            Ok(outcomes) => return outcomes,
            Err(error) => error,
        };
        if outage::missing(&error).is_some() {
            return jobs.iter().map(|_| Outcome::Failed(StoreError::away().into())).collect();
        }
        // A row is locked, or one of the inputs cannot be read or written: only this one must wait or fail.
        tracing::debug!(%error, inputs = jobs.len(), "a batch cannot be committed; its inputs are applied alone");
        if let Err(error) = self.store.commit(&[], published, Locks::Skip).await {
            tracing::debug!(%error, "published effects are not deleted; the sweeper publishes them again");
        }
        jobs.iter().map(|_| Outcome::Alone).collect()
    }

    /// Applies an input outside of a batch, where it may wait for the locks of others.
    pub(super) async fn alone(&self, job: &Job) -> Outcome {
        match self.attempt(&[job], &[], Locks::Wait).await {
            Ok(outcomes) => outcomes.into_iter().next().unwrap_or(Outcome::Again),
            Err(error) => Outcome::Failed(error.into()),
        }
    }

    /// Reads, decides and commits once, within the deadline. An error is about the whole batch: nothing may have been
    /// committed.
    async fn attempt(&self, jobs: &[&Job], published: &[i64], locks: Locks) -> Result<Vec<Outcome>, StoreError> {
        StoreError::within(DEADLINE, self.read_decide_commit(jobs, published, locks)).await
    }

    async fn read_decide_commit(
        &self,
        jobs: &[&Job],
        published: &[i64],
        locks: Locks,
    ) -> Result<Vec<Outcome>, StoreError> {
        let at = self.clock.now();
        // A batch is shown under the trace of its first input.
        let (trace, began) = (jobs.first().map(|job| job.trace()), Instant::now());
        let loaded = self.load(jobs).instrument(exported::load(jobs.len())).await?;
        let decided = self.decide(loaded, at).await?;
        if !jobs.is_empty() {
            self.metrics.stage(Stage::Decide, began.elapsed(), trace);
        }
        let commits: Vec<Commit<'_>> =
            decided.iter().filter_map(Step::next).map(|decided| decided.commit(at)).collect();
        let committed = match commits.is_empty() && published.is_empty() {
            true => Vec::new(),
            false => {
                let (span, began) = (exported::commit(commits.len()), Instant::now());
                let committed = self.store.commit(&commits, published, locks).instrument(span).await?;
                self.metrics.stage(Stage::Commit, began.elapsed(), trace);
                committed
            }
        };
        drop(commits);
        let mut committed = committed.into_iter();
        let outcome = |step| match step {
            Step::Ended(outcome) => outcome,
            Step::Next(decided) => match committed.next() {
                Some(committed) => self.outcome(decided, committed),
                None => Outcome::Again,
            },
        };
        Ok(decided.into_iter().map(outcome).collect())
    }

    fn outcome(&self, decided: Decided<'_>, committed: Committed) -> Outcome {
        match committed {
            Committed::Done { outbox_ids, behind } => {
                if let Some(outcome) = decided.call_outcome {
                    self.metrics.call(outcome);
                }
                let change = decided.decision.map(|decided| {
                    self.count(&decided);
                    let decision = decided.decision;
                    let messages = decision.messages.iter().map(|message| message.id).collect();
                    let conversation =
                        Conversation { version: decision.conversation.version + 1, ..decision.conversation };
                    self.conversation_cache.keep(&conversation);
                    Box::new(Change { conversation, messages })
                });
                let effects = decided.outbox.into_iter().zip(outbox_ids).map(waiting).collect();
                Outcome::Committed { change, effects, behind }
            }
            Committed::Seen { outbox_keys, same_body } => {
                self.forget(&decided);
                Outcome::Seen { outbox_keys, same_body }
            }
            Committed::Conflict => {
                self.metrics.cas_conflict();
                self.forget(&decided);
                Outcome::Conflict
            }
            Committed::Locked => Outcome::Alone,
            Committed::CallConflict => Outcome::Failed(EngineError::Contended),
            Committed::NumberMoved => {
                self.business_cache.forget_all();
                Outcome::Failed(EngineError::NumberMoved)
            }
        }
    }

    fn forget(&self, decided: &Decided<'_>) {
        if let Some(Decision { decision, .. }) = &decided.decision {
            self.conversation_cache.forget(&decision.conversation);
        }
    }
}

impl<T> Step<T> {
    fn next(&self) -> Option<&T> {
        match self {
            Self::Next(next) => Some(next),
            Self::Ended(_) => None,
        }
    }
}

fn waiting((row, id): (OutboxRow, i64)) -> WaitingRow {
    let OutboxRow { key, subject, message_id, headers, payload } = row;
    WaitingRow { id, key, subject, message_id, headers, payload }
}
