//! Who may call: the keys of the configuration, and those made with `nevermisscall keys`.

use poem::Request;
use poem_openapi::SecurityScheme;
use poem_openapi::auth::Bearer;

use super::limiter::{Limiter, Verdict};
use crate::config::{Rate, Secret};
use crate::edge::Edge;
use crate::edge::problem::{Code, Problem};
use crate::secrets::{constant_time_eq, hash_api_key};
use crate::store::Store;

/// The App Server, by its key.
#[derive(SecurityScheme)]
#[oai(ty = "bearer", checker = "check")]
pub(super) struct AppServer(Caller);

/// Whoever holds a valid key.
pub(super) struct Caller;

async fn check(request: &Request, bearer: Bearer) -> poem::Result<Caller> {
    let Some(edge) = request.data::<Edge>() else {
        return Err(Problem::new(Code::Internal, "something went wrong on our side").into());
    };
    edge.keys.admit(&bearer.token).await.map_err(poem::Error::from)
}

/// The keys that open the door, and how often each may knock.
pub struct Keys {
    bootstrap: Vec<[u8; 32]>,
    store: Store,
    limiter: Limiter,
}

impl Keys {
    /// The keys of the configuration beside those in the store.
    pub fn new(bootstrap: &[Secret], rate: Rate, store: Store) -> Self {
        let bootstrap = bootstrap.iter().map(|key| hash_api_key(key.expose())).collect();
        Self { bootstrap, store, limiter: Limiter::new(rate) }
    }

    async fn admit(&self, key: &str) -> Result<Caller, Problem> {
        let hash = hash_api_key(key);
        if !self.is_valid(&hash).await? {
            return Err(Problem::new(Code::Unauthorized, "the key is unknown or revoked"));
        }
        match self.limiter.accept(hash, std::time::Instant::now()) {
            Verdict::Accepted => Ok(Caller),
            Verdict::Refused { retry_after } => {
                let seconds = retry_after.as_secs() + 1;
                Err(Problem::new(Code::RateLimited, "too many requests with this key").retry_after(seconds))
            }
        }
    }

    async fn is_valid(&self, hash: &[u8; 32]) -> Result<bool, Problem> {
        // Every key is looked at: how long it takes says nothing of which one it was.
        let known = self.bootstrap.iter().fold(false, |known, key| known | constant_time_eq(key, hash));
        if known {
            return Ok(true);
        }
        self.store.api_key_is_valid(hash).await.map_err(|error| Problem::unavailable(&error))
    }
}
