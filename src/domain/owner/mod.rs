//! What the business's owner can do by text: the code of each conversation, what the owner's words mean, which conversation
//! they are for, and what the owner is told.
//!
//! Pure rules. [`read()`] reads a text, [`plan()`] chooses what is done about it: one conversation, or a question back. A text
//! without a code never reaches a customer while there is a choice.

mod code;
mod plan;
mod read;
#[cfg(test)]
mod tests;
pub mod texts;

pub use code::Code;
pub use plan::{Answer, OpenConversation, Plan, RELAYED_WITHIN, Sender, Situation, plan};
pub use read::{Command, Said, read};

use serde::{Deserialize, Serialize};

use crate::text_enum;

text_enum! {
    /// Which texts of customers the owner's phone gets.
    pub enum OwnerSms {
        /// None: only alerts go to the phone, and of the owner's own texts only the answer to an alert is read.
        Off = "off",
        /// None: alerts and reminders go to the phone.
        Emergencies = "emergencies",
        /// Every text, with what the AI will do about it.
        All = "all",
    }
}

/// A text of a customer that the owner's phone is to get.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayedText {
    /// The customer's words.
    pub words: String,
    /// Where its pictures are, on this service: opened with an API key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pictures: Vec<String>,
}

/// How a conversation is relayed to the owner's phone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relaying {
    /// Its code, from the first text that is to be relayed to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// When the owner first got a relay of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_at: Option<chrono::DateTime<chrono::Utc>>,
    /// When the owner last got a relay of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_at: Option<chrono::DateTime<chrono::Utc>>,
    /// How many relays the owner got of it.
    #[serde(default)]
    pub relays: u32,
    /// Texts that go together …
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<RelayedText>,
    /// … at this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<chrono::DateTime<chrono::Utc>>,
}

impl Relaying {
    /// Whether nothing has been relayed, and nothing is to be.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}
