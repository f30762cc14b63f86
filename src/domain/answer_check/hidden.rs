//! Characters that make a text look different from what it says.

use crate::domain::invisible::{controls_a_line, is_filler, is_format, is_invisible};

/// Joins two emoji into one.
const ZERO_WIDTH_JOINER: char = '\u{200D}';

/// Whether a text has characters that are not seen, or that turn the direction of what is. Those that belong to an emoji
/// do not count.
pub fn has_hidden_characters(text: &str) -> bool {
    let mut before = ' ';
    let mut hidden = false;
    for c in text.chars() {
        let is_part_of_emoji = is_emoji_part(c) && !before.is_alphanumeric() && !before.is_whitespace();
        // A keycap is a digit with a variant: 1️⃣.
        let is_keycap = c == '\u{FE0F}' && before.is_ascii_digit();
        let is_hidden = is_invisible(c) || is_filler(c) || is_format(c) || (controls_a_line(c) && !c.is_control());
        hidden |= is_hidden && !is_part_of_emoji && !is_keycap;
        before = c;
    }
    hidden
}

fn is_emoji_part(c: char) -> bool {
    // The tags of regional flags are the only ones that are in use.
    matches!(c, ZERO_WIDTH_JOINER | '\u{FE0E}' | '\u{FE0F}' | '\u{1F3FB}'..='\u{1F3FF}' | '\u{E0020}'..='\u{E007F}')
}
