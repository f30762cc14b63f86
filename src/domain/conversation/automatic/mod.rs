//! Texts that a phone or a mailbox writes, not the customer: reactions to a message, and automatic replies.
//!
//! Reactions of iMessage and RCS reach other networks as texts that quote the message: `Liked “I am on my way.”`. What is
//! quoted, ours or the customer's own, was read when it was written.

mod reactions;
mod replies;
#[cfg(test)]
mod tests;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::decision::MessageKind;
use crate::domain::invisible::is_invisible;

/// What is put around a key on a keypad, in an emoji: it makes a sign of a digit.
const KEYCAP: char = '\u{20e3}';

/// What a customer's text is: their own words, a reaction, or an automatic reply. In doubt it is their words.
pub(super) fn kind_of(body: &str) -> MessageKind {
    let plain = plain(body);
    if reactions::is_reaction(&plain.to_lowercase()) {
        MessageKind::Reaction
    } else if replies::is_reply(&plain) {
        MessageKind::AutoReply
    } else {
        MessageKind::Customer
    }
}

/// Whether a phone or a mailbox wrote a text, and not its owner.
pub fn is_automatic(body: &str) -> bool {
    kind_of(body).is_automatic()
}

/// Without diacritics and invisible characters, and with single spaces.
fn plain(body: &str) -> String {
    let visible = |c: &char| *c == KEYCAP || !(is_combining_mark(*c) || is_invisible(*c));
    let text: String = body.nfd().filter(visible).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
