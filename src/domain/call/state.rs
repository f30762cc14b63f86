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

text_enum! {
    /// What decided whether a call was answered.
    pub enum SettledBy {
        /// Twilio's result of the dialling, which counts whenever it comes.
        DialResult = "dial_result",
        /// The edge: it did not dial.
        NotDialled = "not_dialled",
        /// What Twilio said about the leg to the owner's phone, because the result of the dialling did not come.
        Leg = "leg",
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
    /// What decided the status. `None` until it is final.
    pub settled_by: Option<SettledBy>,
    /// When to ask Twilio how it ended, if the result of the dialling has not come. `None` once the status is final.
    pub settle_at: Option<DateTime<Utc>>,
    /// The business's own Twilio account that received the call, or `None` for the main account.
    pub own_account: Option<String>,
    /// `StirVerstat`: how the carriers' check of the caller's number ended, in Twilio's words.
    pub stir_verstat: Option<String>,
    /// Whether the owner's phone is asked for a key before it is connected.
    pub screened: bool,
    /// When that key was pressed.
    pub accepted_at: Option<DateTime<Utc>>,
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

impl Call {
    /// Whether a phone that was connected counts as a person: without screening always, else only with the key.
    pub fn may_count_as_answered(&self) -> bool {
        !self.screened || self.accepted_at.is_some()
    }

    /// Whether the carriers' check of the caller's number failed: somebody may pretend to call from it.
    pub fn verification_failed(&self) -> bool {
        self.stir_verstat.as_deref().is_some_and(|verstat| verstat.starts_with("TN-Validation-Failed"))
    }
}
