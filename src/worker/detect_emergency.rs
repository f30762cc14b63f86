//! The operator that checks each text for an emergency, before any rule of the conversation sees it.
//!
//! Its input is decoded webhooks; its output goes to the handler. It calls no service: what it needs of the business is
//! cached, or is read once every few seconds.

use std::sync::Arc;

use crate::businesses::{BusinessCache, BusinessCacheError, Businesses};
use crate::domain::business::Profile;
use crate::domain::emergency::{self, OwnPhrases, Reading};
use crate::domain::phone::PhoneNumber;
use crate::stream::{Delivery, Step};
use crate::webhook::Inbound;

use super::retry_or_wait;

/// A webhook with what was found in its text.
#[derive(Debug)]
pub struct ScannedWebhook {
    pub inbound: Inbound,
    /// The business that a text was sent to.
    pub business: Option<Arc<Profile>>,
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
        Ok((business, reading)) => Ok(receipt.with(ScannedWebhook { inbound, business, reading })),
        Err(error) => {
            let reason = retry_or_wait(receipt.metadata().delivery_count, error);
            Err(receipt.fail(reason))
        }
    }
}

async fn read<R: Businesses>(
    business_cache: &BusinessCache<R>,
    inbound: &Inbound,
) -> Result<(Option<Arc<Profile>>, Reading), BusinessCacheError> {
    let Some(text) = inbound.webhook.text() else { return Ok((None, Reading::default())) };
    let business = match inbound.webhook.business_phone().map(str::parse::<PhoneNumber>) {
        Some(Ok(phone)) => business_cache.of_number(&phone, &inbound.signer).await?,
        _ => None, // no business has it; the handler makes it a dead letter
    };
    let (trade, own) = match &business {
        Some(business) => (Some(business.trade.as_str()), business.emergencies().phrases()),
        None => (None, OwnPhrases::default()),
    };
    let reading = emergency::read(text, trade, &own);
    Ok((business, reading))
}
