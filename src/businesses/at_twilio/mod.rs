//! How the numbers of businesses are set up at Twilio: what is there ([`Inventory`]), and whether it is as it should be
//! ([`AtTwilio::check`]).

mod check;
mod inventory;

pub use check::{Finding, Subject, Verdict};
pub use inventory::{AccountView, Inventory, InventoryError, Owned};

use super::Accounts;
use crate::adapters::postgres::Store;
use crate::adapters::twilio::{MessagingClient, TwilioClient};
use crate::config::PublicUrl;
use crate::domain::number_setup::Urls;
use crate::domain::phone::PhoneNumber;
use crate::webhook::WebhookKind;

/// Everything that is needed to read, and to change, what is at Twilio.
#[derive(Clone)]
pub struct AtTwilio {
    pub store: Store,
    pub accounts: Accounts,
    pub twilio: TwilioClient,
    pub messaging: MessagingClient,
    pub public_url: PublicUrl,
}

impl AtTwilio {
    /// The URLs to which Twilio must post. Without the URL of another edge, it posts to the same one again if it fails.
    pub fn urls(&self, fallback: Option<&PublicUrl>) -> Urls {
        let fallback = fallback.unwrap_or(&self.public_url);
        Urls {
            call: self.public_url.join(WebhookKind::Call.path()),
            sms: self.public_url.join(WebhookKind::Sms.path()),
            call_fallback: fallback.join(WebhookKind::Call.path()),
            sms_fallback: fallback.join(WebhookKind::Sms.path()),
        }
    }
}

/// Where Twilio posts if the service does not answer.
#[derive(Debug, Clone, Copy)]
pub enum Fallback<'a> {
    /// To this edge; without one, to the same URL again.
    To(Option<&'a PublicUrl>),
    /// To any URL: which one the operator has chosen is not known.
    Any,
}

/// Which numbers are meant: those of these businesses, and these numbers. An empty list leaves out none.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    pub businesses: Vec<String>,
    pub numbers: Vec<PhoneNumber>,
}

impl Selection {
    pub fn is_narrow(&self) -> bool {
        !self.businesses.is_empty() || !self.numbers.is_empty()
    }

    /// Whether a number of a business is meant.
    pub fn includes(&self, business_id: &str, phone: &str) -> bool {
        (self.businesses.is_empty() || self.businesses.iter().any(|id| id == business_id))
            && (self.numbers.is_empty() || self.numbers.iter().any(|number| number.as_str() == phone))
    }
}
