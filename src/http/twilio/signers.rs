//! Looks up the tokens that may have signed a webhook, so that a flood of unsigned webhooks cannot use up the
//! connections to PostgreSQL.

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::verify::MAX_FORM;
use crate::businesses::{AccountError, Accounts, SigningToken};
use crate::http::look_ups::LookUps;

type Tokens = Result<Arc<Vec<SigningToken>>, Arc<AccountError>>;

/// Looks up tokens by the account that a webhook names.
pub(in crate::http) struct Signers {
    look_ups: LookUps<String, Tokens>,
    large: Semaphore,
}

impl Signers {
    pub(in crate::http) fn new() -> Self {
        Self { look_ups: LookUps::new(), large: Semaphore::new(1) }
    }

    /// Waits until a body of this size may be parsed and hashed. Large bodies are refused in any case, and are checked
    /// one at a time: otherwise they could keep every core busy while a call waits.
    pub(super) async fn turn(&self, size: usize) -> Option<SemaphorePermit<'_>> {
        if size > MAX_FORM { self.large.acquire().await.ok() } else { None }
    }

    /// The tokens of an account. Those of the main account need no look-up, so no flood delays its webhooks.
    ///
    /// # Errors
    /// If PostgreSQL is unavailable.
    pub(super) async fn tokens(&self, accounts: &Accounts, own_account: Option<&str>) -> Tokens {
        let Some(sid) = own_account.map(str::to_owned) else {
            return accounts.signing_tokens(None).await.map(Arc::new).map_err(Arc::new);
        };
        let (is_known, accounts) = (accounts.is_known(&sid), accounts.clone());
        let asked = sid.clone();
        let look_up = async move { accounts.signing_tokens(Some(&asked)).await.map(Arc::new).map_err(Arc::new) };
        self.look_ups.ask(sid, is_known, look_up).await
    }
}
