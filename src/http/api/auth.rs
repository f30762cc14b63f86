//! Who may call: the keys of the configuration, and those made with `nevermisscall keys`; and what each may do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use poem::Request;
use poem_openapi::SecurityScheme;
use poem_openapi::auth::Bearer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::rate_limit_headers::Quota;
use crate::adapters::postgres::{KeyScope, Store, StoreError};
use crate::config::{Rate, Secret};
use crate::http::limiter::{Limiter, Verdict};
use crate::http::look_ups::LookUps;
use crate::http::problem::{Code, Problem};
use crate::http::{Edge, connections};
use crate::secrets::{constant_time_eq, hash_api_key};

/// Event streams that a key may read at once.
const EVENT_STREAMS: usize = 16;

/// How long a key may take to be looked up.
const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(5);
/// So long after it was last good, a key's look-up does not stand behind those of keys that nobody knows.
const KNOWN_FOR: Duration = Duration::from_secs(60 * 60);
const CAPACITY: u64 = 10_000;

/// Whoever may read, by their key.
#[derive(SecurityScheme)]
#[oai(rename = "AppServer", ty = "bearer", checker = "reads")]
pub(super) struct Reader(pub(super) Caller);

/// Whoever may change things, by their key.
#[derive(SecurityScheme)]
#[oai(rename = "AppServer", ty = "bearer", checker = "writes")]
pub(super) struct Writer(pub(super) Caller);

/// Whoever holds a valid key, and what it is good for.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    scope: KeyScope,
    /// The key's hash: what it did before is known by it.
    pub(super) key: [u8; 32],
}

impl Caller {
    /// Fails as if there were no such thing, where it belongs to a business that the key is not for: a key of one business
    /// sees nothing of another.
    pub(super) fn sees(&self, business_id: &str, what: &str) -> Result<(), Problem> {
        match &self.scope.business_ids {
            Some(own) if !own.iter().any(|id| id == business_id) => Err(Problem::not_found(what)),
            _ => Ok(()),
        }
    }

    /// Whether it has the scope `numbers`.
    pub(super) fn manages_numbers(&self) -> bool {
        self.scope.manages_numbers()
    }

    /// The key, as the record names it.
    pub(super) async fn name(&self, edge: &Edge) -> Result<String, Problem> {
        let name = edge.store.api_key_name(&self.key).await.map_err(|error| Problem::unavailable(&error))?;
        Ok(name.map_or_else(|| "a key of NMC_API_KEYS".to_owned(), |name| format!("key {name}")))
    }

    /// The businesses that a list is narrowed to; `None`: all.
    pub(super) fn businesses(&self) -> Option<&[String]> {
        self.scope.business_ids.as_deref()
    }
}

async fn reads(request: &Request, bearer: Bearer) -> poem::Result<Caller> {
    let Some(edge) = request.data::<Edge>() else {
        return Err(Problem::new(Code::Internal, "something went wrong on our side").into());
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
        Err(Problem::new(Code::Unauthorized, "this key may only read").forbidden().into())
    }
}

/// The keys that open the door, and how often each may knock.
pub struct Keys {
    bootstrap: Vec<[u8; 32]>,
    store: Store,
    limiter: Limiter<[u8; 32]>,
    seats: Mutex<HashMap<[u8; 32], Arc<Semaphore>>>,
    look_ups: LookUps<[u8; 32], Result<Option<KeyScope>, Arc<StoreError>>>,
    /// Those that were good lately: which lane they take, and nothing else.
    known: Cache<[u8; 32], ()>,
}

impl Keys {
    /// The keys of the configuration beside those in the store.
    pub fn new(bootstrap: &[Secret], rate: Rate, store: Store) -> Self {
        let bootstrap = bootstrap.iter().map(|key| hash_api_key(key.expose())).collect();
        Self {
            bootstrap,
            store,
            limiter: Limiter::new(rate),
            seats: Mutex::default(),
            look_ups: LookUps::new(),
            known: Cache::builder().max_capacity(CAPACITY).time_to_idle(KNOWN_FOR).build(),
        }
    }

    pub(super) async fn admit(&self, token: &str, quota: Option<&Quota>) -> Result<Caller, Problem> {
        let key = hash_api_key(token);
        let Some(scope) = self.scope(&key).await? else {
            return Err(Problem::new(Code::Unauthorized, "the key is unknown or revoked"));
        };
        let verdict = self.limiter.accept(key, std::time::Instant::now());
        if let Some(quota) = quota {
            quota.set(self.limiter.rate(), verdict);
        }
        match verdict {
            Verdict::Accepted { .. } => Ok(Caller { scope, key }),
            Verdict::Refused { retry_after } => {
                let seconds = retry_after.as_secs() + 1;
                Err(Problem::new(Code::RateLimited, "too many requests with this key").retry_after(seconds))
            }
        }
    }

    /// A seat for one who reads events; `None` where the key has no more of them.
    pub(super) fn stream_permit(&self, caller: &Caller) -> Option<OwnedSemaphorePermit> {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let of_key = seats.entry(caller.key).or_insert_with(|| Arc::new(Semaphore::new(EVENT_STREAMS)));
        Arc::clone(of_key).try_acquire_owned().ok()
    }

    /// What a key is good for; `None` where it is unknown or revoked. Asked each time, so a revocation holds at once.
    pub(super) async fn scope(&self, hash: &[u8; 32]) -> Result<Option<KeyScope>, Problem> {
        // Every key is looked at: how long it takes says nothing of which one it was.
        let known = self.bootstrap.iter().fold(false, |known, key| known | constant_time_eq(key, hash));
        if known {
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
