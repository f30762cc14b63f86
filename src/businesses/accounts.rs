//! Which Twilio account a business sends with: its own, where it brings one, else the main account.

use crate::adapters::postgres::{Store, StoreError};
use crate::adapters::twilio::Account;
use crate::businesses::{BusinessSnapshot, Businesses};
use crate::config::{Secret, TwilioConfig};
use crate::secrets::{SecretError, TokenCipher};

/// An account could not be told.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The store is away.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The business brings an account, and its token cannot be read.
    #[error("the auth token of business {business_id} cannot be read: {source}")]
    Sealed {
        /// Whose.
        business_id: String,
        /// Why.
        #[source]
        source: SecretError,
    },
    /// The business has brought another account since, and the token of the one before is not kept.
    #[error("business {business_id} does not use account {account_sid} any more")]
    Replaced {
        /// Whose.
        business_id: String,
        /// The account that it used.
        account_sid: String,
    },
    /// The business brings an account, and there is no NMC_TOKEN_KEY to read its token with.
    #[error("the auth token of business {business_id} is encrypted, and NMC_TOKEN_KEY is not set")]
    NoKey {
        /// Whose.
        business_id: String,
    },
}

/// The accounts; clones share nothing that changes.
#[derive(Clone)]
pub struct Accounts<R = Store> {
    store: R,
    snapshot: BusinessSnapshot,
    main: TwilioConfig,
    cipher: Option<TokenCipher>,
}

impl<R: Businesses> Accounts<R> {
    /// The accounts of the businesses in the store, and the main one.
    pub fn new(store: R, snapshot: BusinessSnapshot, main: TwilioConfig, cipher: Option<TokenCipher>) -> Self {
        Self { store, snapshot, main, cipher }
    }

    /// The account that a business sends with.
    ///
    /// # Errors
    /// When the store is away, or the business's own token cannot be read: another account must not step in, for the
    /// number is not its.
    pub async fn of(&self, business_id: &str) -> Result<Account, AccountError> {
        let business = self.store.business(business_id).await?;
        let own = business.and_then(|b| Some((b.twilio_account_sid?, b.twilio_auth_token?)));
        let Some((sid, sealed)) = own else {
            return Ok(self.main());
        };
        Ok(Account { sid, token: self.open(business_id, &sealed)? })
    }

    /// The account that a message was tried with (none: it is not known, and taken for the one of now), which its business
    /// need not use any more.
    ///
    /// # Errors
    /// As [`of`](Self::of); and when that account was the business's own, and is replaced.
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

    /// Whether this is the main account.
    pub fn is_main(&self, account_sid: &str) -> bool {
        account_sid == self.main.account_sid
    }

    /// Whether a business brings this account, as the snapshot last saw it. Looked up in memory: for what must not be
    /// believed, and may go first.
    pub fn is_known(&self, account_sid: &str) -> bool {
        self.snapshot.knows_account(account_sid)
    }

    fn main(&self) -> Account {
        Account { sid: self.main.account_sid.clone(), token: self.main.auth_token.clone() }
    }

    fn open(&self, business_id: &str, sealed: &[u8]) -> Result<Secret, AccountError> {
        let business_id = business_id.to_owned();
        let Some(cipher) = &self.cipher else { return Err(AccountError::NoKey { business_id }) };
        cipher.open(sealed, &business_id).map_err(|source| AccountError::Sealed { business_id, source })
    }
}

/// A token that a signature may be made with.
#[derive(Debug, Clone)]
pub struct SigningToken {
    /// The business that stored it, and that it speaks for; none: one of the main account's, which speak for all.
    pub business_id: Option<String>,
    /// The token.
    pub token: Secret,
}

impl Accounts {
    /// The tokens that a signature of a business's own account, or of the main one, may be made with: what a webhook names
    /// is looked up in our own table only, and only what Twilio has confirmed counts.
    ///
    /// # Errors
    /// When the store is away.
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

    /// The main account's tokens: the one in use and, during a rotation, the next.
    pub fn main_tokens(&self) -> impl Iterator<Item = Secret> {
        [Some(self.main.auth_token.clone()), self.main.auth_token_next.clone()].into_iter().flatten()
    }

    /// The token that a business has stored, in the clear.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn token(&self, business_id: &str, sealed: &[u8]) -> Result<Secret, AccountError> {
        self.open(business_id, sealed)
    }
}

impl SigningToken {
    fn main(token: Secret) -> Self {
        Self { business_id: None, token }
    }
}
