//! Verifies the token of a business's own Twilio account before it takes effect.
//!
//! A token takes effect only once Twilio has confirmed it, and no business can take an account that another business
//! uses with a different token.

use poem_openapi::Object;

use super::failure::Failure;
use super::validation::Problems;
use crate::adapters::postgres::{AccountWrite, BusinessRecord, NextTokenWrite, UnprovenAccount};
use crate::adapters::twilio::{Account, Proof};
use crate::config::Secret;
use crate::http::Edge;
use crate::http::problem::{Code, Problem};
use crate::secrets::constant_time_eq;

/// Timeout for Twilio to confirm a token; after it the account is stored as pending.
const PROOF_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(3);

const NO_KEY: &str = "cannot be stored: the server has no NMC_TOKEN_KEY to encrypt it";

/// A business's own Twilio account.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub(super) struct TwilioAccount {
    /// The account's SID, `AC…`.
    pub(super) account_sid: String,
    /// The account's auth token. It is encrypted at rest and never returned. If omitted, the stored token is kept.
    /// Twilio is asked whether the token belongs to the account: the answer is 400 if it does not, and 409 if another
    /// business uses this account with a different token.
    #[oai(write_only)]
    pub(super) auth_token: Option<String>,
    /// A second auth token of the account, while its token is replaced: webhooks signed with either are accepted. It is
    /// encrypted at rest and never returned. If omitted, the stored one is kept, as long as the account stays; an empty
    /// string removes it. Twilio must confirm it: the answer is 400 if it belongs to another account, or if the account is
    /// not in effect, and 503 if Twilio cannot be asked.
    #[oai(write_only)]
    pub(super) auth_token_next: Option<String>,
    /// Whether the account has a second auth token.
    #[oai(read_only)]
    pub(super) has_auth_token_next: Option<bool>,
    /// The status of the account:
    /// - `proven`: Twilio has confirmed the token, and the account is in effect.
    /// - `pending`: Twilio could not be asked yet, or there is no token. Until Twilio has confirmed the token, the
    ///   business keeps the account that it had.
    /// - `refused`: Twilio has rejected the token since.
    #[oai(read_only)]
    pub(super) status: Option<String>,
}

impl TwilioAccount {
    /// The account to show: the one that was set last, whether it is in effect or not.
    pub(super) fn shown(record: &BusinessRecord) -> Option<Self> {
        let (account_sid, status) = match (&record.pending_account_sid, &record.twilio_account_sid) {
            (Some(pending), _) => (pending, if record.refused_at.is_some() { "refused" } else { "pending" }),
            (None, Some(proven)) => (proven, "proven"),
            (None, None) => return None,
        };
        Some(Self {
            account_sid: account_sid.clone(),
            auth_token: None,
            auth_token_next: None,
            has_auth_token_next: Some(status == "proven" && record.next_auth_token.is_some()),
            status: Some(status.to_owned()),
        })
    }

    /// Validates the fields on their own.
    pub(super) fn validate(&self, problems: &mut Problems, tokens_can_be_kept: bool) {
        if !self.account_sid.starts_with("AC") || !self.account_sid.chars().all(|c| c.is_ascii_alphanumeric()) {
            problems.add("twilio.account_sid", "must be the SID of an account: AC and 32 hex digits");
        }
        match &self.auth_token {
            Some(token) if token.trim().is_empty() => problems.add("twilio.auth_token", "must not be empty"),
            Some(_) if !tokens_can_be_kept => problems.add("twilio.auth_token", NO_KEY),
            _ => {}
        }
        match self.auth_token_next.as_deref() {
            Some(token) if !token.is_empty() && token.trim().is_empty() => {
                problems.add("twilio.auth_token_next", "must be a token, or empty to remove it");
            }
            Some(token) if !token.is_empty() && !tokens_can_be_kept => problems.add("twilio.auth_token_next", NO_KEY),
            _ => {}
        }
    }
}

/// The account of a business, as it will be stored.
pub(super) enum AccountChoice {
    /// No account of the business; the main account is used.
    Main,
    /// The account that is already in effect.
    Unchanged,
    /// An account whose token Twilio has confirmed.
    Proven(Sealed),
    /// An account about which Twilio could not be asked.
    Pending(Sealed),
    /// An account whose token is not set yet.
    WithoutToken(String),
}

