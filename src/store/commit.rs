//! What is committed of an input, and the outcome.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::OutboxRow;
use crate::domain::call::Call;
use crate::domain::conversation::{Decision, LedgerChange};
use crate::domain::phone::PhoneNumber;

/// Everything that is committed of one input.
#[derive(Debug)]
pub struct Commit<'a> {
    /// The id of the input.
    pub input_id: &'a str,
    /// A hash of the input's body, if another body may arrive with the same id.
    pub body_hash: Option<&'a str>,
    /// The call, if it has changed.
    pub call: Option<&'a Call>,
    /// The business that must still have the conversation's number; `None` if that does not matter for the input.
    pub number_of: Option<&'a str>,
    /// The decision on the conversation, if there is one.
    pub decision: Option<&'a Decision>,
    /// The audit entry, if there is a decision.
    pub audit: Option<&'a AuditEntry>,
    /// The change of the ledger for a customer who has no conversation, if the input is one.
    pub ledger: Option<&'a LedgerEntry>,
    /// When the decision was made.
    pub at: DateTime<Utc>,
    /// The day of the business on which the decision was made.
    pub day: NaiveDate,
    /// The effects to publish, in order.
    pub outbox: &'a [OutboxRow],
}

impl Commit<'_> {
    /// The ids of the call and the conversation, if the commit writes them; otherwise the keys of its effects.
    pub(crate) fn outbox_keys(&self) -> Vec<Uuid> {
        let conversation = self.decision.map(|decision| decision.conversation.id);
        let written: Vec<Uuid> = self.call.map(|call| call.id).into_iter().chain(conversation).collect();
        if written.is_empty() { self.outbox.iter().map(|row| row.key).collect() } else { written }
    }
}

/// A change of the opt-out ledger for a customer who has no conversation, and its entry in the audit log.
#[derive(Debug, Clone, PartialEq)]
pub struct LedgerEntry {
    pub business_id: String,
    pub customer: PhoneNumber,
    pub change: LedgerChange,
    /// Stored with a hash of the customer's number, because there is no conversation to find it by.
    pub audit: AuditEntry,
}

/// An audit entry to be written: who did what.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// `customer`, `user`, `dispatchbot`, `twilio` or `service`.
    pub actor: &'static str,
    /// The person who acted, as the App Server names them.
    pub actor_id: Option<String>,
    /// The name of the action.
    pub action: &'static str,
    /// The result of the action: only ids and fixed words, no message text and no phone number; of a
    /// consent, its proof in a person's words.
    pub data: Value,
}

/// What the inbox contains about an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenInput {
    /// The hash of the body that was applied, if it had one.
    pub body_hash: Option<String>,
    /// The outbox keys of its effects.
    pub outbox_keys: Vec<Uuid>,
}

impl SeenInput {
    /// Whether it was applied with this hash of its body. What was recovered after a restore has none: it is the only body
    /// that Twilio has.
    pub fn has_body(&self, body_hash: Option<&str>) -> bool {
        self.body_hash.is_none() || self.body_hash.as_deref() == body_hash
    }

    /// The outcome if it is committed again, now with this hash of its body.
    pub(crate) fn again(self, body_hash: Option<&str>) -> Committed {
        Committed::Seen { same_body: self.has_body(body_hash), outbox_keys: self.outbox_keys }
    }
}

/// The outcome of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    /// Everything was committed.
    Done {
        /// The ids of its rows in the outbox, in order.
        outbox_ids: Vec<i64>,
        /// Its outbox keys for which older rows wait: those must be published first.
        behind: Vec<Uuid>,
    },
    /// The input had been committed before.
    Seen {
        /// The outbox keys of its effects.
        outbox_keys: Vec<Uuid>,
        /// Whether it had the same body then.
        same_body: bool,
    },
    /// The conversation was changed concurrently: load it and decide again.
    Conflict,
    /// The call was changed concurrently.
    CallConflict,
    /// The number now belongs to another business or to none: look it up and decide again.
    NumberMoved,
    /// Another transaction has locked the conversation; with [`Locks::Skip`] only.
    Locked,
}

/// What a commit does about rows that another transaction has locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locks {
    /// It waits for them.
    Wait,
    /// It refuses the inputs whose conversations are locked. For other rows it waits for 200 ms; then it fails as
    /// a whole, and nothing is written.
    Skip,
}
