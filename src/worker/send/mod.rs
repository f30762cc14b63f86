//! Sending: the message's slot, the fence and the claim, the request to Twilio, and the outcome.
//!
//! Reads from NMC_TASKS; writes to Twilio and the engine. It guarantees that a message goes to Twilio once: it is
//! claimed in its row before the POST, and if the answer is lost, `reconcile` finds out the outcome before anything is
//! retried.

mod chain;
mod conversations;
mod ports;
mod reconcile;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;
use tracing::{Instrument, Span};

use crate::adapters::jetstream::Publisher;
use crate::adapters::postgres::Store;
use crate::adapters::twilio::{OutgoingSms, SendOutcome, TwilioClient};
use crate::businesses::Accounts;
use crate::config::{PublicUrl, Rate};
use crate::domain::alert_pace::AlertTurn;
use crate::domain::conversation::{MessageKind, MessageReport, MessageStatus, Priority};
use crate::domain::sms_segments;
use crate::engine::{AnswerTask, Applied, Engine, Happening, Input, Publish, SendTask, Target};
use crate::store::{Claim, Claimed, DueMessage, SendingAccount};
use crate::stream::{DeadReason, FailureReason, Metadata};
use crate::telemetry::{AnswerTimes, Metrics, SmsResult, Stage};
use crate::trace::{self, Trace};
use crate::worker::bundled_alerts::report_bundled;
use crate::worker::{Handler, retry_delay, retry_or_wait};

pub use chain::send;
pub use ports::{OutboundStore, SmsGateway};

/// The POST starts within this time of the claim, by the monotonic clock (docs/design.md, Fence and claim).
const LEASE: Duration = Duration::from_secs(2);
/// A message that could not be sent for this long is not sent any more: a late answer would only confuse.
const TOO_OLD: TimeDelta = TimeDelta::minutes(30);
/// How long Twilio may keep a message of a person, or about an emergency, in its queue …
const VALIDITY: Duration = Duration::from_secs(60 * 60);
/// … and a message of the AI, which a takeover cannot call back from there.
const VALIDITY_OF_AI: Duration = Duration::from_secs(10 * 60);
/// The delay before an unknown outcome is checked: the status callback may have come by then.
const FIRST_LOOK: Duration = Duration::from_millis(500);

const MESSAGE_NOT_FOUND: DeadReason = DeadReason::new("message_gone");

/// Sends messages through Twilio.
pub struct SmsSender<R = Store, P = Publisher, T = TwilioClient> {
    pub twilio: T,
    pub accounts: Accounts<R>,
    pub engine: Engine<R, P>,
    /// The base URL of status callbacks.
    pub public_url: PublicUrl,
    /// Segments per sender number.
    pub send_rate: Rate,
    /// How long after an attempt Twilio's list may prove that Twilio did not get the message.
    pub reconcile_after: Duration,
    /// How long alerts to a phone are collected, once there are many.
    pub alert_bundle: Duration,
    pub metrics: Metrics,
}

/// One delivery of one task.
struct Turn<'a> {
    task: &'a SendTask,
    metadata: &'a Metadata,
    due: DueMessage,
}

impl<R: OutboundStore, P: Publish, T: SmsGateway> Handler<SendTask> for SmsSender<R, P, T> {
    async fn run(&self, task: SendTask, metadata: Arc<Metadata>) -> Result<(), FailureReason> {
        let due = self.engine.store().due_message(task.message_id).await;
        let due = due.map_err(|e| retry_or_wait(metadata.delivery_count, e))?;
        let Some(due) = due else {
            return Err(FailureReason::dead(MESSAGE_NOT_FOUND, "the message is not in the store"));
        };
        let mut turn = Turn { task: &task, metadata: &metadata, due };
        match turn.due.message.status {
            MessageStatus::Queued => self.try_to_send(&mut turn).await,
            MessageStatus::Sending => self.find_out(&turn).await,
            MessageStatus::Superseded => {
                // It was held back while it waited.
                self.metrics.message(turn.due.message.kind, MessageStatus::Superseded);
                Ok(())
            }
            _ => Ok(()), // its outcome is known
        }
    }
}

