//! Finds the business that a letter belongs to: a key of one business sees only its letters.

use std::time::Duration;

use uuid::Uuid;

use crate::adapters::postgres::{Store, StoreError};
use crate::businesses::{BusinessCache, BusinessCacheError};
use crate::domain::business::Signer;
use crate::domain::phone::PhoneNumber;
use crate::stream::DeadLetter;
use crate::webhook::{EDGE_SUBJECT, Inbound, Webhook, form, signer_in};

/// A letter is stored without its business if the look-up takes longer.
const LOOKUP_TIMEOUT: Duration = Duration::from_millis(500);

/// Looks up the businesses that letters belong to.
#[derive(Debug, Clone)]
pub struct Attribution {
    business_cache: BusinessCache,
    store: Store,
}

#[derive(Debug, thiserror::Error)]
enum LookUpError {
    #[error(transparent)]
    BusinessCache(#[from] BusinessCacheError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Attribution {
    pub fn new(business_cache: BusinessCache, store: Store) -> Self {
        Self { business_cache, store }
    }

    /// The business that a letter belongs to; `None` if no business matches or the look-up fails.
    pub async fn business_of(&self, letter: &DeadLetter) -> Option<String> {
        match tokio::time::timeout(LOOKUP_TIMEOUT, self.look_up(letter)).await {
            Ok(Ok(business_id)) => business_id,
            Ok(Err(error)) => {
                tracing::warn!(%error, "business lookup failed; the dead letter is stored without a business");
                None
            }
            Err(_) => {
                tracing::warn!("business lookup timeout; the dead letter is stored without a business");
                None
            }
        }
    }

    async fn look_up(&self, letter: &DeadLetter) -> Result<Option<String>, LookUpError> {
        if letter.subject.starts_with(EDGE_SUBJECT) {
            let params = form::parse(&letter.payload);
            let value = |wanted: &[u8]| {
                let (_, value) = params.iter().find(|(name, _)| name == wanted)?;
                String::from_utf8(value.clone()).ok()
            };
            return self.by_number(value(b"To"), &signer_in(&letter.headers)).await;
        }
        if letter.subject.starts_with("nmc.inbound.") {
            return match serde_json::from_slice::<Inbound>(&letter.payload) {
                Ok(inbound) => self.of_webhook(inbound).await,
                Err(_) => Ok(None),
            };
        }
        // Subjects of timers, tasks and events end in the conversation's id.
        match letter.subject.rsplit('.').next().and_then(|token| token.parse().ok()) {
            Some(conversation_id) => self.by_conversation(conversation_id, &Signer::MAIN).await,
            None => Ok(None),
        }
    }

    async fn of_webhook(&self, inbound: Inbound) -> Result<Option<String>, LookUpError> {
        let signer = &inbound.signer;
        match inbound.webhook {
            Webhook::Sms { to, .. } | Webhook::Call { to, .. } | Webhook::CallStatus { to: Some(to), .. } => {
                self.by_number(Some(to), signer).await
            }
            Webhook::CallStatus { call_sid, to: None, .. } => match self.store.call(&call_sid).await? {
                Some(call) => self.spoken_for(&call.business_id, signer).await,
                None => Ok(None),
            },
            Webhook::MessageStatus { message_sid, message_id, .. } => {
                let by_sid = self.store.message_by_sid(&message_sid).await?;
                let message = match (by_sid, message_id) {
                    (None, Some(id)) => self.store.message(id).await?,
                    (by_sid, _) => by_sid,
                };
                match message {
                    Some(message) => self.by_conversation(message.conversation_id, signer).await,
                    None => Ok(None),
                }
            }
        }
    }

    async fn by_number(&self, to: Option<String>, signer: &Signer) -> Result<Option<String>, LookUpError> {
        let Some(phone) = to.and_then(|to| to.parse::<PhoneNumber>().ok()) else { return Ok(None) };
        let business = self.business_cache.by_phone(&phone).await?;
        Ok(business.filter(|business| business.is_spoken_for_by(signer)).map(|business| business.id.clone()))
    }

    async fn by_conversation(&self, id: Uuid, signer: &Signer) -> Result<Option<String>, LookUpError> {
        match self.store.conversation(id).await? {
            Some(conversation) => self.spoken_for(&conversation.business_id, signer).await,
            None => Ok(None),
        }
    }

    /// The business, unless the account of another business signed the webhook.
    async fn spoken_for(&self, business_id: &str, signer: &Signer) -> Result<Option<String>, LookUpError> {
        if signer.own_account.is_none() {
            return Ok(Some(business_id.to_owned()));
        }
        let business = self.business_cache.by_id(business_id).await?;
        Ok(business.filter(|business| business.is_spoken_for_by(signer)).map(|business| business.id.clone()))
    }
}
