//! The Twilio account that a business sends with: its own if it has one, otherwise the main account.

use crate::adapters::postgres::Store;
use crate::adapters::twilio::Account;
use crate::businesses::{BusinessSnapshot, Businesses};
use crate::config::{Secret, TwilioConfig};
use crate::domain::call::Call;
use crate::secrets::{SecretError, TokenCipher};
use crate::store::StoreError;

/// Why an account could not be determined.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The store is unreachable.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The business has its own account, and the token cannot be decrypted.
    #[error("the auth token of business {business_id} cannot be decrypted: {source}")]
    Sealed {
        business_id: String,
        #[source]
        source: SecretError,
    },
    /// The business has changed its account since then, and the previous account's token is not kept.
    #[error("business {business_id} no longer uses account {account_sid}")]
    Replaced {
        business_id: String,
        /// The previous account.
        account_sid: String,
    },
    /// The business has its own account, and NMC_TOKEN_KEY is not set, so its token cannot be decrypted.
    #[error("the auth token of business {business_id} is encrypted, but NMC_TOKEN_KEY is not set")]
    NoKey { business_id: String },
}

/// The Twilio accounts of all businesses; clones share no mutable state of their own.
#[derive(Clone)]
pub struct Accounts<R = Store> {
    store: R,
    snapshot: BusinessSnapshot,
    main: TwilioConfig,
    cipher: Option<TokenCipher>,
}

impl<R: Businesses> Accounts<R> {
    /// Creates the accounts from the store and the main account.
    pub fn new(store: R, snapshot: BusinessSnapshot, main: TwilioConfig, cipher: Option<TokenCipher>) -> Self {
        Self { store, snapshot, main, cipher }
    }

    /// The account that a business sends with.
    ///
    /// # Errors
    /// If the store is unreachable, or the business's own token cannot be decrypted. The main account must not be used
    /// instead, because it does not own the number.
    pub async fn of(&self, business_id: &str) -> Result<Account, AccountError> {
        let business = self.store.business(business_id).await?;
        let own = business.and_then(|b| Some((b.twilio_account_sid?, b.twilio_auth_token?)));
        let Some((sid, sealed)) = own else {
            return Ok(self.main());
        };
        Ok(Account { sid, token: self.open(business_id, &sealed)? })
    }

    /// The account that a send of a message was attempted with. Its business may use another account by now. If
    /// `account_sid` is `None`, the account is unknown, and the current one is assumed.
    ///
    /// # Errors
    /// As for [`of`](Self::of); also if it was the business's own account, which has been replaced.
    pub async fn tried(&self, business_id: &str, account_sid: Option<&str>) -> Result<Account, AccountError> {
        if account_sid.is_some_and(|sid| self.is_main(sid)) {
            return Ok(self.main());
        }
        let account = self.of(business_id).await?;
        match account_sid {
            Some(sid) if sid != account.sid => {
                Err(AccountError::Replaced { business_id: business_id.to_owned(), account_sid: sid.to_owned() })
            }
            _ => Ok(account),
        }
    }

    /// The account that received a call.
    ///
    /// # Errors
    /// As for [`tried`](Self::tried).
    pub async fn of_call(&self, call: &Call) -> Result<Account, AccountError> {
        let account_sid = call.own_account.as_deref().unwrap_or(&self.main.account_sid);
        self.tried(&call.business_id, Some(account_sid)).await
    }

    /// Whether this is the main account.
    pub fn is_main(&self, account_sid: &str) -> bool {
        account_sid == self.main.account_sid
    }

    /// Whether a business has this account, according to the snapshot. Reads only memory: a hint that decides which
    /// look-ups for unverified requests go first.
    pub fn is_known(&self, account_sid: &str) -> bool {
        self.snapshot.knows_account(account_sid)
    }

    /// The main account.
    pub fn main(&self) -> Account {
        Account { sid: self.main.account_sid.clone(), token: self.main.auth_token.clone() }
    }

    fn open(&self, business_id: &str, sealed: &[u8]) -> Result<Secret, AccountError> {
        let business_id = business_id.to_owned();
        let Some(cipher) = &self.cipher else { return Err(AccountError::NoKey { business_id }) };
        cipher.open(sealed, &business_id).map_err(|source| AccountError::Sealed { business_id, source })
    }
}

/// A token that can verify a signature.
#[derive(Debug, Clone)]
pub struct SigningToken {
    /// The business that stored it, and for which it is valid; `None` for a token of the main account, which is valid
    /// for all.
    pub business_id: Option<String>,
    pub token: Secret,
}

impl Accounts {
    /// The tokens that can verify a signature of a business's own account, or of the main account. The account that a
    /// webhook names is looked up only in our own table, and only if Twilio has confirmed it.
    ///
    /// # Errors
    /// If the store is unreachable.
    pub async fn signing_tokens(&self, own_account: Option<&str>) -> Result<Vec<SigningToken>, AccountError> {
        let Some(sid) = own_account else { return Ok(self.main_tokens().map(SigningToken::main).collect()) };
        let table = self.store.signing_keys(sid);
        let keys = self.snapshot.or_fallback(table, |snapshot| snapshot.signing_keys(sid)).await?;
        let opened = keys.into_iter().filter_map(|key| {
            let token = self.open(&key.business_id, &key.sealed).ok()?;
            Some(SigningToken { business_id: Some(key.business_id), token })
        });
        Ok(opened.collect())
    }

    /// The main account's tokens: the current one and, during a rotation, the next one.
    pub fn main_tokens(&self) -> impl Iterator<Item = Secret> {
        [Some(self.main.auth_token.clone()), self.main.auth_token_next.clone()].into_iter().flatten()
    }

    /// Decrypts the token that a business has stored.
    ///
    /// # Errors
    /// If it cannot be decrypted.
    pub fn token(&self, business_id: &str, sealed: &[u8]) -> Result<Secret, AccountError> {
        self.open(business_id, sealed)
    }
}

impl SigningToken {
    fn main(token: Secret) -> Self {
        Self { business_id: None, token }
    }
}
