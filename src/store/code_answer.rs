//! A text that may be the answer to a code.

use crate::domain::phone::PhoneNumber;

/// A text that may be the answer to a code.
#[derive(Debug, Clone, Copy)]
pub struct CodeAnswer<'a> {
    /// The business that the text was sent to.
    pub business_id: &'a str,
    /// The phone that sent the text.
    pub phone: &'a PhoneNumber,
    /// Twilio's id of the text, so that it counts only once.
    pub message_sid: &'a str,
    /// The code in the text.
    pub code: &'a str,
}

/// The outcome of an answer to a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhoneAnswer {
    /// There is no code that this phone could answer.
    NotAsked,
    /// The code is right: the phone agrees.
    Right {
        /// `true` if the text was checked now; `false` if it was checked before and has arrived again.
        now: bool,
    },
    /// The code is wrong.
    Wrong,
}
