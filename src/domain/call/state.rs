//! The call record.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::phone::PhoneNumber;
use crate::text_enum;

text_enum! {
    /// Where a call stands.
    pub enum CallStatus {
        /// The owner's phone rings.
        Ringing = "ringing",
        /// Somebody answered. Final.
        Answered = "answered",
        /// Nobody did. Final.
        Missed = "missed",
    }
}

/// A call to a number of a business.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Derived from Twilio's id.
    pub id: Uuid,
    /// Twilio's id.
    pub call_sid: String,
    /// Whose number was called.
    pub business_id: String,
    /// The conversation that the missed call opened or joined.
    pub conversation_id: Option<Uuid>,
    /// Who called; `None` where the caller withholds the number.
    pub customer_phone: Option<PhoneNumber>,
    /// Which number was called.
    pub business_phone: PhoneNumber,
    /// Where it stands.
    pub status: CallStatus,
    /// Twilio's word for how the dialling, or the call itself, ended.
    pub dial_status: Option<String>,
    /// How long the two talked, in seconds.
    pub duration_seconds: Option<i32>,
    /// When it first rang here.
    pub created_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Compare-and-set: the version of the row that this was read from; 0 before the first commit.
    pub version: i64,
    /// The sequence of the last event emitted outside a conversation.
    pub event_sequence: i64,
}
