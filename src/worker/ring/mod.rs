//! Calls to people in an emergency: the claim, the request to Twilio, and what becomes of it.
//!
//! Reads from NMC_TASKS; writes to Twilio and the engine. It guarantees that a step is not lost: the task is acknowledged
//! only once the conversation knows that the call was placed, or cannot be placed. A call whose outcome is not known is
//! placed again: in an emergency a call too many is better than none. No call is placed once somebody has taken the
//! emergency.

mod ports;

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::adapters::jetstream::Publisher;
use crate::adapters::postgres::Store;
use crate::adapters::twilio::{OutgoingCall, SendOutcome, TwilioClient};
use crate::domain::conversation::{self, RingReport};
use crate::domain::phone::PhoneNumber;
use crate::engine::{Happening, Input, Publish, RingTask, Target};
use crate::store::{RingRequest, RingTurn};
use crate::stream::{DeliveryStreamExt, FailureReason, Metadata, SettleSummary};
use crate::trace::Trace;
use crate::webhook::ladder;
use crate::worker::send::{OutboundStore, SmsGateway, SmsSender};
use crate::worker::{Adapters, Handler, Source, WorkerDeps, handler, retry_delay, retry_or_wait};

pub use ports::{CallGateway, RingStore};

const MAX_CONCURRENCY: usize = 64;
/// A call that waits for its turn, or for Twilio, is delivered many times: it expires by age, never by count.
const MAX_DELIVERIES: u64 = u64::MAX;
/// Nobody else places a call before this: longer than Twilio may take to answer.
const LEASE: Duration = Duration::from_secs(12);
/// The POST starts within this time of the claim.
const START_WITHIN: Duration = Duration::from_secs(2);
/// After this the next person is called instead.
const TOO_OLD: TimeDelta = TimeDelta::minutes(30);
/// How long a phone rings: most voicemails answer before.
const RINGS_FOR: Duration = Duration::from_secs(25);
/// After an unknown outcome, the report on the call may come first.
const AFTER_UNKNOWN: Duration = Duration::from_secs(3);
/// How often it is looked whether another worker has placed the call.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Calls, one at a time for each conversation.
pub fn ring<N: Adapters>(
    parts: &WorkerDeps<N>,
    shutdown: CancellationToken,
) -> impl Future<Output = SettleSummary> + Send + use<N> {
    let ringer = Arc::new(Ringer { sender: Arc::clone(&parts.sms_sender) });
    parts
        .jetstream
        .deliveries("NMC_TASKS", "ring", shutdown.clone())
        .decode::<RingTask>()
        .keyed(MAX_CONCURRENCY, |task| task.conversation_id, handler(&ringer, shutdown))
        .dead_letter(Arc::clone(&parts.dead), MAX_DELIVERIES)
        .settle()
}

/// Places calls through Twilio, with what the sender of messages has.
struct Ringer<R = Store, P = Publisher, T = TwilioClient> {
    sender: Arc<SmsSender<R, P, T>>,
}

impl<R, P, T> Handler<RingTask> for Ringer<R, P, T>
where
    R: OutboundStore + RingStore,
    P: Publish,
    T: SmsGateway + CallGateway,
{
    async fn run(&self, task: RingTask, metadata: Arc<Metadata>) -> Result<(), FailureReason> {
        if self.sender.engine.now() - task.since > TOO_OLD {
            return self.report(&task, &metadata, not_placed("expired")).await;
        }
        let again = |error| retry_or_wait(metadata.delivery_count, error);
        let account = self.sender.accounts.of(&task.business_id).await;
        let account = account.map_err(|error| retry_or_wait(metadata.delivery_count, error))?;
        let request = RingRequest {
            call_id: task.call_id,
            conversation_id: task.conversation_id,
            business_id: &task.business_id,
            phone: &task.phone,
            is_owner: task.is_owner,
            about_life: task.about_life,
            account_sid: &account.sid,
            is_main: self.sender.accounts.is_main(&account.sid),
            lease: LEASE,
        };
        let asked_at = Instant::now();
        let turn = self.sender.engine.store().ring_turn(&request).await.map_err(again)?;
        let (claim, from) = match turn {
            RingTurn::Ours { claim, from } => (claim, from),
            RingTurn::Placed { call_sid } => {
                return self.report(&task, &metadata, RingReport::Placed { call_sid }).await;
            }
            RingTurn::Taken => return Err(FailureReason::retry(LOOK_AGAIN, "another worker places the call")),
            RingTurn::Wait(wait) => return Err(FailureReason::wait(wait, "it is the turn of the call")),
            RingTurn::Stale => return Ok(()),
            RingTurn::Refused(reason) => return self.report(&task, &metadata, not_placed(reason)).await,
        };
        if asked_at.elapsed() >= START_WITHIN {
            self.release(&task, &metadata, claim, false).await?;
            return Err(FailureReason::retry(Duration::ZERO, "the claim took too long"));
        }
        let outcome = self.sender.twilio.place_call(&account, &self.call(&task, &from)).await;
        self.became(&task, &metadata, claim, outcome).await
    }
}

