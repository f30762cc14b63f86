//! What there is: the numbers of businesses in our database, and those of their accounts at Twilio.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{AtTwilio, Selection};
use crate::adapters::twilio::{Account, IncomingNumber, MessagingService};
use crate::domain::business::Profile;
use crate::domain::number_setup::Service;
use crate::domain::phone::PhoneNumber;
use crate::store::StoreError;

/// A number of a business that is meant.
pub struct Owned {
    pub business_id: String,
    pub phone: String,
    /// The SID of the account that must have it; or why that is not known.
    pub account: Result<String, String>,
}

/// An account at Twilio, as far as it can be read.
pub struct AccountView {
    pub account: Account,
    /// By their phone numbers.
    pub numbers: Result<BTreeMap<String, IncomingNumber>, String>,
    /// Its Messaging Services with their senders.
    pub services: Result<Vec<(MessagingService, Vec<String>)>, String>,
}

/// Everything about the numbers that are meant.
pub struct Inventory {
    pub owned: Vec<Owned>,
    /// By their SIDs: those of the numbers that are meant.
    pub accounts: BTreeMap<String, AccountView>,
    /// The numbers of the businesses that were read: of all, if no business is named.
    pub known: HashMap<String, String>,
}

impl Inventory {
    /// Reads it all. If no number is left out, the main account is read, too, even if no business uses it.
    ///
    /// # Errors
    /// If PostgreSQL is unavailable, or a business or number is meant that there is not. What Twilio refuses is a part of
    /// the inventory.
    pub async fn read(at_twilio: &AtTwilio, selection: &Selection) -> Result<Self, InventoryError> {
        // Which other businesses there are matters only if no number is left out.
        let records = if selection.businesses.is_empty() {
            at_twilio.store.all_businesses().await?
        } else {
            let mut records = Vec::new();
            for id in BTreeSet::from_iter(&selection.businesses) {
                records.extend(at_twilio.store.business(id).await?);
            }
            records
        };
        let profiles = records.into_iter().map(|record| {
            let id = record.id;
            serde_json::from_value::<Profile>(record.profile)
                .map_err(|error| InventoryError::Unreadable { business_id: id, error })
        });
        let profiles = profiles.collect::<Result<Vec<Profile>, _>>()?;
        selection.check(&profiles)?;
        let (mut owned, mut accounts, mut known) = (Vec::new(), BTreeMap::new(), HashMap::new());
        if !selection.is_narrow() {
            let main = at_twilio.accounts.main();
            accounts.insert(main.sid.clone(), main);
        }
        for profile in profiles {
            let phones: Vec<String> = profile.phone_numbers.iter().map(ToString::to_string).collect();
            known.extend(phones.iter().map(|phone| (phone.clone(), profile.id.clone())));
            let meant: Vec<String> =
                phones.into_iter().filter(|phone| selection.includes(&profile.id, phone)).collect();
            if meant.is_empty() {
                continue;
            }
            let account = at_twilio.accounts.of(&profile.id).await.map_err(|error| error.to_string());
            if let Ok(account) = &account {
                accounts.insert(account.sid.clone(), account.clone());
            }
            let sid = account.map(|account| account.sid);
            let of_business = |phone| Owned { business_id: profile.id.clone(), phone, account: sid.clone() };
            owned.extend(meant.into_iter().map(of_business));
        }
        let mut views = BTreeMap::new();
        for (sid, account) in accounts {
            views.insert(sid, AccountView::read(at_twilio, account).await);
        }
        Ok(Self { owned, accounts: views, known })
    }

    /// A number that is meant, as Twilio has it.
    ///
    /// # Errors
    /// If its account has it not, or cannot be read; in words.
    pub fn find<'a>(&'a self, owned: &Owned) -> Result<(&'a AccountView, &'a IncomingNumber), String> {
        let sid = owned.account.as_ref().map_err(Clone::clone)?;
        let view = self.accounts.get(sid).ok_or_else(|| format!("the account {sid} was not read"))?;
        let numbers = view.numbers.as_ref().map_err(Clone::clone)?;
        let number = numbers.get(&owned.phone).ok_or_else(|| format!("it is not in the account {sid}"))?;
        Ok((view, number))
    }
}

/// Why there is no inventory.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    #[error("businesses cannot be read")]
    Store(#[from] StoreError),
    #[error("business {business_id} cannot be read")]
    Unreadable {
        business_id: String,
        #[source]
        error: serde_json::Error,
    },
    #[error("{0}: there is no such business")]
    NoBusiness(String),
    #[error("{0}: no business that is meant has it")]
    NoNumber(PhoneNumber),
}

impl Selection {
    /// Refuses businesses and numbers that there are not: nothing would be done about them, and nothing said.
    fn check(&self, businesses: &[Profile]) -> Result<(), InventoryError> {
        for id in &self.businesses {
            if !businesses.iter().any(|business| business.id == *id) {
                return Err(InventoryError::NoBusiness(id.clone()));
            }
        }
        for number in &self.numbers {
            let has = |business: &Profile| business.has_number(number) && self.includes(&business.id, number.as_str());
            if !businesses.iter().any(has) {
                return Err(InventoryError::NoNumber(number.clone()));
            }
        }
        Ok(())
    }
}

impl AccountView {
    async fn read(at_twilio: &AtTwilio, account: Account) -> Self {
        let numbers = at_twilio.twilio.incoming_numbers(&account).await.map_err(|error| error.to_string());
        let numbers = numbers.map(|numbers| {
            numbers.into_iter().map(|number| (number.phone_number.clone(), number)).collect::<BTreeMap<_, _>>()
        });
        // Whoever is refused once is not asked again.
        let services = match &numbers {
            Ok(_) => services(at_twilio, &account).await,
            Err(error) => Err(error.clone()),
        };
        Self { account, numbers, services }
    }

    /// The Messaging Service that has a number among its senders; the first one that takes its texts, if several have it.
    pub fn service_of(&self, phone: &str) -> Option<Service> {
        let has = self.services.iter().flatten().filter(|(_, senders)| senders.iter().any(|sender| sender == phone));
        let services = has.map(|(service, _)| Service {
            sid: service.sid.clone(),
            name: service.friendly_name.clone(),
            inbound_url: service.inbound_request_url.clone().filter(|url| !url.is_empty()),
            defers_to_number: service.use_inbound_webhook_on_number,
        });
        services.min_by_key(|service| service.defers_to_number)
    }
}

async fn services(at_twilio: &AtTwilio, account: &Account) -> Result<Vec<(MessagingService, Vec<String>)>, String> {
    let services = at_twilio.messaging.services(account).await.map_err(|error| error.to_string())?;
    let mut with_senders = Vec::new();
    for service in services {
        let senders = at_twilio.messaging.senders(account, &service.sid).await.map_err(|error| error.to_string())?;
        with_senders.push((service, senders));
    }
    Ok(with_senders)
}
