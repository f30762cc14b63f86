//! Businesses as the edge and the worker look them up: a cache of the table, a snapshot for the time that PostgreSQL is
//! away, and the Twilio account of each.

mod accounts;
mod cache;
mod snapshot;

pub use accounts::{AccountError, Accounts, SigningToken};
pub use cache::{BusinessCache, BusinessCacheError, Businesses};
pub use snapshot::{BusinessSnapshot, keep_snapshot};
