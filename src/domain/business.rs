//! A business, as the App Server writes it; stored as one document (docs/contract.md, section 3).

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::appointment_check::Schedule;
use crate::domain::business_policy::BusinessPolicy;
use crate::domain::conversation::{self, Conversation, Templates};
use crate::domain::emergency;
use crate::domain::forward_to::ForwardTo;
use crate::domain::owner::OwnerSms;
use crate::domain::phone::PhoneNumber;
use crate::domain::price_check::PriceRange;
use crate::domain::quiet_hours::QuietHours;
use crate::text_enum;

/// An answer of DispatchBot with a lower confidence is not sent, unless the business sets another threshold
/// (docs/contract.md, section 3).
pub const DEFAULT_CONFIDENCE_THRESHOLD: f64 = 0.5;

text_enum! {
    /// The trades that the service supports.
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

/// The public document of a business: everything except secrets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// The business's id in the App Server.
    pub id: String,
    /// The name known to customers.
    pub name: String,
    /// The owner's id in the App Server.
    pub user_id: String,
    /// The numbers that customers call and write to.
    pub phone_numbers: Vec<PhoneNumber>,
    /// The phones to which calls are forwarded, in two fields of the document.
    #[serde(flatten)]
    pub forward_to: ForwardTo,
    /// The IANA name of the time zone.
    pub timezone: String,
    /// The trade of the business.
    pub trade: Trade,
    /// Opening hours by day of the week; passed to DispatchBot unchanged. No appointment outside them is confirmed.
    pub business_hours: Value,
    /// Price ranges of jobs; passed to DispatchBot unchanged.
    pub job_estimates: Value,
    /// The owner's settings; passed to DispatchBot unchanged.
    pub user_settings: Value,
    /// The owner's calendar; passed to DispatchBot unchanged. No appointment at the time of an entry is confirmed.
    pub calendar: Value,
    /// The business's own texts.
    #[serde(default)]
    pub templates: Templates,
    /// The business's own settings of this service; not passed to DispatchBot.
    #[serde(default)]
    pub policy: BusinessPolicy,
    /// The phones that get alerts after the owner's.
    #[serde(default)]
    pub emergency_contacts: Vec<PhoneNumber>,
    /// The business's own Twilio account, if it has one whose token Twilio has confirmed. Stored in a column beside the
    /// document.
    #[serde(skip)]
    pub twilio_account_sid: Option<String>,
    /// The numbers that never get an automatic text. Stored in a table of their own.
    #[serde(skip)]
    pub never_text: Arc<BTreeSet<PhoneNumber>>,
    /// The key of the business's own DispatchBot, encrypted. Stored in a column beside the document.
    #[serde(skip)]
    pub dispatchbot_key: Option<Vec<u8>>,
    /// What the phones of the business's own side have said by text. Stored beside the document.
    #[serde(skip)]
    pub own_side: OwnSide,
}

/// What is known of the phones of a business's own side, beside the document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnSide {
    /// Since when the owner is away, by the text `OFF`; `None` while they are not.
    pub off_since: Option<DateTime<Utc>>,
    /// The phones that want no texts from the business: Twilio delivers neither alerts nor relays there.
    pub opted_out: Arc<BTreeSet<PhoneNumber>>,
    /// Whether calls are forwarded to a number of a business, where nobody reads a relay.
    pub forwards_to_business: bool,
}

