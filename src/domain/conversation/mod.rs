//! The conversation: rules that decide which messages are sent, to whom, and when.
//!
//! Pure code. [`decide()`] takes the current conversation, one [`Input`] and the time, and returns a [`Decision`]: the
//! new conversation and the effects. There is no clock, no I/O and no randomness here, so that a decision can be
//! repeated, replayed and explained.
//!
//! [`crate::engine`] calls it: it loads the conversation, commits the decision in one transaction, and publishes the
//! effects.

mod automatic;
mod decide;
mod decision;
mod event;
#[cfg(test)]
mod fence;
mod ids;
mod input;
pub mod pairing;
pub mod reason;
mod rules;
mod seen;
mod spell;
mod state;
mod waiting;
pub mod words;

pub use automatic::is_automatic;
pub use decide::{decide, must_end_first};
#[cfg(test)]
pub use decision::Fence;
pub use decision::{
    AnalysisRecord, CodeChange, Decision, Detector, Effect, KeptVerdict, LedgerChange, MessageKind, MessageUpdate,
    NewMessage, Predecessor, Priority, WindowRecord, WindowState,
};
pub use event::{
    AiTakenData, AiTimerStartedData, AppointmentRequestedData, CallData, CompletedBy, ConversationCompletedData,
    ConversationCreatedData, EmergencyCallData, EmergencyDetectedData, EmergencyUnansweredData, Envelope, Event,
    EventData, EventType, MessageData, MessageFailedData, MessageReceivedData, NeedsAttentionData, NumberVerifiedData,
    OpenedBy, OptedInData, OptedOutData, RELEASED_BY_TIMER, ReleasedData, ServiceData, Subject, UserTakenData,
    WaitingData,
};
#[cfg(test)]
pub use fence::{Fenced, Standing};
pub use ids::{call_id, derive_id};
pub use input::{
    Answer, AnsweredCall, Appointment, Business, Context, DeliveryStatus, InboundSms, Input, Media, MessageReport,
    MissedCall, OptOutSource, OtherBusiness, OwnSideNote, OwnSideWhat, Policy, RecoveredSms, RecoveredText, RingReport,
    SentMessage, TakenVia, Templates, TextsOfLanguage, Urgency,
};
pub use pairing::{Pairing, UnpairedText};
pub use reason::{AnalysisReason, AttentionReason, WindowReason};
pub use rules::alert_taken::{ANSWERABLE, AlertState, name_of};
pub use rules::texts::ALERT;
pub use seen::{IfMatch, Newer, Seen};
#[cfg(test)]
pub use state::Resumed;
pub use state::{
    Answering, Conversation, ERASED, EmergencyTaken, Memory, MessageStatus, OpenWindow, Ownership, Phase, Status,
};
#[cfg(test)]
pub use waiting::Unanswered;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
