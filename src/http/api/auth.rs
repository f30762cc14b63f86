//! Authentication and authorization by API key: keys from the configuration, and keys created with
//! `nevermisscall keys`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use poem::Request;
use poem_openapi::SecurityScheme;
use poem_openapi::auth::Bearer;
use tokio::sync::{Mutex as AsyncMutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::commands::MAX_WORDS;
use super::failed_keys::FailedKeys;
use super::rate_limit_headers::Quota;
use super::validation::Problems;
use crate::adapters::postgres::{KeyScope, Store};
use crate::config::{Rate, Secret};
use crate::http::limiter::Verdict;
use crate::http::look_ups::LookUps;
use crate::http::problem::{Code, Problem};
use crate::http::shared_limiter::SharedLimiter;
use crate::http::{Edge, connections};
use crate::secrets::{constant_time_eq, hash_api_key};
use crate::store::StoreError;

/// Maximum number of event streams that a key may read at once.
const EVENT_STREAMS: usize = 16;

/// Timeout for looking up a key.
const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(5);
/// For this long after a key was last valid, its look-up is not queued behind those of unknown keys.
const KNOWN_FOR: Duration = Duration::from_secs(60 * 60);
const CAPACITY: u64 = 10_000;
/// Valid keys are listed at most once in this time ([`Keys::learn`]).
const LEARN_EVERY: Duration = Duration::from_secs(5);

/// An API key, sent as `Authorization: Bearer <key>`. A read-only key gets 403 for every request that changes
/// something. A key for certain businesses gets 404 for everything that belongs to other businesses.
#[derive(SecurityScheme)]
#[oai(rename = "AppServer", ty = "bearer", checker = "reads")]
pub(super) struct Reader(pub(super) Caller);

/// An API key, sent as `Authorization: Bearer <key>`. A read-only key gets 403 for every request that changes
/// something. A key for certain businesses gets 404 for everything that belongs to other businesses.
#[derive(SecurityScheme)]
#[oai(rename = "AppServer", ty = "bearer", checker = "writes")]
pub(super) struct Writer(pub(super) Caller);

/// The holder of a valid key, with the key's scope.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    scope: KeyScope,
    /// The hash of the key, which identifies its earlier requests.
    pub(super) key: [u8; 32],
}

impl Caller {
    /// Fails with 404 if the key's scope excludes the business: a key for one business must not reveal anything of
    /// another.
    pub(super) fn sees(&self, business_id: &str, what: &str) -> Result<(), Problem> {
        match &self.scope.business_ids {
            Some(own) if !own.iter().any(|id| id == business_id) => Err(Problem::not_found(what)),
            _ => Ok(()),
        }
    }

    /// Whether the key may change anything.
    pub(super) fn may_write(&self) -> bool {
        self.scope.may_write
    }

    /// The person whom the key belongs to.
    pub(super) fn user(&self) -> Option<&str> {
        self.scope.user_id.as_deref()
    }

    /// Whether the key has the scope `numbers`.
    pub(super) fn manages_numbers(&self) -> bool {
        self.scope.manages_numbers()
    }

    /// The person who acts: the one whom the key belongs to, or else the one whom the request names. An error in `user_id` is
    /// added.
    pub(super) fn acts_as(&self, problems: &mut Problems, user_id: Option<String>) -> String {
        match (&self.scope.user_id, &user_id) {
            (Some(_), given) => self.refuses_others(problems, given.as_deref()),
            (None, Some(given)) => problems.text("user_id", given, MAX_WORDS),
            (None, None) => problems.add("user_id", "is missing, and the API key belongs to no person"),
        }
        self.scope.user_id.clone().or(user_id).unwrap_or_default()
    }

    /// Adds an error if a request names another person than the one whom the key belongs to.
    pub(super) fn refuses_others(&self, problems: &mut Problems, user_id: Option<&str>) {
        if let (Some(own), Some(given)) = (&self.scope.user_id, user_id)
            && own != given
        {
            problems.add("user_id", "is not the person whom the API key belongs to; leave it out");
        }
    }

    /// The person whom the key belongs to, or else the key's name, for the audit record.
    pub(super) async fn name(&self, edge: &Edge) -> Result<String, Problem> {
        if let Some(user_id) = &self.scope.user_id {
            return Ok(user_id.clone());
        }
        let name = edge.store.api_key_name(&self.key).await.map_err(|error| Problem::unavailable(&error))?;
        Ok(name.map_or_else(|| "a key of NMC_API_KEYS".to_owned(), |name| format!("key {name}")))
    }

    /// The businesses that a list is limited to; `None` means all.
    pub(super) fn businesses(&self) -> Option<&[String]> {
        self.scope.business_ids.as_deref()
    }
}

async fn reads(request: &Request, bearer: Bearer) -> poem::Result<Caller> {
    let Some(edge) = request.data::<Edge>() else {
        return Err(Problem::new(Code::Internal, "internal error; quote request_id to support").into());
    };
    let caller = edge.keys.admit(&bearer.token, request.extensions().get()).await?;
    connections::has_shown_itself(request);
    Ok(caller)
}

