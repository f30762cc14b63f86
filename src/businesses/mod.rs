//! Business look-ups for the edge and the workers: a cache of the table, a snapshot for outages of PostgreSQL, the
//! Twilio account of each business, and how its numbers are set up there.

mod accounts;
pub mod at_twilio;
mod cache;
mod owner;
mod snapshot;

pub use accounts::{AccountError, Accounts, SigningToken};
pub use cache::{BusinessCache, BusinessCacheError, Businesses};
pub use owner::{CallOwner, Records};
pub use snapshot::{BusinessSnapshot, keep_snapshot};
