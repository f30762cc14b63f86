//! The operator that checks each text for an emergency, before any rule of the conversation sees it.
//!
//! Its input is decoded webhooks; its output goes to the handler. It calls no service: what it needs of the business is
//! cached, or is read once every few seconds.

use crate::businesses::{BusinessCache, BusinessCacheError, Businesses};
use crate::domain::emergency::{self, OwnPhrases, Reading};
use crate::domain::phone::PhoneNumber;
use crate::stream::{Delivery, Step};
use crate::webhook::{Inbound, Webhook};

use super::retry_or_wait;

/// A webhook and what was found in its text.
#[derive(Debug)]
pub struct ScannedWebhook {
    pub inbound: Inbound,
    /// What the text says about an emergency; empty if there is no text.
    pub reading: Reading,
}

/// Reads the text of a delivery by the rules and by the phrases of the business to which it was sent.
///
/// # Errors
/// If the business cannot be looked up; the delivery is retried.
pub async fn detect_emergency<R: Businesses>(
    business_cache: &BusinessCache<R>,
    delivery: Delivery<Inbound>,
) -> Step<ScannedWebhook> {
    let (inbound, receipt) = delivery.split();
    match read(business_cache, &inbound).await {
        Ok(reading) => Ok(receipt.with(ScannedWebhook { inbound, reading })),
        Err(error) => {
            let reason = retry_or_wait(receipt.metadata().delivery_count, error);
            Err(receipt.fail(reason))
        }
    }
}

async fn read<R: Businesses>(
    business_cache: &BusinessCache<R>,
    inbound: &Inbound,
) -> Result<Reading, BusinessCacheError> {
    let Webhook::Sms { to, body, .. } = &inbound.webhook else { return Ok(Reading::default()) };
    let business = match to.parse::<PhoneNumber>() {
        Ok(phone) => business_cache.by_phone(&phone).await?,
        Err(_) => None, // no business has it; the handler makes it a dead letter
    };
    Ok(match business {
        Some(business) => {
            let own = business.emergencies().phrases();
            emergency::read(body, Some(business.trade.as_str()), &own)
        }
        None => emergency::read(body, None, &OwnPhrases::default()),
    })
}
