//! Outgoing messages: the claim, Twilio, its list and its callbacks, and the reconciliation after a lost answer. Models
//! `crate::worker::send` and the statements in `src/adapters/postgres/` (`claims.rs`, `slots.rs`, `sending.rs`).

use super::guarantees::Broken;
use super::scenario::{Outcome, Post};
use super::world::{Job, Planted, ScannedWebhook, Target, Told, World};
use super::*;

const LEASE_MS: i64 = 2_000;
const TOO_OLD: TimeDelta = TimeDelta::minutes(30);
const FIRST_LOOK_MS: i64 = 500;
const BETWEEN_READS_MS: i64 = 3_000;
const RECONCILE_AFTER_MS: i64 = 30_000;
const ABSENT_READS_REQUIRED: u32 = 2;
const MAX_ATTEMPTS: u32 = 2;
const NOT_PROVABLE_MS: i64 = 30 * 60 * 1_000;
/// While the list is unreachable, it is read less and less often.
const DEAF_READS_MS: i64 = 240_000;

/// A row of `messages`, with fields that only the model knows.
pub struct Row {
    pub id: Uuid,
    pub conversation: usize,
    pub kind: MessageKind,
    pub recipient: Option<PhoneNumber>,
    pub status: MessageStatus,
    pub twilio_sid: Option<String>,
    pub in_reply_to_window: Option<Uuid>,
    pub fence: Option<Fence>,
    /// Whether it says that an AI writes.
    pub discloses: bool,
    pub created_at: DateTime<Utc>,
    /// The number of the input that created it.
    pub since: u32,
    claim: Option<u32>,
    lease_until: i64,
    attempts: u32,
    attempted_at: i64,
    absent_reads: u32,
    deaf_reads: u8,
    /// How often Twilio accepted it, even if we do not know.
    pub taken: u32,
}

/// An entry of Twilio's list.
pub struct Listed {
    message: usize,
    sid: String,
    from: i64,
}

impl Row {
    pub fn new(conversation: usize, message: &NewMessage, since: u32) -> Self {
        Self {
            id: message.id,
            conversation,
            kind: message.kind,
            recipient: message.recipient.clone(),
            status: message.status,
            twilio_sid: message.twilio_sid.clone(),
            in_reply_to_window: message.in_reply_to_window,
            fence: message.fence,
            discloses: message.body.contains("AI assistant"),
            created_at: message.created_at,
            since,
            claim: None,
            lease_until: 0,
            attempts: 0,
            attempted_at: 0,
            absent_reads: 0,
            deaf_reads: 0,
            taken: 0,
        }
    }

    /// The message in the form that the rules get.
    pub fn sent(&self) -> SentMessage {
        SentMessage {
            id: self.id,
            status: self.status,
            kind: self.kind,
            twilio_sid: self.twilio_sid.clone(),
            in_reply_to_window: self.in_reply_to_window,
            created_at: self.created_at,
        }
    }

    /// Models `update_message` in `src/adapters/postgres/commit.rs`.
    pub fn update(&mut self, update: &MessageUpdate) -> Result<(), Broken> {
        if self.status != update.expected.unwrap_or(MessageStatus::Queued) {
            return match update.expected {
                // The row was read at the time of the decision.
                Some(_) => Err(format!("{update:?} does not fit a {} message", self.status)),
                None => Ok(()),
            };
        }
        let backwards = self.status.is_accepted() && !update.status.is_accepted() && !update.status.is_terminal();
        if self.status.is_terminal() || backwards {
            return Err(format!("a message goes from {} to {}", self.status, update.status));
        }
        self.status = update.status;
        if update.twilio_sid.is_some() {
            self.twilio_sid.clone_from(&update.twilio_sid);
        }
        self.claim = None;
        Ok(())
    }
}

/// Whether a message is claimed: the condition of `Store::claim` (src/adapters/postgres/claims.rs).
fn passes(row: &Row, conversation: &Conversation, opted_out: bool, now: DateTime<Utc>, planted: Planted) -> bool {
    let is_to_customer = row.recipient.is_none();
    let mut message = Fenced { is_to_customer, fence: row.fence, in_reply_to_window: row.in_reply_to_window };
    let mut standing = Standing { opted_out, ..Standing::of(conversation) };
    match (planted, &mut message.fence) {
        (Planted::NoLedger, _) => standing.opted_out = false,
        (Planted::NoHardFence, Some(fence)) => fence.hard_epoch = conversation.hard_epoch,
        (Planted::NoFence, Some(fence)) => fence.epoch = conversation.epoch,
        _ => {}
    }
    row.status == MessageStatus::Queued && standing.lets_pass(&message, now)
}