impl Profile {
    /// The part of the profile that the rules use.
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
            phone_numbers: self.phone_numbers.clone(),
            price_ranges: PriceRange::of_estimates(&self.job_estimates),
            schedule: Schedule::of_business(&self.business_hours, &self.calendar, &self.timezone),
            zone: self.timezone.parse().unwrap_or_default(), // validated when the business was stored
            // Validated when the business was stored.
            quiet_hours: QuietHours::of_settings(&self.user_settings, &self.timezone).unwrap_or_default(),
            alert_numbers: self.alert_numbers(),
            accepts_emergencies: self.emergencies().accepted,
            policy: self.policy.clone(),
            never_text: Arc::clone(&self.never_text),
            relay_to: self.relay_to(),
            owner_is_off: self.own_side.off_since.is_some(),
            remind_to: self.read_by_owner(),
        }
    }

    /// The phone that speaks for the business by text.
    pub fn owner_phone(&self) -> &PhoneNumber {
        self.forward_to.first()
    }

    /// The owner's phone, if it gets the texts of customers.
    fn relay_to(&self) -> Option<PhoneNumber> {
        self.read_by_owner().filter(|_| self.policy.owner_sms() == OwnerSms::All)
    }

    /// The owner's phone, if the owner gets there what is no emergency: who is away or wants no texts does not, and the number
    /// of another business is no phone of an owner.
    fn read_by_owner(&self) -> Option<PhoneNumber> {
        let OwnSide { off_since, opted_out, forwards_to_business } = &self.own_side;
        let reads = off_since.is_none() && !opted_out.contains(self.owner_phone()) && !forwards_to_business;
        reads.then(|| self.owner_phone().clone())
    }

    /// The emergency settings, validated when the business was stored.
    pub fn emergencies(&self) -> emergency::Settings {
        emergency::Settings::of_settings(&self.user_settings).unwrap_or_default()
    }

    /// The phones that get alerts: the owner's, then the contacts in their order, without duplicates.
    fn alert_numbers(&self) -> Vec<PhoneNumber> {
        let owner = self.forward_to.first();
        let contacts = self.emergency_contacts.iter().filter(|contact| *contact != owner);
        std::iter::once(owner).chain(contacts).cloned().collect()
    }

    /// Whether a webhook of this signer may act for this business. The token of an account is valid for the businesses
    /// that stored it, even if another business names the same account.
    pub fn is_spoken_for_by(&self, signer: &Signer) -> bool {
        match &signer.own_account {
            None => true,
            Some(account) if signer.signed_for.is_empty() => self.twilio_account_sid.as_ref() == Some(account),
            Some(_) => signer.signed_for.contains(&self.id),
        }
    }

    /// Whether the number belongs to this business.
    pub fn has_number(&self, phone: &PhoneNumber) -> bool {
        self.phone_numbers.contains(phone)
    }

    /// Whether the business may write in a conversation: it still has the number, and it still has its own account if
    /// the customer was reached under one, because the main account may not write there.
    pub fn may_write_in(&self, conversation: &Conversation) -> bool {
        self.has_number(&conversation.business_phone)
            && (conversation.own_account.is_none() || self.twilio_account_sid.is_some())
    }

    /// Whether this number of a person belongs to the business's own side: a phone that gets its calls, a contact, or one of
    /// its numbers. The numbers of other businesses are customers.
    pub fn is_own_side(&self, phone: &PhoneNumber) -> bool {
        self.own_phone(phone).is_some()
    }

    /// The same, as the number was stored: in the other of its two ways, perhaps.
    pub fn own_phone(&self, phone: &PhoneNumber) -> Option<&PhoneNumber> {
        let mut phones = self.forward_to.iter().chain(&self.emergency_contacts).chain(&self.phone_numbers);
        phones.find(|own| own.is_of_person(phone))
    }
}

/// A stand-in for the rules if the business of an open conversation was deleted.
pub fn forgotten(conversation: &Conversation) -> conversation::Business {
    conversation::Business {
        id: conversation.business_id.clone(),
        name: "our team".to_owned(),
        user_id: conversation.user_id.clone(),
        templates: Templates::default(),
        confidence_threshold: DEFAULT_CONFIDENCE_THRESHOLD,
        phone_numbers: vec![conversation.business_phone.clone()],
        price_ranges: Vec::new(),
        schedule: Schedule::default(),
        zone: Tz::default(),
        quiet_hours: None,
        alert_numbers: Vec::new(),
        accepts_emergencies: true,
        policy: BusinessPolicy::default(),
        never_text: Arc::default(),
        relay_to: None,
        owner_is_off: false,
        remind_to: None,
    }
}

/// The Twilio account whose token signed a webhook, and the businesses that the token is valid for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signer {
    /// A business's own account; `None` if the main account signed.
    #[serde(default, rename = "account_sid", skip_serializing_if = "Option::is_none")]
    pub own_account: Option<String>,
    /// The businesses that had stored this account with this token when the signature was verified. Empty with an own
    /// account only if an older version verified it, which did not record them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signed_for: Vec<String>,
}

impl Signer {
    /// The operator's main account, which is valid for every business.
    pub const MAIN: Self = Self { own_account: None, signed_for: Vec::new() };
}
