//! What there is: the numbers of businesses in our database, and those of their accounts at Twilio.

use std::collections::{BTreeMap, HashMap};

use anyhow::Context;

use super::{Access, Selection};
use crate::adapters::twilio::{Account, IncomingNumber, MessagingService};
use crate::domain::business::Profile;
use crate::domain::number_setup::Service;

/// A number of a business that is meant.
pub(super) struct Owned {
    pub(super) business_id: String,
    pub(super) phone: String,
    /// The SID of the account that must have it; or why that is not known.
    pub(super) account: Result<String, String>,
}

/// An account at Twilio, as far as it can be read.
pub(super) struct AccountView {
    pub(super) account: Account,
    /// By their phone numbers.
    pub(super) numbers: Result<BTreeMap<String, IncomingNumber>, String>,
    /// Its Messaging Services with their senders.
    pub(super) services: Result<Vec<(MessagingService, Vec<String>)>, String>,
}

/// Everything about the numbers that are meant.
pub(super) struct Inventory {
    pub(super) owned: Vec<Owned>,
    /// By their SIDs: those of the numbers that are meant.
    pub(super) accounts: BTreeMap<String, AccountView>,
    /// The numbers of all businesses, whether they are meant or not.
    pub(super) known: HashMap<String, String>,
}

impl Inventory {
    /// Reads it all. If no number is left out, the main account is read, too, even if no business uses it.
    pub(super) async fn read(access: &Access, selection: &Selection) -> anyhow::Result<Self> {
        let records = access.store.all_businesses().await.context("businesses cannot be read")?;
        let profiles = records.into_iter().map(|record| {
            let id = record.id;
            serde_json::from_value::<Profile>(record.profile).with_context(|| format!("business {id} cannot be read"))
        });
        let profiles = profiles.collect::<anyhow::Result<Vec<Profile>>>()?;
        selection.check(&profiles)?;
        let (mut owned, mut accounts, mut known) = (Vec::new(), BTreeMap::new(), HashMap::new());
        if !selection.is_narrow() {
            let main = access.accounts.main();
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
            let account = access.accounts.of(&profile.id).await.map_err(|error| error.to_string());
            if let Ok(account) = &account {
                accounts.insert(account.sid.clone(), account.clone());
            }
            let sid = account.map(|account| account.sid);
            let of_business = |phone| Owned { business_id: profile.id.clone(), phone, account: sid.clone() };
            owned.extend(meant.into_iter().map(of_business));
        }
        let mut views = BTreeMap::new();
        for (sid, account) in accounts {
            views.insert(sid, AccountView::read(access, account).await);
        }
        Ok(Self { owned, accounts: views, known })
    }

    /// A number that is meant, as Twilio has it.
    ///
    /// # Errors
    /// If its account has it not, or cannot be read; in words.
    pub(super) fn find<'a>(&'a self, owned: &Owned) -> Result<(&'a AccountView, &'a IncomingNumber), String> {
        let sid = owned.account.as_ref().map_err(Clone::clone)?;
        let view = self.accounts.get(sid).ok_or_else(|| format!("the account {sid} was not read"))?;
        let numbers = view.numbers.as_ref().map_err(Clone::clone)?;
        let number = numbers.get(&owned.phone).ok_or_else(|| format!("it is not in the account {sid}"))?;
        Ok((view, number))
    }
}

impl AccountView {
    async fn read(access: &Access, account: Account) -> Self {
        let numbers = access.twilio.incoming_numbers(&account).await.map_err(|error| error.to_string());
        let numbers = numbers.map(|numbers| {
            numbers.into_iter().map(|number| (number.phone_number.clone(), number)).collect::<BTreeMap<_, _>>()
        });
        // Whoever is refused once is not asked again.
        let services = match &numbers {
            Ok(_) => services(access, &account).await,
            Err(error) => Err(error.clone()),
        };
        Self { account, numbers, services }
    }

    /// The Messaging Service that has a number among its senders; the first one that takes its texts, if several have it.
    pub(super) fn service_of(&self, phone: &str) -> Option<Service> {
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

async fn services(access: &Access, account: &Account) -> Result<Vec<(MessagingService, Vec<String>)>, String> {
    let services = access.messaging.services(account).await.map_err(|error| error.to_string())?;
    let mut with_senders = Vec::new();
    for service in services {
        let senders = access.messaging.senders(account, &service.sid).await.map_err(|error| error.to_string())?;
        with_senders.push((service, senders));
    }
    Ok(with_senders)
}