impl<R: OutboundStore, P: Publish, T: SmsGateway> SmsSender<R, P, T> {
    async fn try_to_send(&self, turn: &mut Turn<'_>) -> Result<(), FailureReason> {
        let ready_at = turn.due.not_before.unwrap_or(turn.due.message.created_at);
        if let Ok(wait) = (ready_at - self.engine.now()).to_std() {
            return Err(FailureReason::wait(wait, "the quiet hours are over"));
        }
        if self.engine.now() - ready_at > TOO_OLD {
            self.metrics.sms(SmsResult::Expired);
            return self.report(turn, MessageReport::Expired).await;
        }
        if self.is_unwanted(turn).await? {
            self.metrics.sms(SmsResult::Superseded);
            return self.report(turn, MessageReport::Superseded).await;
        }
        if turn.due.may_be_bundled {
            self.wait_for_bundle(turn).await?;
        }
        self.wait_for_slot(turn).await?;
        let account = self.accounts.of(&turn.due.business_id).await.map_err(|e| turn.retry(e))?;
        let route = self.route(turn, &account).await?;
        let before_claim = Instant::now();
        let id = turn.task.message_id;
        let (is_main, conversation_sid) = (self.accounts.is_main(&account.sid), route.conversation_sid());
        let sender = SendingAccount { sid: &account.sid, is_main, conversation_sid };
        let claimed = self.engine.store().claim(id, sender, LEASE, self.engine.now()).instrument(claim_span()).await;
        let claimed = claimed.map_err(|e| turn.retry(e))?;
        self.metrics.stage(Stage::Claim, before_claim.elapsed(), Some(&turn.trace()));
        let claimed = match claimed {
            Claim::Ours(claimed) => claimed,
            Claim::Stale => {
                self.metrics.sms(SmsResult::Superseded);
                return self.report(turn, MessageReport::Superseded).await;
            }
            Claim::Taken => return Err(FailureReason::retry(FIRST_LOOK, "another worker is sending the message")),
        };
        crate::failpoint::hit("after_claim");
        if before_claim.elapsed() >= LEASE {
            self.release_claim(turn, claimed).await?;
            return Err(FailureReason::retry(Duration::ZERO, "the lease expired before the POST"));
        }
        let asked_at = Instant::now();
        let outcome = self.send_by(turn, &account, route).await;
        let took = asked_at.elapsed();
        self.metrics.stage(Stage::Twilio, took, Some(&turn.trace()));
        if let (SendOutcome::Accepted { .. }, Some(answer)) = (&outcome, &turn.task.answer) {
            self.metrics.answered(&self.answer_times(answer, took), Some(&turn.trace()));
        }
        self.apply_outcome(turn, claimed, outcome).await
    }

    /// Whether this is a relay to a phone that gets none any more: the owner is away, has opted out, or has another phone by now.
    /// It may have waited for the end of the owner's quiet hours, or for its turn.
    async fn is_unwanted(&self, turn: &Turn<'_>) -> Result<bool, FailureReason> {
        if turn.due.message.kind != MessageKind::Relay {
            return Ok(false);
        }
        let business = self.engine.business_cache().by_id(&turn.due.business_id).await.map_err(|e| turn.retry(e))?;
        Ok(business.is_none_or(|business| business.for_rules().relay_to.as_ref() != Some(&turn.due.to)))
    }

    /// Waits while further alerts to the same phone are collected, and takes them along.
    async fn wait_for_bundle(&self, turn: &mut Turn<'_>) -> Result<(), FailureReason> {
        let (store, id, now) = (self.engine.store(), turn.task.message_id, self.engine.now());
        let next = store.alert_turn(id, self.alert_bundle, now).await.map_err(|e| turn.retry(e))?;
        match next {
            AlertTurn::Alone => {}
            AlertTurn::Bundle(text) => turn.due.message.body = text,
            AlertTurn::Held(until) => {
                let wait = (until - now).to_std().unwrap_or_default();
                return Err(FailureReason::wait(wait, "further alerts are collected"));
            }
        }
        Ok(())
    }

    /// The times of an answer that Twilio has just accepted, after this long.
    fn answer_times(&self, answer: &AnswerTask, twilio: Duration) -> AnswerTimes {
        AnswerTimes {
            all: (self.engine.now() - answer.opened_at).to_std().unwrap_or_default(),
            person: (answer.due_at - answer.opened_at).to_std().unwrap_or_default(),
            dispatchbot: Duration::from_millis(answer.dispatchbot_ms),
            twilio,
        }
    }

    /// Reserves the message's slot in its sender's rate, once, and waits for it.
    async fn wait_for_slot(&self, turn: &Turn<'_>) -> Result<(), FailureReason> {
        let at = match turn.due.send_at {
            Some(at) => at,
            None => {
                let cost = self.send_rate.interval() * sms_segments::count(&turn.due.message.body);
                let (store, id, sender) = (self.engine.store(), turn.task.message_id, &turn.due.business_phone);
                let reserved = if turn.due.message.kind.is_behind_others() {
                    store.reserve_slot_behind(id, sender, cost).await
                } else if turn.due.priority == Priority::Urgent {
                    store.reserve_slot_ahead(id, sender, cost).await
                } else {
                    store.reserve_slot(id, sender, cost).await
                };
                reserved.map_err(|e| turn.retry(e))?
            }
        };
        match (at - self.engine.now()).to_std() {
            Ok(wait) if !wait.is_zero() => {
                self.metrics.sms(SmsResult::RateLimited);
                Err(FailureReason::wait(wait, "its slot under the send rate is reached"))
            }
            _ => Ok(()),
        }
    }

