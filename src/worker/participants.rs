//! The operator that finds out which two numbers a message of a Twilio conversation is between. Twilio says only which
//! participant wrote it.
//!
//! Its input is decoded webhooks. A message of a participant who texts leaves it as an SMS, with the time at which the edge
//! received it, so that all that follows is the same for both. What is known of participants is kept in PostgreSQL; Twilio is
//! asked for the rest, and as long as it cannot be asked, the message waits.

use std::time::Duration;

use super::handler::HEARTBEAT;
use super::send::{OutboundStore, SmsGateway, SmsSender};
use super::{retry_delay, retry_or_wait};
use crate::adapters::twilio::{Account, ListError};
use crate::businesses::Businesses;
use crate::domain::business::Signer;
use crate::domain::conversation::Media;
use crate::domain::phone::{self, PhoneNumber};
use crate::engine::Publish;
use crate::store::{Participant, ParticipantOf};
use crate::stream::{DeadReason, Delivery, FailureReason, Metadata, Step};
use crate::webhook::{Attached, ConversationEvent, Inbound, Webhook};

/// The longest wait before Twilio is asked again.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
const UNKNOWN_PARTICIPANT: DeadReason = DeadReason::new("unknown_participant");
const NOBODY: &str = "no participant wrote the message";
const NOT_AT_TWILIO: &str = "Twilio has no such participant, or none who texts";
const NO_ACCOUNT: &str = "the account that signed the webhook is of no business any more";
const UNTIL_ASKED: &str = "Twilio can be asked for the participant";

/// Turns a message of a conversation into an SMS; other webhooks pass unchanged.
///
/// # Errors
/// If the participant cannot be found out now, or is unknown to Twilio; the delivery is then retried, or a dead letter.
pub(super) async fn resolved<R, P, T>(sender: &SmsSender<R, P, T>, delivery: Delivery<Inbound>) -> Step<Inbound>
where
    R: OutboundStore,
    P: Publish,
    T: SmsGateway,
{
    if !matches!(delivery.item.webhook, Webhook::Conversation { .. }) {
        return Ok(delivery);
    }
    let resolve =
        |inbound, metadata: std::sync::Arc<Metadata>| async move { resolve(sender, inbound, &metadata).await };
    delivery.keep_alive(HEARTBEAT, resolve).await
}

async fn resolve<R, P, T>(
    sender: &SmsSender<R, P, T>,
    mut inbound: Inbound,
    metadata: &Metadata,
) -> Result<Inbound, FailureReason>
where
    R: OutboundStore,
    P: Publish,
    T: SmsGateway,
{
    let Webhook::Conversation { conversation_sid, event } = &inbound.webhook else { return Ok(inbound) };
    let account = account(sender, &inbound, metadata).await?;
    let (message_sid, participant_sid, author, body, media, service_sid) = match event {
        ConversationEvent::Message { message_sid, participant_sid, author, body, media, service_sid } => {
            (message_sid, participant_sid, author, body, media, service_sid)
        }
        ConversationEvent::Closed => {
            let closed = sender.engine.store().close_twilio_conversation(&account.sid, conversation_sid).await;
            closed.map_err(|error| retry_or_wait(metadata.delivery_count, error))?;
            return Ok(inbound);
        }
        ConversationEvent::Other => return Ok(inbound),
    };
    let Some(participant_sid) = participant_sid else {
        if !is_business(sender, author, &inbound.signer, metadata).await? {
            return Err(FailureReason::dead(UNKNOWN_PARTICIPANT, NOBODY));
        }
        inbound.webhook = accepted(message_sid.clone());
        return Ok(inbound);
    };
    let of = ParticipantOf { account_sid: &account.sid, conversation_sid, participant_sid };
    let participant = participant(sender, &account, of, metadata).await?;
    let url_in = |service: &str, one: &Attached| sender.twilio.attachment_url(&account.sid, service, &one.sid);
    let attached = |one: &Attached| Media {
        url: service_sid.as_deref().map_or_else(String::new, |service| url_in(service, one)),
        content_type: one.content_type.clone(),
        is_foreign: service_sid.is_none(),
    };
    inbound.webhook = Webhook::Sms {
        message_sid: message_sid.clone(),
        from: participant.customer_phone,
        to: participant.business_phone,
        body: body.clone(),
        media: media.iter().map(attached).collect(),
        opt_out_type: None,
    };
    Ok(inbound)
}

