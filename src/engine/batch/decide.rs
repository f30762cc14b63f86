//! Decides on each input of a batch, by the rules and by what the store knows besides the conversations.

use std::panic::{AssertUnwindSafe, catch_unwind};

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use super::load::{Loaded, LoadedInput};
use super::{Batches, Job, Outcome, Step};
use crate::adapters::twilio;
use crate::domain::call::{Call, CallStatus};
use crate::domain::channel::Channel;
use crate::domain::conversation::{
    self, Context, Conversation, DeliveryStatus, Effect, EventData, Input, MessageKind, MessageReport, Seen,
    WindowState,
};
use crate::engine::ports::ConversationStore;
use crate::engine::{CallPart, Happening, audit, effects, window_traces};
use crate::store::{AuditEntry, Commit, Facts, FactsOf, LedgerEntry, OutboxRow, StoreError, TextOf};
use crate::telemetry::WindowEvent;

/// A decision that is to be committed.
pub(super) struct Decided<'a> {
    job: &'a Job,
    /// The decision on the conversation; `None` for a call record, an event or a change of the ledger alone.
    pub(super) decision: Option<Decision>,
    call: Option<Call>,
    day: NaiveDate,
    /// How the call ended, if that became known.
    pub(super) call_outcome: Option<CallStatus>,
    pub(super) outbox: Vec<OutboxRow>,
}

pub(super) struct Decision {
    pub(super) decision: conversation::Decision,
    audit: AuditEntry,
    reported: Option<Reported>,
}

impl<'a> Decided<'a> {
    pub(super) fn commit(&self, at: DateTime<Utc>) -> Commit<'_> {
        let (input_id, body_hash) = self.job.id();
        let number_of = match self.job {
            Job::Input(input, ..) => input.target.business_id(),
            Job::Call { .. } | Job::Event { .. } | Job::Ledger { .. } => None,
        };
        Commit {
            input_id,
            body_hash,
            call: self.call.as_ref(),
            number_of,
            decision: self.decision.as_ref().map(|decision| &decision.decision),
            audit: self.decision.as_ref().map(|decision| &decision.audit),
            ledger: self.ledger(),
            at,
            day: self.day,
            outbox: &self.outbox,
        }
    }
}

impl Decided<'_> {
    fn ledger(&self) -> Option<&LedgerEntry> {
        match self.job {
            Job::Ledger { entry, .. } => Some(entry),
            Job::Input(..) | Job::Call { .. } | Job::Event { .. } => None,
        }
    }
}

