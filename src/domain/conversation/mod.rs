//! The conversation: the rules of who says what to whom, and when.
//!
//! Pure code. [`decide()`] takes the conversation as it stands, one [`Input`] and the time, and returns a
//! [`Decision`]: the conversation as it shall stand, and the effects that follow. No clock, no I/O and no
//! randomness in here, so that a decision can be repeated, replayed and explained.
//!
//! Fed by [`crate::engine`], which loads the conversation, commits what was decided in one transaction, and
//! publishes the effects.

mod decide;
mod decision;
mod event;
mod ids;
mod input;
mod rules;
mod state;
pub mod words;

pub use decide::decide;
#[cfg(test)]
pub use decision::Fence;
pub use decision::{
    AnalysisRecord, Decision, Detector, Effect, KeptVerdict, LedgerChange, MessageKind, MessageUpdate, NewMessage,
    Priority, WindowRecord, WindowState,
};
pub use event::{Event, EventType};
pub use ids::{call_id, derive_id};
pub use input::{
    Answer, Appointment, Business, Context, DeliveryStatus, InboundSms, Input, Media, MessageReport, MissedCall,
    OtherBusiness, Policy, SentMessage, Templates, Urgency,
};
pub use state::{Answering, Conversation, Memory, MessageStatus, OpenWindow, Ownership, Phase, Status};

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
