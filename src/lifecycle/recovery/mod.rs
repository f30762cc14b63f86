//! Recovery after a restore of the database (docs/adr/0028): what happened since the last commit that the database has, the
//! gap, is read from Twilio's lists.
//!
//! Texts and calls that the database does not have are kept, and so are messages of ours; their conversations are left to a
//! person, as are those in which something was under way. Nothing is answered, and no message goes out that may have gone
//! out before. While a recovery has no end, the database refuses all other work (migration 42).

mod apply;
mod plan;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::adapters::postgres::Store;
use crate::adapters::twilio::{ListError, TwilioClient};
use crate::businesses::{AccountError, Accounts, BusinessCacheError};
use crate::domain::emergency;
use crate::engine::{Engine, EngineError};
use crate::store::StoreError;

pub use plan::{Fate, Found, Plan};

/// How far before the gap Twilio's lists are read: webhooks may have waited to be processed when the database was saved.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);
/// How far Twilio's clock may be behind ours.
const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(10);

/// Why the gap could not be read, or what was found could not be kept. Everything may be repeated.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Businesses(#[from] BusinessCacheError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("account {sid}: {source}")]
    List {
        sid: String,
        #[source]
        source: ListError,
    },
    #[error("account {sid} of business {business_id}: {source}")]
    Account {
        sid: String,
        business_id: String,
        #[source]
        source: AccountError,
    },
    /// Twilio does not say how a call ended.
    #[error("call {call_sid}: Twilio does not say how it ended: {reason}")]
    Call { call_sid: String, reason: String },
}

/// The time whose events the database does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The last commit that the database has.
    pub since: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

/// Reads the gap, and keeps what it finds.
pub struct Recoverer {
    pub engine: Engine,
    pub accounts: Accounts,
    pub twilio: TwilioClient,
    /// After this time Twilio's list shows each message that was attempted, or never will.
    pub reconcile_after: Duration,
    /// Accounts that Twilio is not asked about, because their tokens are not valid any more.
    pub without: Vec<String>,
    /// Proves that the emergency rules are loaded.
    #[expect(dead_code, reason = "only proves that the rules are loaded")]
    pub rules: emergency::Loaded,
}

impl Recoverer {
    fn store(&self) -> &Store {
        self.engine.store()
    }
}
