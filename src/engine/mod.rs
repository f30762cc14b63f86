//! The engine around the rules: load, decide, one transaction, publish.
//!
//! Fed by the pipelines (webhooks, timers, DispatchBot's answers, Twilio's outcomes); feeds the store and, through the
//! outbox, JetStream. It guarantees that an input changes a conversation once however often it is repeated, that
//! nobody's change is overwritten, and that what a committed decision entails is published, in order, before the input
//! is acknowledged.

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
pub use takeover_wait::settled;

use conversation_cache::ConversationCache;

/// How often a decision is made again when somebody else was quicker, before the input is given back.
const ATTEMPTS: usize = 16;

/// What can go wrong on the way from an input to its effects. Nothing is lost: the input is tried again.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The businesses could not be looked up.
    #[error(transparent)]
    BusinessCache(#[from] BusinessCacheError),
    /// The effects are committed, but not all of them are published yet.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// Somebody else was quicker, again and again.
    #[error("the conversation kept changing under the decision")]
    Contended,
    /// The number has moved on to another business, or to none, since it was looked up: whose it is has to be asked again.
    #[error("the number does not belong to the business any more")]
    NumberMoved,
}

/// Which conversation an input is for.
#[derive(Debug, Clone)]
pub enum Target {
    /// The one that a customer has open with a business number; opened by the input, if there is none.
    Open {
        /// The business's side.
        business_phone: PhoneNumber,
        /// The customer's.
        customer_phone: PhoneNumber,
        /// Whose number it is.
        business: Arc<business::Profile>,
    },
    /// This one.
    Id(Uuid),
}

impl Target {
    /// The business whose number the customer was looked up by: it has to be still its own when that is committed.
    fn business_id(&self) -> Option<&str> {
        match self {
            Self::Open { business, .. } => Some(&business.id),
            Self::Id(_) => None,
        }
    }
}

/// What happened, as the engine is told it.
#[derive(Debug, Clone)]
pub enum Happening {
    /// All that the rules need.
    Input(Input),
    /// Something became of a message; the engine reads the message's row beside the conversation's.
    Message {
        /// The message.
        id: Uuid,
        /// What became of it.
        report: MessageReport,
    },
}

/// What became of an input.
#[derive(Debug, Clone, PartialEq)]
pub enum Applied {
    /// It was decided now.
    Now(Box<Change>),
    /// It changed nothing.
    Nothing {
        /// Where the conversation stood when that was decided; none where there is none. Since then it may stand elsewhere.
        status: Option<Status>,
    },
    /// It had been decided before.
    Before {
        /// Whether it came with the same body then.
        same_body: bool,
    },
}

/// What an input has changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The conversation as it stands.
    pub conversation: Conversation,
    /// The messages that are new.
    pub messages: Vec<Uuid>,
}

/// When an input counts as applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// Once its effects are published: it is acknowledged then, and comes again otherwise.
    Published,
    /// Once it is committed: nobody brings it again, and the sweeper publishes what could not be at once.
    Committed,
}

/// An input's id, and what belongs to it.
#[derive(Debug, Clone)]
pub struct InputId<'a> {
    /// The id: the inbox knows it.
    pub id: &'a str,
    /// A hash of its body, where another body may come under the same id.
    pub body_hash: Option<&'a str>,
    /// The trace that it belongs to.
    pub trace: Trace,
}

/// A call record that changes in the same transaction, with its own effects.
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
    hot: ConversationCache,
    policy: Arc<Policy>,
    clock: Clock,
    metrics: Metrics,
}

impl<R: ConversationStore, P: Publish> Engine<R, P> {
    /// A engine around the rules of `policy`, with the system's time.
    pub fn new(
        store: R,
        outbox: Outbox<R, P>,
        business_cache: BusinessCache<R>,
        policy: Policy,
        metrics: Metrics,
    ) -> Self {
        let (hot, policy) = (ConversationCache::new(), Arc::new(policy));
        Self { store, outbox, business_cache, hot, policy, clock: Clock::default(), metrics }
    }

    /// The same with another time.
    #[cfg(test)]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// The time that decisions are made at.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The businesses.
    pub fn business_cache(&self) -> &BusinessCache<R> {
        &self.business_cache
    }

    /// The store, for reads that the rules do not take part in.
    pub fn store(&self) -> &R {
        &self.store
    }

    /// Decides what follows from an input, commits it and publishes what follows.
    ///
    /// # Errors
    /// When a part is missing: the same input may be applied again, as often as needed.
    pub async fn apply(
        &self,
        target: &Target,
        input: &InputId<'_>,
        happening: &Happening,
    ) -> Result<Applied, EngineError> {
        self.apply_with_call(target, input, happening, None, Until::Published).await
    }

    /// The same for a command of a person, who waits for the answer: it has been carried out once it is committed.
    ///
    /// # Errors
    /// When a part is missing, and nothing was changed.
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
                    // What is no news to the cache may be news to the row.
                    self.hot.forget(&decision.conversation);
                    continue;
                }
                self.arm_only(&decision).await?;
                // No news may mean that it was decided before, by somebody who died before publishing what followed.
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
                    self.hot.keep(&conversation);
                    let drained =
                        self.outbox.drain_all(call.map(|call| call.id).into_iter().chain([conversation_id])).await;
                    match drained {
                        Err(error) if until == Until::Committed => {
                            tracing::warn!(%error, "committed, and published by the sweeper");
                        }
                        drained => drained?,
                    }
                    let messages = decision.messages.iter().map(|message| message.id).collect();
                    return Ok(Applied::Now(Box::new(Change { conversation, messages })));
                }
                Committed::Conflict => {
                    self.metrics.cas_conflict();
                    self.hot.forget(&decision.conversation);
                }
                Committed::CallConflict => return Err(EngineError::Contended),
                Committed::NumberMoved => {
                    self.business_cache.forget_all();
                    return Err(EngineError::NumberMoved);
                }
                seen @ Committed::Seen { .. } => {
                    self.hot.forget(&decision.conversation);
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
        if let Some(hot) = self.hot.find(target) {
            self.metrics.cache(true);
            return Ok((Some(hot), true));
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

    /// An input that came again: what it entailed may still wait to be published.
    async fn seen_before(&self, seen: Committed) -> Result<Applied, EngineError> {
        let Committed::Seen { outbox_keys, same_body } = seen else {
            return Ok(Applied::Nothing { status: None });
        };
        self.metrics.inbox_duplicate();
        self.outbox.drain_all(outbox_keys).await?;
        Ok(Applied::Before { same_body })
    }

    /// A timer that fired too early is armed again: nothing is written for it.
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

/// Whether an answer of the AI may follow: it is asked for, or decided on.
fn may_be_answered(happening: &Happening) -> bool {
    match happening {
        Happening::Input(Input::SmsReceived(sms)) => sms.reading != Reading::default(),
        Happening::Input(told) => {
            matches!(told, Input::WindowDue | Input::AnalysisReady { .. } | Input::AnalysisFailed { .. })
        }
        Happening::Message { .. } => false,
    }
}

/// The id of an event: stable across redelivery, for it rests on the event's place in its conversation or call.
fn event_id(scope: Uuid, sequence: i64) -> Uuid {
    derive_id(&scope.to_string(), "event", "sequence", usize::try_from(sequence).unwrap_or_default())
}
