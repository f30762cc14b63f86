//! The fence as a function: whether a message may still be sent when it is claimed.
//!
//! The service checks it in SQL, in the statement that claims the message (`Store::claim`). The rules' property test and
//! the simulation check it here; `src/simulation/store/twins/fence.rs` compares the two on every combination of their
//! conditions.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::decision::Fence;
use super::state::Conversation;

/// A message, as far as its claim depends on it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fenced {
    /// Whether it goes to the customer, and not to the owner or a contact.
    pub is_to_customer: bool,
    /// `None` for what a person wrote.
    pub fence: Option<Fence>,
    /// The window that it answers.
    pub in_reply_to_window: Option<Uuid>,
}

/// A conversation with its surroundings, as far as a claim depends on them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    pub epoch: i64,
    pub hard_epoch: i64,
    /// The window that is being answered.
    pub answering_window: Option<Uuid>,
    /// Whether the customer has opted out, by the conversation or by the ledger.
    pub opted_out: bool,
    /// Whether the customer's number never gets an automatic text.
    pub never_text: bool,
    /// Whether the business still has the number that it would send from.
    pub has_number: bool,
    /// Whether the main account would send to a customer who was reached under another account.
    pub is_under_wrong_account: bool,
}

impl Standing {
    /// A conversation whose number still belongs to the business, which sends with the right account. Neither the
    /// ledger nor the list of numbers that are never texted has the customer.
    pub fn of(conversation: &Conversation) -> Self {
        Self {
            epoch: conversation.epoch,
            hard_epoch: conversation.hard_epoch,
            answering_window: conversation.answering.as_ref().map(|answering| answering.window_id),
            opted_out: conversation.opted_out,
            never_text: false,
            has_number: true,
            is_under_wrong_account: false,
        }
    }

    /// Whether the message may be sent now.
    pub fn lets_pass(&self, message: &Fenced, now: DateTime<Utc>) -> bool {
        // What a person wrote has no fence.
        let is_never_sent = self.never_text && message.fence.is_some();
        let is_wanted = !message.is_to_customer || (!self.opted_out && !is_never_sent);
        let is_current = message.fence.is_none_or(|fence| {
            let is_exempt = fence.exempt_at <= now
                && (message.in_reply_to_window.is_none() || message.in_reply_to_window == self.answering_window);
            fence.hard_epoch == self.hard_epoch && (fence.epoch == self.epoch || is_exempt)
        });
        is_wanted && self.has_number && !self.is_under_wrong_account && is_current
    }
}
