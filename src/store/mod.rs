//! What is asked of a store, and what it answers, whichever store it is: [`crate::adapters::postgres`], or the
//! simulation's. The ports of [`crate::engine`] and [`crate::worker`] are made of these types.

mod code_answer;
mod commit;
mod error;
mod facts;
mod kept;
mod message;
mod outbox;
mod owner_text;
mod participant;
mod ring;
mod sending;
mod sweep;

pub use code_answer::{CodeAnswer, PhoneAnswer};
pub use commit::{AuditEntry, Commit, Committed, LedgerEntry, Locks, SeenInput};
pub use error::{StoreError, Stored, Unavailable};
pub use facts::{Facts, FactsOf, Parties, TextOf};
pub use kept::Kept;
pub use message::Message;
pub use outbox::{OutboxRow, WaitingRow};
pub use owner_text::{MOST_OPEN, OwnerText, OwnerView};
pub use participant::{Participant, ParticipantOf};
pub use ring::{BETWEEN_CALLS, CALLS_PER_HOUR, MOST_RINGS, RingRequest, RingTurn};
pub use sending::{BundledAlert, Claim, Claimed, DueMessage, SendingAccount};
pub use sweep::{Overdue, ReleasedConversation};
