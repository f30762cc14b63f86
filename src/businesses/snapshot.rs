//! A copy of all businesses for outages of PostgreSQL: in memory, and in a JetStream bucket for processes that start
//! during an outage.
//!
//! It is refreshed from the table every few seconds. [`super::BusinessCache`] and the accounts' signature checks use it
//! only if the table does not answer. Auth tokens stay encrypted in it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::adapters::jetstream::{BucketError, JetStream};
use crate::adapters::postgres::{BusinessRecord, SigningKey, Store};
use crate::domain::business::Profile;
use crate::domain::phone::PhoneNumber;
use crate::store::StoreError;

/// How often the table is read.
const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// How long the table may take to answer before the snapshot is used: callers hear silence meanwhile.
const LOOKUP_TIMEOUT: Duration = Duration::from_millis(600);
/// How often the table is tried while it is known to be unreachable; in between, the snapshot answers at once.
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// A business in the snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct SnapshotEntry {
    profile: Profile,
    twilio_account_sid: Option<String>,
    /// Encrypted.
    twilio_auth_token: Option<Vec<u8>>,
    /// Encrypted.
    #[serde(default)]
    dispatchbot_key: Option<Vec<u8>>,
    /// Encrypted; the second token of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_auth_token: Option<Vec<u8>>,
}

#[derive(Debug, Default)]
struct Image {
    by_id: HashMap<String, SnapshotEntry>,
    by_phone: HashMap<PhoneNumber, Arc<Profile>>,
    accounts: HashSet<String>,
}

/// The snapshot; clones share it.
#[derive(Debug, Clone, Default)]
pub struct BusinessSnapshot {
    image: Arc<RwLock<Image>>,
    /// When the table was last found unreachable; `None` while it answers.
    away: Arc<Mutex<Option<Instant>>>,
    changed: Arc<Notify>,
}

impl BusinessSnapshot {
    /// Reads from the table or, if it does not answer, from the snapshot. If the snapshot has no answer either, returns
    /// the table's error.
    ///
    /// # Errors
    /// If the table is unreachable, and the snapshot does not contain the value.
    pub async fn or_fallback<T>(
        &self,
        table: impl Future<Output = Result<T, StoreError>>,
        snapshot: impl FnOnce(&Self) -> Option<T>,
    ) -> Result<T, StoreError> {
        let error = if self.is_away() {
            StoreError::away()
        } else {
            match tokio::time::timeout(LOOKUP_TIMEOUT, table).await {
                Ok(Ok(found)) => {
                    self.is_back();
                    return Ok(found);
                }
                Ok(Err(error @ (StoreError::Unavailable(_) | StoreError::Refused(_)))) => error,
                Ok(Err(other)) => return Err(other),
                Err(_late) => StoreError::away(),
            }
        };
        self.went_away(&error);
        snapshot(self).ok_or(error)
    }

    /// Refreshes the snapshot at once, after a business was changed by this process.
    pub fn look_again(&self) {
        self.changed.notify_one();
    }

    fn is_away(&self) -> bool {
        let away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        away.is_some_and(|since| since.elapsed() < TRY_AGAIN)
    }

    fn went_away(&self, error: &StoreError) {
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        if away.is_none() {
            tracing::debug!(%error, "PostgreSQL is unavailable; looking up businesses in the snapshot");
        }
        if away.is_none_or(|since| since.elapsed() >= TRY_AGAIN) {
            *away = Some(Instant::now());
        }
    }

    fn is_back(&self) {
        if self.away.lock().unwrap_or_else(PoisonError::into_inner).take().is_some() {
            tracing::debug!("PostgreSQL is available; looking up businesses in the table");
        }
    }

    /// The business that a number belongs to.
    pub fn by_phone(&self, phone: &PhoneNumber) -> Option<Arc<Profile>> {
        self.read(|image| image.by_phone.get(phone).cloned())
    }

    /// A business by id.
    pub fn by_id(&self, id: &str) -> Option<Arc<Profile>> {
        self.read(|image| image.by_id.get(id).map(|mirrored| Arc::new(mirrored.shown())))
    }

    /// The tokens that businesses have stored for a Twilio account; `None` if there are none.
    pub fn signing_keys(&self, account_sid: &str) -> Option<Vec<SigningKey>> {
        let keys: Vec<SigningKey> = self.read(|image| {
            let of_account = image.by_id.values().filter(|m| m.twilio_account_sid.as_deref() == Some(account_sid));
            let keys = |m: &SnapshotEntry| {
                let business_id = m.profile.id.clone();
                let tokens = [m.twilio_auth_token.clone(), m.next_auth_token.clone()].into_iter().flatten();
                tokens.map(move |sealed| SigningKey { business_id: business_id.clone(), sealed })
            };
            of_account.flat_map(keys).collect()
        });
        (!keys.is_empty()).then_some(keys)
    }

