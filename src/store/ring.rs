//! Calls to people in an emergency, and whose turn it is.

use std::time::Duration;

use uuid::Uuid;

use crate::domain::phone::PhoneNumber;

/// A call that is to be placed.
#[derive(Debug, Clone, Copy)]
pub struct RingRequest<'a> {
    /// Our id of the call: a step of the ladder of a conversation.
    pub call_id: Uuid,
    pub conversation_id: Uuid,
    pub business_id: &'a str,
    /// The phone to be called.
    pub phone: &'a PhoneNumber,
    /// Whether it is the owner's, which need not have confirmed anything.
    pub is_owner: bool,
    /// Whether the emergency is a danger to life: such calls go first.
    pub about_life: bool,
    /// The Twilio account that it is placed with.
    pub account_sid: &'a str,
    /// Whether that is the main account, not the business's own.
    pub is_main: bool,
    /// How long nobody else may place it.
    pub lease: Duration,
}

/// Whether a call may be placed now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RingTurn {
    /// It is claimed: the caller places it, from this number of the business.
    Ours { claim: Uuid, from: PhoneNumber },
    /// It was placed before: Twilio's id.
    Placed { call_sid: String },
    /// Another worker has claimed it.
    Taken,
    /// The account makes its next call after this time.
    Wait(Duration),
    /// The conversation does not wait for it: somebody has taken the emergency, or the call is over.
    Stale,
    /// It must not be placed, with a keyword: `capped`, `not_confirmed`, `may_not_call` or `unknown`.
    Refused(&'static str),
}

/// How many calls a phone gets within an hour.
pub const CALLS_PER_HOUR: i64 = 6;
/// The most attempts at a call whose outcome is not known.
pub const MOST_RINGS: i32 = 3;
/// Twilio takes one call a second of an account; two requests may take different times to arrive.
pub const BETWEEN_CALLS: Duration = Duration::from_millis(1_100);
