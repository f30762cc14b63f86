//! A business: what the App Server puts, kept as one document (docs/contract.md, section 3).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::conversation::{self, Conversation, Templates};
use crate::domain::emergency;
use crate::domain::phone::PhoneNumber;
use crate::domain::price_check::PriceRange;
use crate::domain::quiet_hours::QuietHours;
use crate::text_enum;

/// An answer of DispatchBot less sure than this is not sent, unless the business says otherwise (docs/contract.md, section 3).
pub const DEFAULT_CONFIDENCE_THRESHOLD: f64 = 0.5;

text_enum! {
    /// The trades that the service knows.
    pub enum Trade {
        /// Plumbers.
        Plumbing = "plumbing",
        /// Electricians.
        Electrical = "electrical",
        /// Heating, ventilation, air conditioning.
        Hvac = "hvac",
        /// Locksmiths.
        Locksmith = "locksmith",
        /// Garage doors.
        GarageDoor = "garage_door",
    }
}

/// The public document of a business: everything but secrets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// As the App Server names it.
    pub id: String,
    /// What customers know it by.
    pub name: String,
    /// Its owner, as the App Server names them.
    pub user_id: String,
    /// The numbers that customers call and write to.
    pub phone_numbers: Vec<PhoneNumber>,
    /// Where calls are forwarded to.
    pub forward_to: PhoneNumber,
    /// IANA name of its time zone.
    pub timezone: String,
    /// Its trade.
    pub trade: Trade,
    /// Opening hours by day of the week; handed to DispatchBot as they are.
    pub business_hours: Value,
    /// What jobs cost; handed to DispatchBot as they are.
    pub job_estimates: Value,
    /// The owner's settings; handed to DispatchBot as they are.
    pub user_settings: Value,
    /// The owner's calendar; handed to DispatchBot as it is.
    pub calendar: Value,
    /// Its own texts.
    #[serde(default)]
    pub templates: Templates,
    /// Who is told of an emergency when the owner does not answer.
    #[serde(default)]
    pub emergency_contacts: Vec<PhoneNumber>,
    /// Its own Twilio account, where it brings one whose token Twilio has confirmed: kept in a column beside the document.
    #[serde(skip)]
    pub twilio_account_sid: Option<String>,
}

impl Profile {
    /// What the rules need of it.
    pub fn for_rules(&self) -> conversation::Business {
        conversation::Business {
            id: self.id.clone(),
            name: self.name.clone(),
            user_id: self.user_id.clone(),
            templates: self.templates.clone(),
            confidence_threshold: self
                .user_settings
                .get("confidence_threshold")
                .and_then(Value::as_f64)
                .unwrap_or(DEFAULT_CONFIDENCE_THRESHOLD),
            price_ranges: PriceRange::of_estimates(&self.job_estimates),
            // Checked when the business was put.
            quiet_hours: QuietHours::of_settings(&self.user_settings, &self.timezone).unwrap_or_default(),
            alert_numbers: self.alert_numbers(),
            accepts_emergencies: self.emergencies().accepted,
        }
    }

    /// What it says of emergencies; checked when the business was put.
    pub fn emergencies(&self) -> emergency::Settings {
        emergency::Settings::of_settings(&self.user_settings).unwrap_or_default()
    }

    /// Who is told of an emergency: the owner, then the contacts in their order, nobody twice.
    fn alert_numbers(&self) -> Vec<PhoneNumber> {
        let contacts = self.emergency_contacts.iter().filter(|contact| **contact != self.forward_to);
        std::iter::once(&self.forward_to).chain(contacts).cloned().collect()
    }

    /// Whether a webhook of this signer may speak for this business. The token of an account speaks for the business that
    /// stored it, whatever account another one names.
    pub fn is_spoken_for_by(&self, signer: &Signer) -> bool {
        match &signer.own_account {
            None => true,
            Some(account) if signer.signed_for.is_empty() => self.twilio_account_sid.as_ref() == Some(account),
            Some(_) => signer.signed_for.contains(&self.id),
        }
    }

    /// Whether this is one of its numbers.
    pub fn has_number(&self, phone: &PhoneNumber) -> bool {
        self.phone_numbers.contains(phone)
    }

    /// Whether it may write in a conversation: from a number that is still its own, and not with the main account where the
    /// customer was reached under an account of its own.
    pub fn may_write_in(&self, conversation: &Conversation) -> bool {
        self.has_number(&conversation.business_phone)
            && (conversation.own_account.is_none() || self.twilio_account_sid.is_some())
    }

    /// Whether this number is the business's own side of a talk: its owner, a contact, one of its numbers. Those of other
    /// businesses are customers like any other.
    pub fn is_own_side(&self, phone: &PhoneNumber) -> bool {
        self.forward_to == *phone || self.emergency_contacts.contains(phone) || self.phone_numbers.contains(phone)
    }
}

/// What the rules are told of a business that was deleted while a conversation was open.
pub fn forgotten(conversation: &Conversation) -> conversation::Business {
    conversation::Business {
        id: conversation.business_id.clone(),
        name: "our team".to_owned(),
        user_id: conversation.user_id.clone(),
        templates: Templates::default(),
        confidence_threshold: DEFAULT_CONFIDENCE_THRESHOLD,
        price_ranges: Vec::new(),
        quiet_hours: None,
        alert_numbers: Vec::new(),
        accepts_emergencies: true,
    }
}

/// The Twilio account whose token signed a webhook, and for whom that token may speak.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signer {
    /// A business's own account; none where the main account signed.
    #[serde(default, rename = "account_sid", skip_serializing_if = "Option::is_none")]
    pub own_account: Option<String>,
    /// The businesses that had stored this account with this very token when the signature was judged. Empty beside an own
    /// account only where a version that did not record them has judged it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signed_for: Vec<String>,
}

impl Signer {
    /// The main account, which the operator holds: it speaks for every business.
    pub const MAIN: Self = Self { own_account: None, signed_for: Vec::new() };
}