async fn writes(request: &Request, bearer: Bearer) -> poem::Result<Caller> {
    let caller = reads(request, bearer).await?;
    if caller.scope.may_write {
        Ok(caller)
    } else {
        Err(Problem::new(Code::Unauthorized, "this API key is read-only; use a key that may write").forbidden().into())
    }
}

/// Checks API keys and their rate limits.
pub struct Keys {
    bootstrap: Vec<[u8; 32]>,
    store: Store,
    limiter: SharedLimiter,
    seats: Mutex<HashMap<[u8; 32], Arc<Semaphore>>>,
    look_ups: LookUps<[u8; 32], Result<Option<KeyScope>, Arc<StoreError>>>,
    /// Keys that were valid recently. Each is still looked up; this selects the lane of its look-up, and whether a
    /// failure counts against its peer in advance.
    known: Cache<[u8; 32], ()>,
    /// When the valid keys were last listed.
    learned: AsyncMutex<Option<Instant>>,
    /// The failures of peers that send unknown keys.
    pub(super) failed: FailedKeys,
}

impl Keys {
    /// Keys from the configuration are valid in addition to those in the store.
    pub(in crate::http) fn new(bootstrap: &[Secret], limiter: SharedLimiter, store: Store) -> Self {
        let bootstrap = bootstrap.iter().map(|key| hash_api_key(key.expose())).collect();
        Self {
            bootstrap,
            store,
            limiter,
            seats: Mutex::default(),
            look_ups: LookUps::new(),
            known: Cache::builder().max_capacity(CAPACITY).time_to_idle(KNOWN_FOR).build(),
            learned: AsyncMutex::default(),
            failed: FailedKeys::new(),
        }
    }

    pub(super) async fn admit(&self, token: &str, quota: Option<&Quota>) -> Result<Caller, Problem> {
        let key = hash_api_key(token);
        let Some(scope) = self.scope(&key).await? else {
            return Err(Problem::new(Code::Unauthorized, "the API key is unknown or revoked"));
        };
        let rate = scope.rate.unwrap_or(self.limiter.rate());
        let (verdict, by) = self.limiter.accept(key, rate).await;
        if let Some(quota) = quota {
            quota.set(rate, verdict, by);
        }
        match verdict {
            Verdict::Accepted { .. } => Ok(Caller { scope, key }),
            Verdict::Refused { retry_after } => {
                let seconds = retry_after.as_secs() + 1;
                let message = "too many requests with this API key; try again later";
                Err(Problem::new(Code::RateLimited, message).retry_after(seconds))
            }
        }
    }

    /// How many requests the caller may make.
    pub(super) fn rate_of(&self, caller: &Caller) -> Rate {
        caller.scope.rate.unwrap_or(self.limiter.rate())
    }

    /// A permit to read an event stream; `None` if the key already reads as many as it may.
    pub(super) fn stream_permit(&self, caller: &Caller) -> Option<OwnedSemaphorePermit> {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let of_key = seats.entry(caller.key).or_insert_with(|| Arc::new(Semaphore::new(EVENT_STREAMS)));
        Arc::clone(of_key).try_acquire_owned().ok()
    }

    fn is_bootstrap(&self, hash: &[u8; 32]) -> bool {
        // All keys are compared, so that the duration does not reveal which one matched.
        self.bootstrap.iter().fold(false, |known, key| known | constant_time_eq(key, hash))
    }

    /// Whether the key is valid, or was so recently, as far as it is known without a look-up.
    pub(super) fn is_known(&self, hash: &[u8; 32]) -> bool {
        self.is_bootstrap(hash) || self.known.contains_key(hash)
    }

    /// Makes all valid keys known, unless that was done within [`LEARN_EVERY`]. If they cannot be read, those that are
    /// known remain so.
    pub(super) async fn learn(&self) {
        let mut learned = self.learned.lock().await;
        if learned.is_some_and(|at| at.elapsed() < LEARN_EVERY) {
            return;
        }
        match tokio::time::timeout(LOOK_UP_TIMEOUT, self.store.api_key_hashes(CAPACITY)).await {
            Ok(Ok(valid)) => valid.into_iter().for_each(|hash| self.known.insert(hash, ())),
            Ok(Err(error)) => tracing::debug!(%error, "the valid API keys cannot be listed"),
            Err(_late) => tracing::debug!("the valid API keys cannot be listed in time"),
        }
        *learned = Some(Instant::now());
    }

    /// The scope of a key; `None` if it is unknown or revoked. Looked up each time, so a revocation takes effect at
    /// once.
    pub(super) async fn scope(&self, hash: &[u8; 32]) -> Result<Option<KeyScope>, Problem> {
        if self.is_bootstrap(hash) {
            return Ok(Some(KeyScope::ALL));
        }
        let (store, asked) = (self.store.clone(), *hash);
        let look_up = async move { store.api_key_scope(&asked).await.map_err(Arc::new) };
        let found = self.look_ups.ask(*hash, self.known.contains_key(hash), look_up);
        let found = match tokio::time::timeout(LOOK_UP_TIMEOUT, found).await {
            Ok(found) => found.map_err(|error| Problem::unavailable(&error))?,
            Err(_late) => return Err(Problem::unavailable(&StoreError::away())),
        };
        if found.is_some() {
            self.known.insert(*hash, ());
        } else {
            self.known.invalidate(hash);
        }
        Ok(found)
    }
}