impl<R: ConversationStore> Batches<R> {
    pub(super) async fn decide<'a>(
        &self,
        loaded: Vec<(&'a Job, Step<Loaded<'a>>)>,
        at: DateTime<Utc>,
    ) -> Result<Vec<Step<Decided<'a>>>, StoreError> {
        let inputs: Vec<&LoadedInput<'_>> = loaded
            .iter()
            .filter_map(|(_, step)| match step {
                Step::Next(Loaded::Input(loaded)) => Some(&**loaded),
                _ => None,
            })
            .collect();
        let wanted: Vec<FactsOf<'_>> = inputs.iter().map(|loaded| facts_of(loaded, at)).collect();
        let mut facts = if wanted.is_empty() { Vec::new() } else { self.store.facts(&wanted).await? }.into_iter();
        let step = |(job, step): (&'a Job, Step<Loaded<'a>>)| match step {
            Step::Ended(outcome) => Step::Ended(outcome),
            Step::Next(Loaded::Call(part)) => call_alone(job, part, at),
            Step::Next(Loaded::Event(event)) => event_alone(job, event, at),
            Step::Next(Loaded::Ledger) => nothing_but_the_job(job, at),
            Step::Next(Loaded::Input(loaded)) => match facts.next() {
                Some(facts) => self.decide_one(job, *loaded, facts, at),
                None => Step::Ended(Outcome::Again),
            },
        };
        Ok(loaded.into_iter().map(step).collect())
    }

    fn decide_one<'a>(
        &self,
        job: &'a Job,
        loaded: LoadedInput<'a>,
        facts: Result<Facts, StoreError>,
        at: DateTime<Utc>,
    ) -> Step<Decided<'a>> {
        let facts = match facts {
            Ok(facts) => facts,
            Err(error) => return Step::Ended(Outcome::Failed(error.into())),
        };
        let LoadedInput { input, call, if_match, state, is_cached, business, may_write, .. } = loaded;
        if let (Some(if_match), Some(state)) = (if_match, &state)
            && !if_match.holds(state)
        {
            return Step::Ended(self.newer(state, is_cached));
        }
        let rules_input = match (&input.happening, facts.message) {
            (Happening::Input(rules_input) | Happening::Analyzed { outcome: rules_input, .. }, _) => {
                rules_input.clone()
            }
            (Happening::Message { report, .. }, Some(message)) => {
                Input::MessageReported { message: message.sent(), report: report.clone() }
            }
            (Happening::Message { .. }, None) => return Step::Ended(Outcome::NotFound),
        };
        if let Some(state) = &state
            && conversation::must_end_first(&self.policy, &business, state, &rules_input, at)
        {
            return Step::Ended(Outcome::Idle { conversation_id: state.id, version: state.version });
        }
        let context = Context {
            policy: &self.policy,
            business: &business,
            opted_out_at: facts.opted_out_at,
            missed_call_sms_at: facts.missed_call_sms_at,
            may_write,
            other_business: facts.other_business,
            other_conversations: &facts.other_conversations,
            unpaired_texts: &facts.unpaired_texts,
            day_use: facts.day_use,
            codes_in_use: facts.codes_in_use.as_deref(),
        };
        // A panic is the fault of this input alone.
        let decided = catch_unwind(AssertUnwindSafe(|| {
            conversation::decide(context, state.as_ref(), &input.id, &rules_input, at).map(|mut decision| {
                if matches!(rules_input, Input::SmsReceived(_)) {
                    window_traces::join(&mut decision.conversation, &input.trace);
                }
                let since = effects::Since { before: state.as_ref(), took: input.happening.analysis_took() };
                let rows = effects::rows(&decision, &business, since, &input.trace, at);
                let audit = audit::entry(&rules_input, &decision);
                (Decision { decision, audit, reported: Reported::of(&rules_input) }, rows)
            })
        }));
        let (decision, rows) = match decided {
            Ok(Some(decided)) => decided,
            // An answered call of somebody who has no conversation.
            Ok(None) => return call.map_or(Step::Ended(Outcome::NotFound), |part| call_alone(job, part, at)),
            Err(panic) => return Step::Ended(Outcome::Panicked(panic)),
        };
        if !decision.decision.changed {
            return match (self.unchanged(decision.decision, is_cached), call) {
                (Outcome::Unchanged { .. }, Some(part)) => call_alone(job, part, at),
                (outcome, _) => Step::Ended(outcome),
            };
        }
        let conversation_id = decision.decision.conversation.id;
        let mut outbox = call.map(|part| part.rows.clone()).unwrap_or_default();
        outbox.extend(rows);
        let call_outcome = call.and_then(|part| part.outcome);
        let is_missed = matches!(rules_input, Input::CallMissed(_));
        let call = call.map(|part| Call {
            conversation_id: is_missed.then_some(conversation_id).or(part.call.conversation_id),
            ..part.call.clone()
        });
        Step::Next(Decided { job, decision: Some(decision), call, call_outcome, day: business.day(at), outbox })
    }

    /// The conversation is not in the state that the input is about. A cached state may be older than that one.
    fn newer(&self, state: &Conversation, is_cached: bool) -> Outcome {
        if is_cached {
            self.conversation_cache.forget(state);
            return Outcome::Again;
        }
        Outcome::Newer(Seen::of(state))
    }

    fn unchanged(&self, decision: conversation::Decision, is_cached: bool) -> Outcome {
        if is_cached {
            // The cached state may be stale: an input that changes nothing there may change the row.
            self.conversation_cache.forget(&decision.conversation);
            return Outcome::Again;
        }
        let timer = decision.effects.iter().rev().find_map(|effect| match effect {
            Effect::ArmTimer { at } => Some(*at),
            _ => None,
        });
        let (conversation_id, status) = (decision.conversation.id, decision.conversation.status);
        Outcome::Unchanged { conversation_id, status, timer }
    }

    /// Counts the new messages, and what became of the one that is reported on. Of one that is held back, the sender
    /// counts the outcome: here it is not known whether it was sent already.
    fn count_messages(&self, decision: &conversation::Decision, reported: Option<&Reported>) {
        for message in &decision.messages {
            self.metrics.message(message.kind, message.status);
            self.metrics.business_message(&decision.conversation.business_id, message.kind);
        }
        let Some(reported) = reported else { return };
        for update in decision.message_updates.iter().filter(|update| update.id == reported.message_id) {
            self.metrics.message(reported.kind, update.status);
            if let Some(code) = reported.error {
                self.metrics.sms_error(code);
            }
        }
    }

    /// Counts what a committed decision did.
    pub(super) fn count(&self, Decision { decision, reported, .. }: &Decision) {
        self.count_messages(decision, reported.as_ref());
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
        for limit in &decision.stopped_by {
            self.metrics.stopped_by_limit(*limit);
        }
        if decision.false_alarm.is_some() {
            self.metrics.emergency_false_alarm();
        }
        for effect in &decision.effects {
            if let Effect::Emit(event) = effect
                && let EventData::ConversationCompleted(ended) = &event.data
            {
                self.metrics.conversation_completed(ended.outcome.as_deref());
            }
        }
    }
}

