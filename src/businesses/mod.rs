//! Businesses as the edge and the worker look them up: a cache of the table, a snapshot for the time that PostgreSQL is
//! away, and the Twilio account of each.

mod accounts;
mod cache;
mod snapshot;

pub use accounts::{AccountError, Accounts, SigningToken};
pub use cache::{Businesses, Directory, DirectoryError};
pub use snapshot::{Mirror, keep_mirror};
