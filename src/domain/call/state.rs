//! The call record.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::phone::PhoneNumber;
use crate::text_enum;

text_enum! {
    /// The status of a call.
    pub enum CallStatus {
        /// The owner's phone is ringing.
        Ringing = "ringing",
        /// A person answered. Final.
        Answered = "answered",
        /// Nobody answered. Final.
        Missed = "missed",
    }
}

/// A call to a number of a business.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Derived from Twilio's id.
    pub id: Uuid,
    pub call_sid: String,
    /// The business whose number was called.
    pub business_id: String,
    /// The conversation that the missed call opened or joined.
    pub conversation_id: Option<Uuid>,
    /// The caller; `None` if the number is withheld.
    pub customer_phone: Option<PhoneNumber>,
    /// The called number.
    pub business_phone: PhoneNumber,
    pub status: CallStatus,
    /// Twilio's status at the end of the dialling, or of the call itself.
    pub dial_status: Option<String>,
    /// The length of the call in seconds, once connected.
    pub duration_seconds: Option<i32>,
    /// When the first report of it was received.
    pub created_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    /// The version of the row that this was read from, for compare-and-set. 0 before the first commit.
    pub version: i64,
    /// The sequence of the last event published outside a conversation.
    pub event_sequence: i64,
}