/// The second token of an account, as it will be stored.
pub(super) enum NextTokenChoice {
    /// The one that is stored, if there is one.
    Unchanged,
    /// None.
    None,
    /// One that Twilio has confirmed.
    Proven(Sealed),
}

impl NextTokenChoice {
    pub(super) fn write(&self) -> NextTokenWrite<'_> {
        match self {
            Self::Unchanged => NextTokenWrite::Unchanged,
            Self::None => NextTokenWrite::None,
            Self::Proven(Sealed { account_sid, token }) => NextTokenWrite::Proven { account_sid, sealed: token },
        }
    }
}

/// An account with its token encrypted.
pub(super) struct Sealed {
    account_sid: String,
    token: Vec<u8>,
}

impl AccountChoice {
    pub(super) fn write(&self) -> AccountWrite<'_> {
        match self {
            Self::Main => AccountWrite::Main,
            Self::Unchanged => AccountWrite::Unchanged,
            Self::Proven(Sealed { account_sid, token }) => AccountWrite::Proven { account_sid, sealed: token },
            Self::Pending(Sealed { account_sid, token }) => AccountWrite::Pending { account_sid, sealed: Some(token) },
            Self::WithoutToken(account_sid) => AccountWrite::Pending { account_sid, sealed: None },
        }
    }
}

/// Determines what to store of the account in a request, and of its second token.
pub(super) async fn choose(
    edge: &Edge,
    business_id: &str,
    account: Option<&TwilioAccount>,
) -> Result<(AccountChoice, NextTokenChoice), Failure> {
    let Some(account) = account else { return Ok((AccountChoice::Main, NextTokenChoice::None)) };
    let choice = choose_account(edge, business_id, account).await?;
    let next_token = choose_next_token(edge, business_id, account, &choice).await?;
    Ok((choice, next_token))
}

async fn choose_next_token(
    edge: &Edge,
    business_id: &str,
    account: &TwilioAccount,
    choice: &AccountChoice,
) -> Result<NextTokenChoice, Failure> {
    let token = match account.auth_token_next.as_deref() {
        None => return Ok(NextTokenChoice::Unchanged),
        Some("") => return Ok(NextTokenChoice::None),
        Some(token) => Secret::new(token),
    };
    if !matches!(choice, AccountChoice::Unchanged | AccountChoice::Proven(_)) {
        return Err(invalid("auth_token_next", "needs an account whose auth_token Twilio has confirmed"));
    }
    let Some(cipher) = &edge.cipher else { return Err(invalid("auth_token_next", NO_KEY)) };
    let with_next = Account { sid: account.account_sid.clone(), token };
    match edge.twilio.prove(&with_next, PROOF_TIMEOUT).await {
        Proof::Confirmed => {
            let token = cipher.seal(with_next.token.expose(), business_id);
            Ok(NextTokenChoice::Proven(Sealed { account_sid: with_next.sid, token }))
        }
        Proof::Refused => Err(invalid("auth_token_next", "was rejected by Twilio for this account")),
        Proof::Away { reason } => {
            tracing::info!(business.id = %business_id, reason, "Twilio could not be asked about a second auth token");
            let message = "Twilio cannot be asked about twilio.auth_token_next; try again later";
            Err(Problem::new(Code::Unavailable, message).into())
        }
    }
}

async fn choose_account(edge: &Edge, business_id: &str, account: &TwilioAccount) -> Result<AccountChoice, Failure> {
    let record = edge.store.business(business_id).await?;
    let counts = record.as_ref().filter(|record| record.twilio_account_sid.as_ref() == Some(&account.account_sid));
    let Some(token) = &account.auth_token else {
        if counts.is_some() {
            return Ok(AccountChoice::Unchanged);
        }
        return prove_stored(edge, business_id, account, record.as_ref()).await;
    };
    let same = counts.and_then(|record| record.twilio_auth_token.as_deref()).is_some_and(|sealed| {
        edge.accounts.token(business_id, sealed).is_ok_and(|known| same_token(known.expose(), token))
    });
    if same {
        return Ok(AccountChoice::Unchanged);
    }
    prove(edge, business_id, &account.account_sid, Secret::new(token)).await
}

