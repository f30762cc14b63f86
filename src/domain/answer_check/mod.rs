//! What an answer may contain besides words: links, phone numbers, and only characters that are seen.
//!
//! A customer's text can make an AI say anything. A link or a phone number in the business's name is where a fraud would
//! begin, so both are sent only if the business knows them. If in doubt, something is a link, or a number: a person is
//! told, and the customer gets the fallback text.

mod candidates;
mod groups;
mod hidden;
mod links;
mod numbers;
mod parts;
mod spoken;
#[cfg(test)]
mod tests;
mod units;
mod vanity;

use unicode_normalization::UnicodeNormalization;

pub use hidden::has_hidden_characters;
pub use links::{Domain, links_are_allowed};
pub use numbers::numbers_are_known;

use super::invisible::is_invisible;

/// The text as a phone would show it: full-width and other compatible characters as the plain ones, nothing invisible.
fn shown(text: &str) -> String {
    text.nfkc().filter(|c| !is_invisible(*c)).collect()
}