impl<R, P, T> Ringer<R, P, T>
where
    R: OutboundStore + RingStore,
    P: Publish,
    T: SmsGateway + CallGateway,
{
    fn call(&self, task: &RingTask, from: &PhoneNumber) -> OutgoingCall {
        let url = |path: String| self.sender.public_url.join(&path);
        OutgoingCall {
            to: task.phone.to_string(),
            from: from.to_string(),
            url: url(ladder::document_path(task.call_id, task.conversation_id)),
            status_callback: url(ladder::status_path(task.call_id, task.conversation_id)),
            rings_for: RINGS_FOR,
        }
    }

    async fn became(
        &self,
        task: &RingTask,
        metadata: &Metadata,
        claim: Uuid,
        outcome: SendOutcome,
    ) -> Result<(), FailureReason> {
        tracing::info!(outcome = outcome.label(), conversation.id = %task.conversation_id, "a call in an emergency");
        match outcome {
            SendOutcome::Accepted { sid: call_sid, .. } => {
                let placed = self.sender.engine.store().ring_placed(task.call_id, &call_sid).await;
                placed.map_err(|error| retry_or_wait(metadata.delivery_count, error))?;
                self.report(task, metadata, RingReport::Placed { call_sid }).await
            }
            SendOutcome::Rejected { .. } => self.report(task, metadata, not_placed("rejected")).await,
            SendOutcome::NotProcessed { retry_after, reason } => {
                self.release(task, metadata, claim, false).await?;
                let wait = retry_after.unwrap_or_else(|| retry_delay(metadata.delivery_count));
                Err(FailureReason::retry(wait, reason))
            }
            SendOutcome::Unknown { reason } => {
                self.release(task, metadata, claim, true).await?;
                Err(FailureReason::retry(AFTER_UNKNOWN, reason))
            }
        }
    }

    async fn release(
        &self,
        task: &RingTask,
        metadata: &Metadata,
        claim: Uuid,
        counts: bool,
    ) -> Result<(), FailureReason> {
        let released = self.sender.engine.store().release_ring(task.call_id, claim, counts).await;
        released.map_err(|error| retry_or_wait(metadata.delivery_count, error))
    }

    /// Tells the conversation what became of a step. Once it is told, the task is done.
    async fn report(&self, task: &RingTask, metadata: &Metadata, report: RingReport) -> Result<(), FailureReason> {
        let word = match &report {
            RingReport::NotPlaced { reason } => reason.clone(),
            _ => "placed".to_owned(),
        };
        let reported = conversation::Input::RingReported { call_id: task.call_id, report };
        let input = Input {
            id: format!("ring:{}:{word}", task.call_id),
            body_hash: None,
            trace: Trace::current_or(metadata.traceparent()),
            target: Target::Id(task.conversation_id),
            happening: Happening::Input(reported),
        };
        let applied = self.sender.engine.apply(input).await;
        applied.map(drop).map_err(|error| retry_or_wait(metadata.delivery_count, error))
    }
}

fn not_placed(reason: &str) -> RingReport {
    RingReport::NotPlaced { reason: reason.to_owned() }
}
