//! Which business a webhook belongs to. This is the only place that decides it.
//!
//! A text belongs to the business of the number it was sent to. A call belongs to the business that its record names,
//! and before there is a record, to that of the number called. A delivery status belongs to the business of its
//! message. In each case the account that signed the webhook must be allowed to speak for that business.

use std::sync::Arc;

use uuid::Uuid;

use super::{BusinessCache, BusinessCacheError, Businesses};
use crate::adapters::postgres::Store;
use crate::domain::business::{Profile, Signer};
use crate::domain::call::Call;
use crate::domain::conversation::Conversation;
use crate::domain::phone::PhoneNumber;
use crate::store::{Message, Participant, ParticipantOf, Stored};
use crate::webhook::{Inbound, OwnerKey};

/// The records that a webhook may report on.
pub trait Records: Businesses {
    /// One call, by Twilio's id; see [`Store::call`].
    fn call(&self, call_sid: &str) -> impl Future<Output = Stored<Option<Call>>> + Send;
    /// One conversation; see [`Store::conversation`].
    fn conversation(&self, id: Uuid) -> impl Future<Output = Stored<Option<Conversation>>> + Send;
    /// One message; see [`Store::message`].
    fn message(&self, id: Uuid) -> impl Future<Output = Stored<Option<Message>>> + Send;
    /// One message, by Twilio's id; see [`Store::message_by_sid`].
    fn message_by_sid(&self, twilio_sid: &str) -> impl Future<Output = Stored<Option<Message>>> + Send;
    /// A participant of a conversation of Twilio, if it is known; see [`Store::participant`].
    fn participant(&self, of: ParticipantOf<'_>) -> impl Future<Output = Stored<Option<Participant>>> + Send;
}

impl Records for Store {
    async fn call(&self, call_sid: &str) -> Stored<Option<Call>> {
        self.call(call_sid).await
    }
    async fn conversation(&self, id: Uuid) -> Stored<Option<Conversation>> {
        self.conversation(id).await
    }
    async fn message(&self, id: Uuid) -> Stored<Option<Message>> {
        self.message(id).await
    }
    async fn message_by_sid(&self, twilio_sid: &str) -> Stored<Option<Message>> {
        self.message_by_sid(twilio_sid).await
    }
    async fn participant(&self, of: ParticipantOf<'_>) -> Stored<Option<Participant>> {
        self.participant(of).await
    }
}

/// The owner of a call.
#[derive(Debug)]
pub enum CallOwner {
    /// This business.
    Business(Arc<Profile>),
    /// No business, or one that the signer may not speak for.
    Nobody,
    /// Not known yet: the call has no record, and the report names no number.
    NoRecord,
}

impl<R: Businesses> BusinessCache<R> {
    /// The business of a number, if the signer may speak for it.
    ///
    /// # Errors
    /// If the business cannot be looked up.
    pub async fn of_number(
        &self,
        phone: &PhoneNumber,
        signer: &Signer,
    ) -> Result<Option<Arc<Profile>>, BusinessCacheError> {
        let business = self.by_phone(phone).await?;
        Ok(business.filter(|business| business.is_spoken_for_by(signer)))
    }
}

impl<R: Records> BusinessCache<R> {
    /// The business of a call.
    ///
    /// # Errors
    /// If the record or the business cannot be looked up.
    pub async fn of_call(
        &self,
        call_sid: &str,
        called: Option<&PhoneNumber>,
        signer: &Signer,
    ) -> Result<CallOwner, BusinessCacheError> {
        let business = match (self.store().call(call_sid).await?, called) {
            (Some(call), _) => self.by_id(&call.business_id).await?,
            (None, Some(phone)) => self.by_phone(phone).await?,
            (None, None) => return Ok(CallOwner::NoRecord),
        };
        let business = business.filter(|business| business.is_spoken_for_by(signer));
        Ok(business.map_or(CallOwner::Nobody, CallOwner::Business))
    }

    /// The id of a conversation's business, if the signer may speak for it. The main account may speak for all, so its
    /// business is not looked up.
    ///
    /// # Errors
    /// If the conversation or the business cannot be looked up.
    pub async fn of_conversation(&self, id: Uuid, signer: &Signer) -> Result<Option<String>, BusinessCacheError> {
        let Some(conversation) = self.store().conversation(id).await? else { return Ok(None) };
        if signer.own_account.is_none() {
            return Ok(Some(conversation.business_id));
        }
        let business = self.by_id(&conversation.business_id).await?;
        Ok(business.filter(|business| business.is_spoken_for_by(signer)).map(|business| business.id.clone()))
    }

    /// The message that a delivery status reports on, by Twilio's id or, while that is unknown, by ours.
    ///
    /// # Errors
    /// If the message cannot be looked up.
    pub async fn reported_message(
        &self,
        message_sid: &str,
        message_id: Option<Uuid>,
    ) -> Result<Option<Message>, BusinessCacheError> {
        Ok(match (self.store().message_by_sid(message_sid).await?, message_id) {
            (None, Some(id)) => self.store().message(id).await?,
            (by_sid, _) => by_sid,
        })
    }

    /// The id of the business that a webhook belongs to.
    ///
    /// # Errors
    /// If a record or the business cannot be looked up.
    pub async fn of_webhook(&self, inbound: &Inbound) -> Result<Option<String>, BusinessCacheError> {
        let signer = &inbound.signer;
        match inbound.webhook.owner_key() {
            OwnerKey::Number(number) => match number.parse() {
                Ok(phone) => Ok(self.of_number(&phone, signer).await?.map(|business| business.id.clone())),
                Err(_) => Ok(None),
            },
            OwnerKey::Call { call_sid, number } => {
                let called = number.and_then(|number| number.parse().ok());
                Ok(match self.of_call(call_sid, called.as_ref(), signer).await? {
                    CallOwner::Business(business) => Some(business.id.clone()),
                    CallOwner::Nobody | CallOwner::NoRecord => None,
                })
            }
            // Nobody, until the worker has found out the number.
            OwnerKey::Unresolved => Ok(None),
            OwnerKey::Conversation(id) => self.of_conversation(id, signer).await,
            OwnerKey::Message { message_sid, message_id } => {
                match self.reported_message(message_sid, message_id).await? {
                    Some(message) => self.of_conversation(message.conversation_id, signer).await,
                    None => Ok(None),
                }
            }
        }
    }
}