impl World<'_> {
    /// A delivery of the task to send a message.
    pub fn turn_to_send(&mut self, message: usize) -> Result<(), Broken> {
        match self.rows[message].status {
            MessageStatus::Queued => self.try_to_send(message),
            MessageStatus::Sending => self.find_out(message),
            _ => Ok(()),
        }
    }

    fn try_to_send(&mut self, message: usize) -> Result<(), Broken> {
        let row = &self.rows[message];
        if self.now() - row.created_at > TOO_OLD {
            return self.tell(message, "expired", MessageReport::Expired);
        }
        let conversation = &self.conversations[row.conversation];
        let its_own = self.has_number || self.planted == Planted::NoOwner;
        if !its_own || !passes(row, conversation, self.ledger.is_some(), self.now(), self.planted) {
            self.later(15, Job::HeldBack { message });
            return Ok(());
        }
        self.may_be_claimed(message)?;
        let post = self.next_post();
        let (clock, sequence) = (self.clock, self.inputs);
        let row = &mut self.rows[message];
        row.status = MessageStatus::Sending;
        row.attempts += 1;
        let claim = sequence * 8 + row.attempts;
        row.claim = Some(claim);
        row.lease_until = clock + LEASE_MS;
        row.attempted_at = clock;
        row.absent_reads = 0;
        self.post(message, post)?;
        self.later(post.after_ms, Job::Outcome { message, claim, post });
        Ok(())
    }

    /// The POST arrives at Twilio.
    fn post(&mut self, message: usize, post: Post) -> Result<(), Broken> {
        let listed_after_ms = match post.outcome {
            Outcome::Accepts => 0,
            Outcome::Lost { sent: true, listed_after_ms, .. } => listed_after_ms,
            _ => return Ok(()),
        };
        self.taken_by_twilio(message)?;
        let sid = format!("SM-out-{message}-{}", self.rows[message].attempts);
        self.listed.push(Listed { message, sid: sid.clone(), from: self.clock + listed_after_ms });
        for (after_ms, status) in post.callbacks {
            self.later(*after_ms, Job::Callback { message, sid: sid.clone(), status: *status });
        }
        Ok(())
    }

    /// Twilio's answer, or its absence.
    pub fn outcome(&mut self, message: usize, claim: u32, post: Post) -> Result<(), Broken> {
        match post.outcome {
            Outcome::Accepts => {
                let sid = self.listed.iter().rfind(|listed| listed.message == message).map(|listed| listed.sid.clone());
                let report = MessageReport::Accepted { twilio_sid: sid.unwrap_or_default(), segments: Some(1) };
                self.tell(message, "accepted", report)
            }
            Outcome::Refuses(code) => {
                self.tell(message, "rejected", MessageReport::Rejected { code: Some(code), why: "no".into() })
            }
            Outcome::Busy { retry_after_ms } => {
                let row = &mut self.rows[message];
                if row.status == MessageStatus::Sending && row.claim == Some(claim) {
                    row.status = MessageStatus::Queued;
                    row.claim = None;
                    row.attempts -= 1;
                }
                self.later(retry_after_ms, Job::Send { message });
                Ok(())
            }
            Outcome::Lost { deaf_reads, .. } => {
                let row = &mut self.rows[message];
                if self.planted == Planted::NoReconciling && row.status == MessageStatus::Sending {
                    row.status = MessageStatus::Queued;
                }
                row.deaf_reads = deaf_reads;
                self.later(FIRST_LOOK_MS, Job::Send { message });
                Ok(())
            }
        }
    }

    /// The claim failed.
    pub fn held_back(&mut self, message: usize) -> Result<(), Broken> {
        if self.rows[message].status == MessageStatus::Queued {
            return self.tell(message, "superseded", MessageReport::Superseded);
        }
        self.later(FIRST_LOOK_MS, Job::Send { message });
        Ok(())
    }

    /// Models `worker::send::reconcile`.
    fn find_out(&mut self, message: usize) -> Result<(), Broken> {
        let clock = self.clock;
        let row = &mut self.rows[message];
        let age = clock - row.attempted_at;
        if row.lease_until > clock {
            let left = row.lease_until - clock;
            self.later(left, Job::Send { message });
            return Ok(());
        }
        if row.deaf_reads > 0 {
            if age > NOT_PROVABLE_MS {
                return self.tell(message, "unknown", MessageReport::Unknown);
            }
            let forever = row.deaf_reads == u8::MAX;
            row.deaf_reads -= u8::from(!forever);
            self.later(if forever { DEAF_READS_MS } else { BETWEEN_READS_MS }, Job::Send { message });
            return Ok(());
        }
        let listed = self.listed.iter().find(|listed| listed.message == message && listed.from <= clock);
        if let Some(listed) = listed {
            let report = MessageReport::Accepted { twilio_sid: listed.sid.clone(), segments: None };
            return self.tell(message, "accepted", report);
        }
        if age < RECONCILE_AFTER_MS {
            self.later((RECONCILE_AFTER_MS - age).min(BETWEEN_READS_MS), Job::Send { message });
            return Ok(());
        }
        let row = &mut self.rows[message];
        row.absent_reads += 1;
        if row.absent_reads < ABSENT_READS_REQUIRED {
            self.later(BETWEEN_READS_MS, Job::Send { message });
        } else if row.attempts >= MAX_ATTEMPTS {
            return self.tell(message, "unknown", MessageReport::Unknown);
        } else {
            row.status = MessageStatus::Queued;
            row.claim = None;
            self.later(0, Job::Send { message });
        }
        Ok(())
    }

    /// Reports the outcome of the task. `Happens::Again` does not repeat it: only a redelivery of the task does.
    fn tell(&mut self, message: usize, word: &str, report: MessageReport) -> Result<(), Broken> {
        let id = format!("sms:{}:{word}", self.rows[message].id);
        let target = Target::Conversation(self.rows[message].conversation);
        self.apply(&ScannedWebhook { target, id, told: Told::Report { message, report } })
    }

    /// A status callback.
    pub fn called_back(&mut self, message: usize, sid: String, status: DeliveryStatus) -> Result<(), Broken> {
        let id = format!("status:{sid}:{status}");
        let target = Target::Conversation(self.rows[message].conversation);
        // An opt-out that only Twilio knows may also be reported late.
        let error_code = (status == DeliveryStatus::Failed).then_some(21_610);
        let report = MessageReport::Delivery { twilio_sid: sid, status, error_code, why: None };
        self.hear(target, id, Told::Report { message, report }).map(drop)
    }
}
