//! The call: from ringing to its end, and whether a person answered.
//!
//! Pure code like [`crate::domain::conversation`], and committed by the same [`crate::engine`]: a missed call and the
//! conversation that it opens are committed in one transaction.

mod decide;
mod dialling;
mod state;

pub use decide::{Acceptance, CallInput, DialReport, EndReport, LegReport, RecoveredCall, Ringing, decide};
pub use dialling::{Attempt, DialResult, KEY_TIMEOUT, Ring, TAKES, phone_of, question};
pub use state::{Call, CallStatus, SettledBy};

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
