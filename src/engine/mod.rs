//! The engine around the rules: load, decide, commit in one transaction, publish the effects.
//!
//! Inputs come from the worker's pipelines (webhooks, timers, DispatchBot's answers, Twilio's outcomes). Results go to
//! the store and, through the outbox, to JetStream. The engine guarantees that an input changes a conversation once,
//! however often it is repeated, that no concurrent change is overwritten, and that the effects of a committed decision
//! are published, in order, before the input is acknowledged.

mod audit;
mod calls;
mod conversation_cache;
mod effects;
mod outbox;
mod ports;
mod sweeper;
mod takeover_wait;

use crate::businesses::{BusinessCache, BusinessCacheError};
use crate::clock::Clock;
use crate::trace::Trace;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::adapters::jetstream::Publisher;
use crate::adapters::postgres::{AuditEntry, Commit, Committed, OutboxRow, Store, StoreError};
use crate::domain::business;
use crate::domain::call::Call;
use crate::domain::conversation::{
    self, Context, Conversation, Decision, Effect, Input, MessageKind, MessageReport, Policy, Status, WindowState,
    derive_id,
};
use crate::domain::emergency::Reading;
use crate::domain::phone::PhoneNumber;
use crate::telemetry::{Metrics, WindowEvent};

pub use calls::CallReport;
pub(crate) use effects::cloud_event;
pub use effects::{AnalyzeTask, SendTask};
pub use outbox::{Outbox, OutboxError};
pub use ports::{ConversationStore, Publish, WaitingEffects};
pub use sweeper::sweep;
pub use takeover_wait::ai_sends_finished;

use conversation_cache::ConversationCache;

/// How often a decision is made again after a concurrent change, before the input is given back.
const ATTEMPTS: usize = 16;

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
    /// Since the look-up, the number moved to another business or to none: the business must be looked up again.
    #[error("the number no longer belongs to the business")]
    NumberMoved,
}

/// The conversation to which an input applies.
#[derive(Debug, Clone)]
pub enum Target {
    /// The open conversation of a customer with a business number; the input opens one if there is none.
    Open {
        business_phone: PhoneNumber,
        customer_phone: PhoneNumber,
        /// The business that has the number.
        business: Arc<business::Profile>,
    },
    Id(Uuid),
}

impl Target {
    /// The business whose number was looked up. At the commit, the number must still belong to it.
    fn business_id(&self) -> Option<&str> {
        match self {
            Self::Open { business, .. } => Some(&business.id),
            Self::Id(_) => None,
        }
    }
}

/// What the engine is asked to apply.
#[derive(Debug, Clone)]
pub enum Happening {
    /// An input with everything that the rules need.
    Input(Input),
    /// A report on a message. The engine also reads the message's row.
    Message {
        /// The message's id.
        id: Uuid,
        /// What was reported about it.
        report: MessageReport,
    },
}

/// The result of an input.
#[derive(Debug, Clone, PartialEq)]
pub enum Applied {
    /// It was applied now.
    Now(Box<Change>),
    /// It changed nothing.
    Nothing {
        /// The conversation's status at that decision; `None` if there is no conversation. It may have changed since.
        status: Option<Status>,
    },
    /// It is a duplicate: it was decided before.
    Before {
        /// Whether the body was the same then.
        same_body: bool,
    },
}

/// What an input has changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The conversation after the change.
    pub conversation: Conversation,
    /// The ids of the new messages.
    pub messages: Vec<Uuid>,
}

/// When an input counts as applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// Once its effects are published: only then it is acknowledged; otherwise it is redelivered.
    Published,
    /// Once it is committed: nobody repeats it. The sweeper publishes what could not be published at once.
    Committed,
}

/// An input's id, body hash and trace.
#[derive(Debug, Clone)]
pub struct InputId<'a> {
    /// The id, as recorded in the inbox.
    pub id: &'a str,
    /// A hash of the body, if another body may come under the same id.
    pub body_hash: Option<&'a str>,
    pub trace: Trace,
}

/// A call record that changes in the same transaction, with its own outbox rows.
#[derive(Debug)]
struct CallPart {
    call: Call,
    rows: Vec<OutboxRow>,
}