    /// Whether a business has this Twilio account.
    pub fn knows_account(&self, account_sid: &str) -> bool {
        self.read(|image| image.accounts.contains(account_sid))
    }

    fn read<T>(&self, look: impl FnOnce(&Image) -> T) -> T {
        look(&self.image.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, businesses: impl IntoIterator<Item = SnapshotEntry>) {
        let mut image = Image::default();
        for business in businesses {
            let shown = Arc::new(business.shown());
            image.by_phone.extend(shown.phone_numbers.iter().map(|phone| (phone.clone(), Arc::clone(&shown))));
            image.accounts.extend(shown.twilio_account_sid.clone());
            image.by_id.insert(shown.id.clone(), business);
        }
        *self.image.write().unwrap_or_else(PoisonError::into_inner) = image;
    }
}

impl SnapshotEntry {
    fn of(record: BusinessRecord) -> Result<Self, StoreError> {
        let profile = serde_json::from_value(record.profile)
            .map_err(|error| StoreError::corrupt("businesses", record.id, error))?;
        let (twilio_account_sid, twilio_auth_token) = (record.twilio_account_sid, record.twilio_auth_token);
        let (dispatchbot_key, next_auth_token) = (record.dispatchbot_api_key, record.next_auth_token);
        Ok(Self { profile, twilio_account_sid, twilio_auth_token, dispatchbot_key, next_auth_token })
    }

    fn shown(&self) -> Profile {
        Profile {
            twilio_account_sid: self.twilio_account_sid.clone(),
            dispatchbot_key: self.dispatchbot_key.clone(),
            ..self.profile.clone()
        }
    }
}

/// Keeps the snapshot up to date until `shutdown`.
pub async fn keep_snapshot(
    snapshot: BusinessSnapshot,
    store: Store,
    jetstream: JetStream,
    shutdown: CancellationToken,
) {
    let keeping = async {
        let mut bucket = None;
        loop {
            if let Err(error) = keep_once(&snapshot, &store, &jetstream, &mut bucket).await {
                tracing::debug!(%error, "refreshing the business snapshot failed; retrying later");
            }
            let _changed_or_not = tokio::time::timeout(POLL_INTERVAL, snapshot.changed.notified()).await;
        }
    };
    shutdown.run_until_cancelled(keeping).await;
}

/// Why the snapshot was not refreshed.
#[derive(Debug, thiserror::Error)]
enum KeepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Bucket(#[from] BucketError),
}

/// Refreshes the snapshot once. `bucket` caches the bucket's contents after they were first read.
async fn keep_once(
    snapshot: &BusinessSnapshot,
    store: &Store,
    jetstream: &JetStream,
    bucket: &mut Option<HashMap<String, Bytes>>,
) -> Result<(), KeepError> {
    let table = store.all_businesses().await;
    if bucket.is_none() {
        match jetstream.mirrored().await {
            Ok(entries) => {
                // Older than the table, but better than nothing.
                let readable = entries.values().filter_map(|entry| serde_json::from_slice(entry).ok());
                if table.is_err() {
                    snapshot.replace(readable);
                }
                *bucket = Some(entries);
            }
            Err(error) => tracing::debug!(%error, "reading the business snapshot failed"),
        }
    }
    let table = table?.into_iter().map(SnapshotEntry::of).collect::<Result<Vec<_>, _>>()?;
    let wanted: HashMap<String, Bytes> = table
        .iter()
        .filter_map(|business| Some((business.profile.id.clone(), serde_json::to_vec(business).ok()?.into())))
        .collect();
    snapshot.replace(table);
    let Some(entries) = bucket.as_mut() else { return Ok(()) };
    for (key, value) in &wanted {
        if entries.get(key) == Some(value) {
            continue;
        }
        if value.len() > jetstream.max_payload() {
            // Stored before documents were bounded. In memory it is complete.
            tracing::warn!(business.id = key, bytes = value.len(), "a business is too large for the snapshot's bucket");
        } else {
            jetstream.store_snapshot(key, value.clone()).await?;
        }
        entries.insert(key.clone(), value.clone());
    }
    let gone: Vec<String> = entries.keys().filter(|key| !wanted.contains_key(*key)).cloned().collect();
    for key in gone {
        jetstream.unmirror(&key).await?;
        entries.remove(&key);
    }
    Ok(())
}
