//! Sending by Twilio Conversations: the conversation of the two numbers, and what may have been posted to it.
//!
//! The conversation is opened before the claim, because that sends nothing and may be repeated. Which one it is stands in the
//! message's row from the claim on, so that an unknown outcome is found out where the message may be.

use super::{OutboundStore, SmsGateway, SmsSender, Turn};
use crate::adapters::twilio::{Account, ListError, OpenedConversation, OutgoingMessage, SendOutcome};
use crate::domain::channel::Channel;
use crate::domain::sms_segments;
use crate::engine::Publish;
use crate::store::Participant;
use crate::stream::FailureReason;
use crate::worker::retry_delay;

/// The way of a message to the customer.
pub(super) enum Route {
    /// As an SMS.
    Sms,
    /// To this conversation of Twilio.
    Conversation(String),
    /// To none: Twilio refuses to open the conversation.
    Refused(SendOutcome),
}

impl Route {
    /// The conversation that the message goes to, if it goes to one.
    pub(super) fn conversation_sid(&self) -> Option<&str> {
        match self {
            Self::Conversation(sid) => Some(sid),
            Self::Sms | Self::Refused(_) => None,
        }
    }
}

impl<R: OutboundStore, P: Publish, T: SmsGateway> SmsSender<R, P, T> {
    /// The way of a message by the business's choice; what goes to its own side is always SMS.
    pub(super) async fn route(&self, turn: &Turn<'_>, account: &Account) -> Result<Route, FailureReason> {
        if turn.due.message.kind.is_to_own_side() {
            return Ok(Route::Sms);
        }
        let business = self.engine.business_cache().by_id(&turn.due.business_id).await.map_err(|e| turn.retry(e))?;
        match business.map_or(Channel::Messaging, |business| business.policy.channel()) {
            Channel::Messaging => Ok(Route::Sms),
            Channel::Conversations => self.conversation(turn, account).await,
        }
    }

    async fn conversation(&self, turn: &Turn<'_>, account: &Account) -> Result<Route, FailureReason> {
        let (store, business_phone) = (self.engine.store(), turn.due.business_phone.as_str());
        let customer_phone = turn.due.to.as_str();
        let known = store.twilio_conversation(&account.sid, business_phone, customer_phone).await;
        if let Some(known) = known.map_err(|e| turn.retry(e))? {
            return Ok(Route::Conversation(known));
        }
        match self.twilio.open_conversation(account, business_phone, customer_phone).await {
            OpenedConversation::Open { conversation_sid, participant_sid } => {
                let participant = Participant {
                    sid: participant_sid,
                    conversation_sid: conversation_sid.clone(),
                    account_sid: account.sid.clone(),
                    business_phone: business_phone.to_owned(),
                    customer_phone: customer_phone.to_owned(),
                };
                store.keep_participant(&participant).await.map_err(|e| turn.retry(e))?;
                Ok(Route::Conversation(conversation_sid))
            }
            OpenedConversation::Refused(outcome) => Ok(Route::Refused(outcome)),
            OpenedConversation::Unavailable { retry_after, reason } => {
                store.note_attempt(turn.task.message_id).await.map_err(|e| turn.retry(e))?;
                let delay = retry_after.unwrap_or_else(|| retry_delay(turn.metadata.delivery_count));
                Err(FailureReason::retry(delay, reason))
            }
        }
    }

    /// Sends a claimed message on its way.
    pub(super) async fn send_by(&self, turn: &Turn<'_>, account: &Account, route: Route) -> SendOutcome {
        match route {
            Route::Sms => self.twilio.send(account, &self.sms(turn)).await,
            Route::Conversation(sid) => self.post(turn, account, &sid).await,
            Route::Refused(outcome) => outcome,
        }
    }

    async fn post(&self, turn: &Turn<'_>, account: &Account, conversation_sid: &str) -> SendOutcome {
        let message = OutgoingMessage {
            message_id: turn.task.message_id,
            author: turn.due.business_phone.to_string(),
            body: turn.due.message.body.clone(),
        };
        match self.twilio.post(account, conversation_sid, &message).await {
            SendOutcome::Accepted { sid, status, .. } => {
                SendOutcome::Accepted { sid, segments: sms_segments::count(&message.body), status }
            }
            refused @ SendOutcome::Rejected { .. } => self.unless_closed(account, conversation_sid, refused).await,
            other => other,
        }
    }

    /// What a refusal means. The conversation may have been closed or deleted meanwhile: then the next attempt opens another
    /// one. While Twilio does not say whether it was, the message is tried again.
    async fn unless_closed(&self, account: &Account, conversation_sid: &str, refused: SendOutcome) -> SendOutcome {
        let again = |retry_after, reason: String| SendOutcome::NotProcessed { retry_after, reason };
        match self.twilio.is_open(account, conversation_sid).await {
            Ok(false) => {
                let closed = self.engine.store().close_twilio_conversation(&account.sid, conversation_sid).await;
                again(None, closed.map_or_else(|error| error.to_string(), |()| "it is closed".to_owned()))
            }
            // Twilio answers this account so in any case. Without a code, a proxy may have answered.
            Ok(true) | Err(ListError::Refused { http_status: 400..500, code: Some(_) }) => refused,
            Err(ListError::TooManyRequests { retry_after }) => again(retry_after, "too many requests".to_owned()),
            Err(error) => again(None, error.to_string()),
        }
    }

    /// Twilio's id of a message that may have been posted: its conversation's list names our id of each message.
    pub(super) async fn posted(
        &self,
        turn: &Turn<'_>,
        account: &Account,
        conversation_sid: &str,
    ) -> Result<Option<String>, ListError> {
        let since = turn.attempted_at() - super::reconcile::CLOCK_SKEW;
        self.twilio.posted(account, conversation_sid, turn.task.message_id, since).await
    }
}
