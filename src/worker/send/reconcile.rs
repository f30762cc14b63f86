//! Unknown outcomes: Twilio has no idempotency key, so if its answer is lost, the outcome is found out before anything
//! is retried (docs/design.md, Unknown outcomes).
//!
//! The status callback with our message id proves the send. Without it, the message list is read: same To, From and
//! body, created since the attempt, and not another message of ours. A message that was posted to a conversation of Twilio is
//! looked for in that conversation's list, by our id of it. Absence is proven only by two reads, some time
//! after the attempt. What cannot be proven is `unknown`, and a person is notified.

use std::time::Duration;

use chrono::TimeDelta;

use super::{OutboundStore, SmsGateway, SmsSender, Turn};
use crate::adapters::outage;
use crate::adapters::twilio::ListedMessage;
use crate::domain::conversation::MessageReport;
use crate::engine::Publish;
use crate::stream::FailureReason;
use crate::telemetry::SmsResult;

/// How far Twilio's clock may be behind ours.
pub(super) const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(10);
/// After this time, two messages with the same text that could not be distinguished never will be.
const TOLD_APART: Duration = Duration::from_secs(120);
/// The pause between two reads of the list.
const BETWEEN_READS: Duration = Duration::from_secs(3);
/// How many reads prove absence.
const ABSENT_READS_REQUIRED: i32 = 2;
/// A message is sent twice at most.
const MAX_ATTEMPTS: i32 = 2;
/// If Twilio's list has been unreachable for this long, nothing can be proven any more.
const NOT_PROVABLE: Duration = Duration::from_secs(30 * 60);

impl<R: OutboundStore, P: Publish, T: SmsGateway> SmsSender<R, P, T> {
    /// A message that was claimed and whose outcome is unknown.
    pub(super) async fn find_out(&self, turn: &Turn<'_>) -> Result<(), FailureReason> {
        if !turn.due.lease_left.is_zero() {
            return Err(FailureReason::wait(turn.due.lease_left, "the lease of a send in progress has expired"));
        }
        let age = turn.due.attempt_age.unwrap_or_default();
        // Absence from the list of another account would prove nothing.
        let account = match self.accounts.tried(&turn.due.business_id, turn.due.account_sid.as_deref()).await {
            Ok(account) => account,
            // Its token cannot be read (another NMC_TOKEN_KEY) or is no longer stored, so Twilio cannot be asked.
            Err(error) if age > NOT_PROVABLE && outage::missing(&error).is_none() => return self.give_up(turn).await,
            Err(error) => return Err(turn.retry(error)),
        };
        if let Some(conversation_sid) = turn.due.twilio_conversation.as_deref() {
            return match self.posted(turn, &account, conversation_sid).await {
                Ok(Some(twilio_sid)) => {
                    self.metrics.sms(SmsResult::Accepted);
                    self.report(turn, MessageReport::Accepted { twilio_sid, segments: None }).await
                }
                Ok(None) => self.absent(turn, age).await,
                Err(_) if age > NOT_PROVABLE => self.give_up(turn).await,
                Err(error) => Err(FailureReason::retry(BETWEEN_READS, error)),
            };
        }
        let (to, from) = (turn.due.to.as_str(), turn.due.business_phone.as_str());
        let listed = match self.twilio.list_sent(&account, to, from, turn.attempted_at() - CLOCK_SKEW).await {
            Ok(listed) => listed,
            Err(_) if age > NOT_PROVABLE => return self.give_up(turn).await,
            Err(error) => return Err(FailureReason::retry(BETWEEN_READS, error)),
        };
        if let Some(sid) = self.unclaimed(turn, listed).await? {
            // It may be the other message with the same text. The status callback shows which one it is, sooner or
            // later; if it does not come, this stays unknown, and neither is sent again.
            let id = turn.task.message_id;
            if self.engine.store().has_unknown_twin(id).await.map_err(|e| turn.retry(e))? {
                if age >= TOLD_APART {
                    return self.give_up(turn).await;
                }
                return Err(FailureReason::retry(BETWEEN_READS, "two messages with the same text are being sent"));
            }
            self.metrics.sms(SmsResult::Accepted);
            return self.report(turn, MessageReport::Accepted { twilio_sid: sid, segments: None }).await;
        }
        self.absent(turn, age).await
    }

    /// The oldest listed message that matches this one and is not known to be another.
    async fn unclaimed(&self, turn: &Turn<'_>, listed: Vec<ListedMessage>) -> Result<Option<String>, FailureReason> {
        let mut alike: Vec<ListedMessage> =
            listed.into_iter().filter(|m| m.body == turn.due.message.body && m.direction != "inbound").collect();
        alike.sort_by_key(|m| m.date_created);
        let sids: Vec<String> = alike.into_iter().map(|m| m.sid).collect();
        let adopted = self.engine.store().adopted(&sids).await.map_err(|e| turn.retry(e))?;
        Ok(sids.into_iter().find(|sid| !adopted.contains(sid)))
    }

    async fn absent(&self, turn: &Turn<'_>, age: Duration) -> Result<(), FailureReason> {
        let waiting = self.reconcile_after.saturating_sub(age);
        if !waiting.is_zero() {
            // Absence from the list proves nothing yet: read again, at the latest when it does.
            return Err(FailureReason::retry(waiting.min(BETWEEN_READS), "Twilio's answer was lost"));
        }
        let store = self.engine.store();
        let (id, attempts) = (turn.task.message_id, turn.due.attempts);
        let reads = store.count_absent_read(id, attempts).await.map_err(|e| turn.retry(e))?;
        if reads < ABSENT_READS_REQUIRED {
            let wait = BETWEEN_READS.min(self.reconcile_after);
            return Err(FailureReason::retry(wait, "absent from Twilio's list, which is read again"));
        }
        if attempts >= MAX_ATTEMPTS {
            return self.give_up(turn).await;
        }
        store.queue_again(id, attempts).await.map_err(|e| turn.retry(e))?;
        Err(FailureReason::wait(Duration::ZERO, "the message is sent again, because Twilio does not have it"))
    }

    async fn give_up(&self, turn: &Turn<'_>) -> Result<(), FailureReason> {
        self.report(turn, MessageReport::Unknown).await
    }
}