/// The engine; clones share everything.
#[derive(Debug, Clone)]
pub struct Engine<R = Store, P = Publisher> {
    store: R,
    outbox: Outbox<R, P>,
    business_cache: BusinessCache<R>,
    conversation_cache: ConversationCache,
    policy: Arc<Policy>,
    clock: Clock,
    metrics: Metrics,
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
        Self { store, outbox, business_cache, conversation_cache, policy, clock: Clock::default(), metrics }
    }

    /// The same with another clock.
    #[cfg(test)]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// The time at which decisions are made.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub fn business_cache(&self) -> &BusinessCache<R> {
        &self.business_cache
    }

    /// The store, for reads that do not involve the rules.
    pub fn store(&self) -> &R {
        &self.store
    }

    /// Decides what follows from an input, commits it and publishes the effects.
    ///
    /// # Errors
    /// When a service is unavailable or other changes keep conflicting. The same input may be applied again.
    pub async fn apply(
        &self,
        target: &Target,
        input: &InputId<'_>,
        happening: &Happening,
    ) -> Result<Applied, EngineError> {
        self.apply_with_call(target, input, happening, None, Until::Published).await
    }

    /// The same for a command of a person, who waits for the answer: it succeeds once it is committed.
    ///
    /// # Errors
    /// When a service is unavailable, and nothing was changed.
    pub async fn command(&self, conversation_id: Uuid, input_id: &str, command: Input) -> Result<Applied, EngineError> {
        let input = InputId { id: input_id, body_hash: None, trace: Trace::start() };
        let happening = Happening::Input(command);
        self.apply_with_call(&Target::Id(conversation_id), &input, &happening, None, Until::Committed).await
    }

    /// The same, with a call record that changes in the same transaction.
    async fn apply_with_call(
        &self,
        target: &Target,
        input: &InputId<'_>,
        happening: &Happening,
        call: Option<&CallPart>,
        until: Until,
    ) -> Result<Applied, EngineError> {
        if input.body_hash.is_some()
            && let Some(seen) = self.store.seen(input.id, input.body_hash).await?
        {
            return self.seen_before(seen).await;
        }
        for _ in 0..ATTEMPTS {
            let now = self.now();
            let (state, cached) = self.load(target).await?;
            let Some((decision, business, audit)) = self.decide(target, state.as_ref(), input, happening, now).await?
            else {
                return Ok(Applied::Nothing { status: None });
            };
            if !decision.changed {
                if cached {
                    // The cached state may be stale: an input that changes nothing there may change the row.
                    self.conversation_cache.forget(&decision.conversation);
                    continue;
                }
                self.arm_only(&decision).await?;
                // It may have been decided before, by a process that died before it published the effects.
                self.outbox.drain(decision.conversation.id).await?;
                return Ok(Applied::Nothing { status: Some(decision.conversation.status) });
            }
            let conversation_id = decision.conversation.id;
            tracing::Span::current().record("conversation.id", tracing::field::display(conversation_id));
            let mut rows = call.map(|part| part.rows.clone()).unwrap_or_default();
            rows.extend(effects::rows(&decision, &business, input, now));
            let call = call.map(|part| Call { conversation_id: Some(conversation_id), ..part.call.clone() });
            let commit = Commit {
                input_id: input.id,
                body_hash: input.body_hash,
                call: call.as_ref(),
                number_of: target.business_id(),
                decision: Some(&decision),
                audit: Some(&audit),
                at: now,
                outbox: &rows,
            };
            match self.store.commit(&commit).await? {
                Committed::Done => {
                    self.count(&decision);
                    let conversation =
                        Conversation { version: decision.conversation.version + 1, ..decision.conversation };
                    self.conversation_cache.keep(&conversation);
                    let drained =
                        self.outbox.drain_all(call.map(|call| call.id).into_iter().chain([conversation_id])).await;
                    match drained {
                        Err(error) if until == Until::Committed => {
                            tracing::warn!(%error, "committed, but not all effects are published; the sweeper retries");
                        }
                        drained => drained?,
                    }
                    let messages = decision.messages.iter().map(|message| message.id).collect();
                    return Ok(Applied::Now(Box::new(Change { conversation, messages })));
                }
                Committed::Conflict => {
                    self.metrics.cas_conflict();
                    self.conversation_cache.forget(&decision.conversation);
                }
                Committed::CallConflict => return Err(EngineError::Contended),
                Committed::NumberMoved => {
                    self.business_cache.forget_all();
                    return Err(EngineError::NumberMoved);
                }
                seen @ Committed::Seen { .. } => {
                    self.conversation_cache.forget(&decision.conversation);
                    return self.seen_before(seen).await;
                }
            }
        }
        Err(EngineError::Contended)
    }

    async fn decide(
        &self,
        target: &Target,
        state: Option<&Conversation>,
        input: &InputId<'_>,
        happening: &Happening,
        now: DateTime<Utc>,
    ) -> Result<Option<(Decision, conversation::Business, AuditEntry)>, EngineError> {
        let (business, may_write) = match (target, state) {
            (Target::Open { business, .. }, _) => (business.for_rules(), true),
            (Target::Id(_), None) => return Ok(None),
            (Target::Id(_), Some(conversation)) => match self.business_cache.by_id(&conversation.business_id).await? {
                Some(profile) => (profile.for_rules(), profile.may_write_in(conversation)),
                None => (business::forgotten(conversation), false),
            },
        };
        let customer = match (target, state) {
            (_, Some(conversation)) => Some(&conversation.customer_phone),
            (Target::Open { customer_phone, .. }, None) => Some(customer_phone),
            (Target::Id(_), None) => None,
        };
        let opted_out_at = match customer {
            Some(customer) => self.store.opted_out_at(&business.id, customer).await?,
            None => None,
        };
        let missed_call_sms_at = match (customer, happening) {
            (Some(customer), Happening::Input(Input::CallMissed(_))) => {
                self.store.missed_call_sms_at(&business.id, customer).await?
            }
            _ => None,
        };
        let other_business = match customer.filter(|_| may_be_answered(happening)) {
            Some(customer) => self.store.other_business(&business.id, customer, state.map(|c| c.id)).await?,
            None => None,
        };
        let context = Context {
            policy: &self.policy,
            business: &business,
            opted_out_at,
            missed_call_sms_at,
            may_write,
            other_business,
        };
        let told = match happening {
            Happening::Input(told) => told.clone(),
            Happening::Message { id, report } => match self.store.message(*id).await? {
                Some(message) => Input::MessageReported { message: message.sent(), report: report.clone() },
                None => return Ok(None),
            },
        };
        Ok(conversation::decide(context, state, input.id, &told, now).map(|decision| {
            let audit = audit::entry(&told, &decision);
            (decision, business, audit)
        }))
    }

    async fn load(&self, target: &Target) -> Result<(Option<Conversation>, bool), EngineError> {
        if let Some(cached) = self.conversation_cache.find(target) {
            self.metrics.cache(true);
            return Ok((Some(cached), true));
        }
        self.metrics.cache(false);
        let loaded = match target {
            Target::Id(id) => self.store.conversation(*id).await?,
            Target::Open { business_phone, customer_phone, business } => {
                match self.store.open_conversation(&business.id, business_phone, customer_phone).await? {
                    Some(open) => Some(open),
                    None => self.store.last_ended_conversation(&business.id, business_phone, customer_phone).await?,
                }
            }
        };
        Ok((loaded, false))
    }

    /// A duplicate input: its effects may still wait to be published.
    async fn seen_before(&self, seen: Committed) -> Result<Applied, EngineError> {
        let Committed::Seen { outbox_keys, same_body } = seen else {
            return Ok(Applied::Nothing { status: None });
        };
        self.metrics.inbox_duplicate();
        self.outbox.drain_all(outbox_keys).await?;
        Ok(Applied::Before { same_body })
    }

    /// Arms a timer again that fired too early. Nothing is written to the store.
    async fn arm_only(&self, decision: &Decision) -> Result<(), EngineError> {
        for effect in &decision.effects {
            if let Effect::ArmTimer { at } = effect {
                self.outbox.arm(decision.conversation.id, *at).await?;
            }
        }
        Ok(())
    }

    fn count(&self, decision: &Decision) {
        for window in &decision.windows {
            match window.state {
                WindowState::Open => self.metrics.window(WindowEvent::Opened),
                WindowState::Claimed => self.metrics.window(WindowEvent::Claimed),
                WindowState::Answered => self.metrics.window(WindowEvent::Answered),
                WindowState::Superseded => self.metrics.window(WindowEvent::Superseded),
                WindowState::HandedOver | WindowState::Unknown => self.metrics.window(WindowEvent::HandedOver),
            }
        }
        if decision
            .messages
            .iter()
            .any(|message| matches!(message.kind, MessageKind::Fallback | MessageKind::Emergency))
        {
            self.metrics.window(WindowEvent::Fallback);
        }
        for kept in decision.messages.iter().filter_map(|message| message.verdict.as_ref()) {
            self.metrics.emergency_verdict(&kept.verdict.rule);
        }
        if let Some(seen_by) = decision.disagreement {
            self.metrics.emergency_disagreement(seen_by);
        }
        if decision.false_alarm.is_some() {
            self.metrics.emergency_false_alarm();
        }
    }
}

/// Whether an answer of the AI may follow: one is requested, or one is decided on.
fn may_be_answered(happening: &Happening) -> bool {
    match happening {
        Happening::Input(Input::SmsReceived(sms)) => sms.reading != Reading::default(),
        Happening::Input(told) => {
            matches!(told, Input::WindowDue | Input::AnalysisReady { .. } | Input::AnalysisFailed { .. })
        }
        Happening::Message { .. } => false,
    }
}

/// The id of an event: stable across redelivery, because it is derived from its sequence in the conversation or call.
fn event_id(scope: Uuid, sequence: i64) -> Uuid {
    derive_id(&scope.to_string(), "event", "sequence", usize::try_from(sequence).unwrap_or_default())
}
