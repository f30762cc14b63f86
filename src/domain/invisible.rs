//! Characters that nobody sees: keyboards and copied texts put them between and within words.

/// Whether a character is not seen by itself: of no width, a direction, a soft hyphen, or the variant of a sign.
pub fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{AD}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{1F3FB}'..='\u{1F3FF}' | '\u{180E}')
}
