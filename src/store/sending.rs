//! Messages to be sent, and who may send them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Message;
use crate::domain::conversation::Priority;
use crate::domain::phone::PhoneNumber;

/// The Twilio account that a message is to be sent with.
#[derive(Debug, Clone, Copy)]
pub struct SendingAccount<'a> {
    /// The account SID (`AC…`).
    pub sid: &'a str,
    /// Whether it is the main account, not the business's own.
    pub is_main: bool,
    /// The conversation of Twilio to which the message is to be posted; `None` if it is to be sent as an SMS.
    pub conversation_sid: Option<&'a str>,
}

/// The outcome of an attempt to claim a message.
#[derive(Debug, Clone, Copy)]
pub enum Claim {
    /// The message is claimed: the caller sends it.
    Ours(Claimed),
    /// The fence holds the message back for good, because what made it stale is never undone.
    Stale,
    /// The message is not queued: another worker has claimed it, or its outcome is known.
    Taken,
}

/// A claim on a message, valid until its lease expires.
#[derive(Debug, Clone, Copy)]
pub struct Claimed {
    /// The id of the claim, which proves who holds it.
    pub claim: Uuid,
}

/// An alert that was sent as part of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BundledAlert {
    /// The id of its message.
    pub id: Uuid,
    /// The conversation that it is about.
    pub conversation_id: Uuid,
}

/// A message that may be due to be sent.
#[derive(Debug, Clone)]
pub struct DueMessage {
    /// The message itself.
    pub message: Message,
    /// The recipient.
    pub to: PhoneNumber,
    /// The number that it is sent from.
    pub business_phone: PhoneNumber,
    /// The business that sends it.
    pub business_id: String,
    /// The earliest time at which it may be sent, if there is one.
    pub not_before: Option<DateTime<Utc>>,
    /// Whether it may be sent as part of a bundle: an alert about anything but a danger to life.
    pub may_be_bundled: bool,
    /// Its slot under the send rate, once reserved.
    pub send_at: Option<DateTime<Utc>>,
    /// The number of attempts to send it.
    pub attempts: i32,
    /// When the last attempt was made.
    pub attempted_at: Option<DateTime<Utc>>,
    /// How long ago the last attempt was, by the database's clock.
    pub attempt_age: Option<Duration>,
    /// Whether it goes ahead of other messages of its sender that wait for a slot.
    pub priority: Priority,
    /// The time left on the lease of the current claim; zero once it has expired.
    pub lease_left: Duration,
    /// The Twilio account of the last attempt; `None` if that was before accounts were recorded.
    pub account_sid: Option<String>,
    /// The conversation of Twilio to which the last attempt posted it; `None` if it was an SMS, or there was none.
    pub twilio_conversation: Option<String>,
    /// How often Twilio's list was read without finding it, since the last attempt.
    pub absent_reads: i32,
}
