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
mod state;
pub mod words;

pub use decide::{decide, must_end_first};
#[cfg(test)]
pub use decision::Fence;
pub use decision::{
    AnalysisRecord, Decision, Detector, Effect, KeptVerdict, LedgerChange, MessageKind, MessageUpdate, NewMessage,
    Predecessor, Priority, WindowRecord, WindowState,
};
pub use event::{
    AiTakenData, AiTimerStartedData, AppointmentRequestedData, CallData, CompletedBy, ConversationCompletedData,
    ConversationCreatedData, EmergencyDetectedData, Envelope, Event, EventData, EventType, MessageData,
    MessageFailedData, MessageReceivedData, NeedsAttentionData, NumberVerifiedData, OpenedBy, OptedInData,
    OptedOutData, ReleasedData, ServiceData, Subject, UserTakenData,
};
#[cfg(test)]
pub use fence::{Fenced, Standing};
pub use ids::{call_id, derive_id};
pub use input::{
    Answer, AnsweredCall, Appointment, Business, Context, DeliveryStatus, InboundSms, Input, Media, MessageReport,
    MissedCall, OptOutSource, OtherBusiness, Policy, RecoveredSms, RecoveredText, SentMessage, Templates,
    TextsOfLanguage, Urgency,
};
pub use pairing::{Pairing, UnpairedText};
pub use reason::{AnalysisReason, AttentionReason, WindowReason};
#[cfg(test)]
pub use state::Resumed;
pub use state::{Answering, Conversation, ERASED, Memory, MessageStatus, OpenWindow, Ownership, Phase, Status};

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
