//! A read-through cache of business look-ups, for the edge and the workers. Entries are kept for a few seconds.
//!
//! A number without a business is never cached. A failed look-up is an error, not an unknown number.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use tokio::time::Instant;

use crate::adapters::postgres::{BusinessRecord, Store};
use crate::domain::business::{OwnSide, Profile};
use crate::domain::phone::PhoneNumber;
use crate::store::{StoreError, Stored};

use super::BusinessSnapshot;

/// How long another process's change of a business may go unnoticed here.
const CACHE_TTL: Duration = Duration::from_secs(2);
const CAPACITY: u64 = 20_000;

/// Business look-ups. Each returns the last committed state, or an error; a failed look-up never returns `None`.
pub trait Businesses: Clone + Send + Sync + 'static {
    /// A business by id; see [`Store::business`].
    fn business(&self, id: &str) -> impl Future<Output = Stored<Option<BusinessRecord>>> + Send;
    /// The business that a number belongs to; see [`Store::business_by_phone`].
    fn business_by_phone(&self, phone: &PhoneNumber) -> impl Future<Output = Stored<Option<BusinessRecord>>> + Send;
}

impl Businesses for Store {
    async fn business(&self, id: &str) -> Stored<Option<BusinessRecord>> {
        self.business(id).await
    }
    async fn business_by_phone(&self, phone: &PhoneNumber) -> Stored<Option<BusinessRecord>> {
        self.business_by_phone(phone).await
    }
}

/// A business look-up failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("businesses cannot be looked up: {0}")]
pub struct BusinessCacheError(#[source] Arc<StoreError>);

impl From<StoreError> for BusinessCacheError {
    fn from(error: StoreError) -> Self {
        Self(Arc::new(error))
    }
}

/// A cached business, with the time of its look-up. Tokio's clock, because tests can pause it.
#[derive(Debug, Clone)]
struct LookedUp {
    profile: Arc<Profile>,
    at: Instant,
}

impl LookedUp {
    fn now(profile: &Arc<Profile>) -> Self {
        Self { profile: Arc::clone(profile), at: Instant::now() }
    }

    fn if_fresh(self) -> Option<Arc<Profile>> {
        (self.at.elapsed() < CACHE_TTL).then_some(self.profile)
    }
}

/// The cache; clones share it.
#[derive(Debug, Clone)]
pub struct BusinessCache<R = Store> {
    store: R,
    snapshot: BusinessSnapshot,
    by_phone: Cache<PhoneNumber, LookedUp>,
    by_id: Cache<String, LookedUp>,
}

impl<R: Businesses> BusinessCache<R> {
    /// Creates a cache of the store, which uses the snapshot while the store is unreachable.
    pub fn new(store: R, snapshot: BusinessSnapshot) -> Self {
        Self { store, snapshot, by_phone: Cache::new(CAPACITY), by_id: Cache::new(CAPACITY) }
    }

    /// The store, for records that are not cached.
    pub(super) fn store(&self) -> &R {
        &self.store
    }

    /// The business that a number belongs to.
    ///
    /// # Errors
    /// If the store is unreachable, and the snapshot does not contain the business.
    pub async fn by_phone(&self, phone: &PhoneNumber) -> Result<Option<Arc<Profile>>, BusinessCacheError> {
        if let Some(profile) = self.by_phone.get(phone).and_then(LookedUp::if_fresh) {
            return Ok(Some(profile));
        }
        let table = async { self.store.business_by_phone(phone).await?.map(parse).transpose() };
        let found = self.snapshot.or_fallback(table, |snapshot| snapshot.by_phone(phone).map(Some)).await?;
        let Some(profile) = found else { return Ok(None) };
        self.by_phone.insert(phone.clone(), LookedUp::now(&profile));
        Ok(Some(profile))
    }

    /// A business by id.
    ///
    /// # Errors
    /// If the store is unreachable, and the snapshot does not contain the business.
    pub async fn by_id(&self, id: &str) -> Result<Option<Arc<Profile>>, BusinessCacheError> {
        if let Some(profile) = self.by_id.get(id).and_then(LookedUp::if_fresh) {
            return Ok(Some(profile));
        }
        let table = async { self.store.business(id).await?.map(parse).transpose() };
        let found = self.snapshot.or_fallback(table, |snapshot| snapshot.by_id(id).map(Some)).await?;
        let Some(profile) = found else { return Ok(None) };
        self.by_id.insert(id.to_owned(), LookedUp::now(&profile));
        Ok(Some(profile))
    }

    /// Clears the cache after a business was changed by this process, and refreshes the snapshot.
    pub fn forget_all(&self) {
        self.by_phone.invalidate_all();
        self.by_id.invalidate_all();
        self.snapshot.look_again();
    }
}

fn parse(record: BusinessRecord) -> Result<Arc<Profile>, StoreError> {
    let profile: Profile =
        serde_json::from_value(record.profile).map_err(|error| StoreError::corrupt("businesses", record.id, error))?;
    let never_text = record.never_text.iter().filter_map(|phone| phone.parse().ok()).collect();
    let own_side = OwnSide {
        off_since: record.owner_off_since,
        opted_out: Arc::new(record.opted_out_phones.iter().filter_map(|phone| phone.parse().ok()).collect()),
        forwards_to_business: record.forwards_to_business,
    };
    let (twilio_account_sid, dispatchbot_key) = (record.twilio_account_sid, record.dispatchbot_api_key);
    Ok(Arc::new(Profile { twilio_account_sid, never_text: Arc::new(never_text), dispatchbot_key, own_side, ..profile }))
}