    fn sms(&self, turn: &Turn<'_>) -> OutgoingSms {
        let validity = match turn.due.message.kind {
            MessageKind::User
            | MessageKind::Alert
            | MessageKind::OwnerNotice
            | MessageKind::Notice
            | MessageKind::Emergency
            | MessageKind::Reminder => VALIDITY,
            _ => VALIDITY_OF_AI,
        };
        OutgoingSms {
            validity,
            to: turn.due.to.to_string(),
            from: turn.due.business_phone.to_string(),
            body: turn.due.message.body.clone(),
            // With the message id in it, the callback proves the send even if the answer is lost.
            status_callback: self
                .public_url
                .join(&format!("/webhooks/twilio/message-status?message_id={}", turn.task.message_id)),
        }
    }

    async fn apply_outcome(
        &self,
        turn: &Turn<'_>,
        claimed: Claimed,
        outcome: SendOutcome,
    ) -> Result<(), FailureReason> {
        match outcome {
            SendOutcome::Accepted { sid, segments, .. } => {
                crate::failpoint::hit("after_twilio_accepted");
                self.metrics.sms(SmsResult::Accepted);
                let after = self.engine.now() - turn.task.responds_to;
                self.metrics.sms_accepted_after(after.to_std().unwrap_or_default());
                self.report(turn, MessageReport::Accepted { twilio_sid: sid, segments: Some(segments) }).await
            }
            SendOutcome::Rejected { code, http_status, .. } => {
                self.metrics.sms(SmsResult::Rejected);
                let known = code.and_then(crate::adapters::twilio::explain);
                let why = known.map_or_else(|| format!("Twilio answered {http_status}"), str::to_owned);
                let code = code.and_then(|code| i32::try_from(code).ok());
                self.report(turn, MessageReport::Rejected { code, why }).await
            }
            SendOutcome::NotProcessed { retry_after, reason } => {
                self.release_claim(turn, claimed).await?;
                let wait = retry_after.unwrap_or_else(|| retry_delay(turn.metadata.delivery_count));
                Err(FailureReason::retry(wait, reason))
            }
            SendOutcome::Unknown { reason } => {
                self.metrics.sms(SmsResult::Unknown);
                Err(FailureReason::retry(FIRST_LOOK, reason))
            }
        }
    }

    async fn release_claim(&self, turn: &Turn<'_>, claimed: Claimed) -> Result<(), FailureReason> {
        self.engine.store().release_claim(turn.task.message_id, claimed).await.map_err(|e| turn.retry(e))
    }

    /// Reports the outcome of a message to its conversation.
    async fn report(&self, turn: &Turn<'_>, report: MessageReport) -> Result<(), FailureReason> {
        let word = match &report {
            MessageReport::Accepted { .. } => "accepted",
            MessageReport::Rejected { .. } => "rejected",
            MessageReport::Superseded => "superseded",
            MessageReport::Expired => "expired",
            MessageReport::Unknown => "unknown",
            MessageReport::Delivery { .. } => "delivery",
        };
        let id = format!("sms:{}:{word}", turn.task.message_id);
        let trace = turn.trace();
        let happening = Happening::Message { id: turn.task.message_id, report: report.clone() };
        let target = Target::Id(turn.task.conversation_id);
        let input = Input { id, body_hash: None, trace: trace.clone(), target, happening };
        let applied = self.engine.apply(input).await.map_err(|e| turn.retry(e))?;
        if turn.due.may_be_bundled {
            let reported = report_bundled(&self.engine, turn.task.message_id, &report, &trace).await;
            reported.map_err(|e| turn.retry(e))?;
        }
        match applied {
            Applied::Now(_) => Ok(()),
            Applied::Nothing { .. } | Applied::Before { .. } => self.known(turn).await,
        }
    }

    /// A task is done only once its message's outcome is known. If a report changed nothing, another worker may have
    /// claimed the message in the meantime; if that worker dies, only this task can resolve the message.
    async fn known(&self, turn: &Turn<'_>) -> Result<(), FailureReason> {
        let message = self.engine.store().message(turn.task.message_id).await.map_err(|e| turn.retry(e))?;
        match message.map(|message| message.status) {
            Some(MessageStatus::Queued | MessageStatus::Sending) => {
                Err(FailureReason::retry(FIRST_LOOK, "another worker is sending the message"))
            }
            _ => Ok(()),
        }
    }
}

fn claim_span() -> Span {
    tracing::trace_span!(
        target: trace::TARGET,
        "postgresql",
        otel.name = "UPDATE messages",
        otel.kind = "client",
        db.system.name = "postgresql",
        db.operation.name = "UPDATE",
        db.collection.name = "messages",
    )
}

impl Turn<'_> {
    fn trace(&self) -> Trace {
        Trace::current_or(self.metadata.traceparent())
    }

    fn retry(&self, error: impl std::error::Error + Send + Sync + 'static) -> FailureReason {
        retry_or_wait(self.metadata.delivery_count, error)
    }

    /// When the last attempt was made.
    fn attempted_at(&self) -> DateTime<Utc> {
        self.due.attempted_at.unwrap_or(self.due.message.created_at)
    }
}
