//! Finds the business that a letter belongs to: a key of one business sees only its letters.

use std::time::Duration;

use crate::businesses::{BusinessCache, BusinessCacheError};
use crate::domain::business::Signer;
use crate::domain::phone::PhoneNumber;
use crate::stream::DeadLetter;
use crate::webhook::{EDGE_SUBJECT, Inbound, form, signer_in};

/// A letter is stored without its business if the look-up takes longer.
const LOOKUP_TIMEOUT: Duration = Duration::from_millis(500);

/// Looks up the businesses that letters belong to.
#[derive(Debug, Clone)]
pub struct Attribution {
    business_cache: BusinessCache,
}

impl Attribution {
    pub fn new(business_cache: BusinessCache) -> Self {
        Self { business_cache }
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

    async fn look_up(&self, letter: &DeadLetter) -> Result<Option<String>, BusinessCacheError> {
        if letter.subject.starts_with(EDGE_SUBJECT) {
            let params = form::parse(&letter.payload);
            let value = |wanted: &[u8]| {
                let (_, value) = params.iter().find(|(name, _)| name == wanted)?;
                String::from_utf8(value.clone()).ok()
            };
            let Some(phone) = value(b"To").and_then(|to| to.parse::<PhoneNumber>().ok()) else { return Ok(None) };
            let business = self.business_cache.of_number(&phone, &signer_in(&letter.headers)).await?;
            return Ok(business.map(|business| business.id.clone()));
        }
        if letter.subject.starts_with("nmc.inbound.") {
            return match serde_json::from_slice::<Inbound>(&letter.payload) {
                Ok(inbound) => self.business_cache.of_webhook(&inbound).await,
                Err(_) => Ok(None),
            };
        }
        // Subjects of timers, tasks and events end in the conversation's id.
        match letter.subject.rsplit('.').next().and_then(|token| token.parse().ok()) {
            Some(conversation_id) => self.business_cache.of_conversation(conversation_id, &Signer::MAIN).await,
            None => Ok(None),
        }
    }
}