/// The account was set without a token. It may be pending with a token that was set before. Without any token it has no
/// effect until one is set.
async fn prove_stored(
    edge: &Edge,
    business_id: &str,
    account: &TwilioAccount,
    record: Option<&BusinessRecord>,
) -> Result<AccountChoice, Failure> {
    let pending = record.filter(|record| record.pending_account_sid.as_ref() == Some(&account.account_sid));
    let stored = pending.and_then(|record| record.pending_auth_token.as_deref());
    match stored.and_then(|sealed| edge.accounts.token(business_id, sealed).ok()) {
        Some(token) => prove(edge, business_id, &account.account_sid, token).await,
        None => Ok(AccountChoice::WithoutToken(account.account_sid.clone())),
    }
}

async fn prove(edge: &Edge, business_id: &str, account_sid: &str, token: Secret) -> Result<AccountChoice, Failure> {
    let Some(cipher) = &edge.cipher else {
        return Err(invalid("auth_token", NO_KEY));
    };
    let others = contenders(edge, business_id, account_sid, token.expose()).await?;
    let account = Account { sid: account_sid.to_owned(), token };
    let proof = edge.twilio.prove(&account, PROOF_TIMEOUT).await;
    if !others.is_empty() {
        give_way(edge, others, &proof).await?;
    }
    let token = cipher.seal(account.token.expose(), business_id);
    let sealed = Sealed { account_sid: account_sid.to_owned(), token };
    match proof {
        Proof::Confirmed => Ok(AccountChoice::Proven(sealed)),
        Proof::Refused => Err(invalid("auth_token", "was rejected by Twilio for this account")),
        Proof::Away { reason } => {
            tracing::info!(business.id = %business_id, reason, "a Twilio account is pending until Twilio confirms it");
            Ok(AccountChoice::Pending(sealed))
        }
    }
}

/// Who uses this account with a different token.
enum Contender {
    /// The operator, whose main account it is.
    Main,
    /// Another business.
    Business(UnprovenAccount, Secret),
}

async fn contenders(edge: &Edge, business_id: &str, account_sid: &str, token: &str) -> Result<Vec<Contender>, Failure> {
    let mut contenders = Vec::new();
    if edge.accounts.is_main(account_sid) && !edge.accounts.main_tokens().any(|known| same_token(known.expose(), token))
    {
        contenders.push(Contender::Main);
    }
    for other in edge.store.others_with_account(business_id, account_sid).await? {
        let Some(sealed) = other.twilio_auth_token else { continue };
        // A token that cannot be decrypted proves nothing.
        let Ok(known) = edge.accounts.token(&other.id, &sealed) else { continue };
        if !same_token(known.expose(), token) {
            let account_sid = account_sid.to_owned();
            contenders.push(Contender::Business(UnprovenAccount { business_id: other.id, account_sid, sealed }, known));
        }
    }
    Ok(contenders)
}

/// An account that others use with a different token stays theirs, unless Twilio accepts this token and says what theirs
/// is worth: if it rejects theirs, the account's token was replaced; if it accepts both, the account has two for the time
/// of a rotation. In either case they share the account.
async fn give_way(edge: &Edge, contenders: Vec<Contender>, proof: &Proof) -> Result<(), Failure> {
    let taken = || Problem::new(Code::Conflict, "twilio.account_sid is already in use with a different auth token");
    for contender in contenders {
        let Contender::Business(other, token) = contender else { return Err(taken().into()) };
        let account = Account { sid: other.account_sid.clone(), token };
        if *proof != Proof::Confirmed {
            return Err(taken().into());
        }
        match edge.twilio.prove(&account, PROOF_TIMEOUT).await {
            Proof::Confirmed => {}
            Proof::Refused => {
                edge.store.account_is_refused(&other).await?;
            }
            Proof::Away { .. } => return Err(taken().into()),
        }
    }
    Ok(())
}

fn same_token(one: &str, other: &str) -> bool {
    constant_time_eq(one.as_bytes(), other.as_bytes())
}

fn invalid(field: &str, reason: &str) -> Failure {
    Problem::invalid([(format!("twilio.{field}"), reason.to_owned())]).into()
}