/// A report on a message.
struct Reported {
    message_id: Uuid,
    kind: MessageKind,
    /// Twilio's error, if the message was refused or not delivered; its code, if it has one that is known.
    error: Option<Option<i32>>,
}

impl Reported {
    fn of(input: &Input) -> Option<Self> {
        let Input::MessageReported { message, report } = input else { return None };
        let error = match report {
            MessageReport::Rejected { code, .. } => Some(*code),
            MessageReport::Delivery {
                status: DeliveryStatus::Undelivered | DeliveryStatus::Failed,
                error_code,
                ..
            } => Some(*error_code),
            _ => None,
        };
        let known = |code: &i32| twilio::explain(*code).is_some();
        Some(Self { message_id: message.id, kind: message.kind, error: error.map(|code| code.filter(known)) })
    }
}

/// A call record that changes no conversation.
fn call_alone<'a>(job: &'a Job, part: &CallPart, at: DateTime<Utc>) -> Step<Decided<'a>> {
    let (call, day, outbox) = (Some(part.call.clone()), at.date_naive(), part.rows.clone());
    Step::Next(Decided { job, decision: None, call, call_outcome: part.outcome, day, outbox })
}

/// An event that is about no conversation.
fn event_alone<'a>(job: &'a Job, event: &OutboxRow, at: DateTime<Utc>) -> Step<Decided<'a>> {
    let (day, outbox) = (at.date_naive(), vec![event.clone()]);
    Step::Next(Decided { job, decision: None, call: None, call_outcome: None, day, outbox })
}

/// A change of the ledger: all of it is in the job.
fn nothing_but_the_job(job: &Job, at: DateTime<Utc>) -> Step<Decided<'_>> {
    let (day, outbox) = (at.date_naive(), Vec::new());
    Step::Next(Decided { job, decision: None, call: None, call_outcome: None, day, outbox })
}

fn facts_of<'a>(loaded: &'a LoadedInput<'_>, at: DateTime<Utc>) -> FactsOf<'a> {
    let happening = &loaded.input.happening;
    FactsOf {
        business_id: &loaded.business.id,
        customer: &loaded.customer,
        conversation_id: loaded.state.as_ref().map(|conversation| conversation.id),
        message_id: happening.message_id(),
        missed_call: matches!(happening, Happening::Input(Input::CallMissed(_))),
        other_business: happening.may_be_answered(),
        other_conversations: happening.may_take_over(),
        text: happening.text().map(|sms| TextOf {
            business_phone: &sms.business_phone,
            channel: Channel::of_sid(&sms.twilio_sid),
            received_at: sms.received_at,
        }),
        day: happening.may_spend().then(|| loaded.business.day(at)),
        codes: loaded.business.relay_to.is_some()
            && match &loaded.state {
                None => happening.is_text(),
                // What has collected may be relayed by whatever happens.
                Some(conversation) => {
                    let relay = &conversation.memory.relay;
                    relay.code.is_none() && (happening.is_text() || !relay.pending.is_empty())
                }
            },
    }
}
