//! A text of the business's own side.

use crate::domain::conversation::Conversation;
use crate::domain::owner::Plan;
use crate::domain::phone::PhoneNumber;

/// A text of the business's own side, before anything is done about it.
#[derive(Debug, Clone, Copy)]
pub struct OwnerText<'a> {
    /// The id of its input.
    pub input_id: &'a str,
    /// The business that it was sent to.
    pub business_id: &'a str,
    /// The phone that sent it.
    pub phone: &'a PhoneNumber,
    /// The words.
    pub body: &'a str,
}

/// What is known when it is read.
#[derive(Debug, Clone, Default)]
pub struct OwnerView {
    /// What was decided on this text before.
    pub plan: Option<Plan>,
    /// The open conversations of the business, the newest activity first: at most [`MOST_OPEN`].
    pub open: Vec<Conversation>,
    /// How many other texts the phone has sent within [`RELAYED_WITHIN`].
    ///
    /// [`RELAYED_WITHIN`]: crate::domain::owner::RELAYED_WITHIN
    pub texts: i64,
    /// Those of them with the same words.
    pub same_words: i64,
    /// Whether a conversation of the business that was relayed has ended within [`RELAYED_WITHIN`].
    ///
    /// [`RELAYED_WITHIN`]: crate::domain::owner::RELAYED_WITHIN
    pub ended_lately: bool,
}

/// How many open conversations are looked at: with more than one, it does not matter how many there are.
pub const MOST_OPEN: i64 = 2_000;