/// Whether the author is a business, which is no participant: we post in its name.
async fn is_business<R, P, T>(
    sender: &SmsSender<R, P, T>,
    author: &str,
    signer: &Signer,
    metadata: &Metadata,
) -> Result<bool, FailureReason>
where
    R: OutboundStore,
    P: Publish,
{
    let Ok(author) = author.parse::<PhoneNumber>() else { return Ok(false) };
    let business = sender.engine.business_cache().of_number(&author, signer).await;
    business.map(|business| business.is_some()).map_err(|error| retry_or_wait(metadata.delivery_count, error))
}

/// A message in a business's name that came back without our id of it. If it is ours, Twilio's id of it is known, or will be
/// once the answer to the POST is.
fn accepted(message_sid: String) -> Webhook {
    Webhook::MessageStatus { message_sid, message_id: None, status: "accepted".to_owned(), error_code: None }
}

/// The account that signed the webhook, as it is asked.
async fn account<R, P, T>(
    sender: &SmsSender<R, P, T>,
    inbound: &Inbound,
    metadata: &Metadata,
) -> Result<Account, FailureReason>
where
    R: OutboundStore + Businesses,
{
    let Some(sid) = inbound.signer.own_account.as_deref() else { return Ok(sender.accounts.main()) };
    let Some(business_id) = inbound.signer.signed_for.first() else {
        return Err(FailureReason::dead(UNKNOWN_PARTICIPANT, NO_ACCOUNT));
    };
    let account = sender.accounts.tried(business_id, Some(sid)).await;
    account.map_err(|error| retry_or_wait(metadata.delivery_count, error))
}

/// The participant as it is kept, or as Twilio says.
async fn participant<R, P, T>(
    sender: &SmsSender<R, P, T>,
    account: &Account,
    of: ParticipantOf<'_>,
    metadata: &Metadata,
) -> Result<Participant, FailureReason>
where
    R: OutboundStore,
    P: Publish,
    T: SmsGateway,
{
    let store = sender.engine.store();
    let again = |error| retry_or_wait(metadata.delivery_count, error);
    if let Some(known) = store.participant(of).await.map_err(again)? {
        return Ok(known);
    }
    let binding = sender.twilio.binding(account, of.conversation_sid, of.participant_sid).await;
    let binding = binding.map_err(|error| not_asked(error, metadata))?;
    let binding = binding.ok_or_else(|| FailureReason::dead(UNKNOWN_PARTICIPANT, NOT_AT_TWILIO))?;
    let participant = Participant {
        sid: Some(of.participant_sid.to_owned()),
        conversation_sid: of.conversation_sid.to_owned(),
        account_sid: account.sid.clone(),
        business_phone: binding.business_phone,
        // In the notation by which the customer is known elsewhere.
        customer_phone: phone::caller(&binding.customer_phone).map_or(binding.customer_phone, String::from),
    };
    store.keep_participant(&participant).await.map_err(again)?;
    Ok(participant)
}

/// How a message is given back if Twilio did not say who wrote it: while it does not answer, nothing has failed.
fn not_asked(error: ListError, metadata: &Metadata) -> FailureReason {
    let delay = retry_delay(metadata.delivery_count);
    match error {
        ListError::TooManyRequests { retry_after } => {
            FailureReason::wait(retry_after.unwrap_or(delay.min(LONGEST_WAIT)), UNTIL_ASKED)
        }
        ListError::Unreachable(_) | ListError::Refused { http_status: 500.., .. } => {
            FailureReason::wait(delay.min(LONGEST_WAIT), UNTIL_ASKED)
        }
        error => FailureReason::retry(delay, error),
    }
}
