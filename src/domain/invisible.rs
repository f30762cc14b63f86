//! Characters that nobody sees: keyboards and copied texts put them between and within words.

/// Whether nothing of a text is seen.
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || c.is_control() || is_invisible(c) || is_filler(c))
}

/// Signs of no ink that are not white space to Unicode: fillers of Hangul, blank Braille.
pub fn is_filler(c: char) -> bool {
    matches!(
        c,
        '\u{115F}'
            | '\u{1160}'
            | '\u{3164}'
            | '\u{FFA0}'
            | '\u{2800}'
            | '\u{034F}'
            | '\u{17B4}'
            | '\u{17B5}'
            | '\u{E0000}'..='\u{E007F}'
    )
}

/// Whether a character is not seen by itself: of no width, a direction, a soft hyphen, or the variant of a sign.
pub fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{AD}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{1F3FB}'..='\u{1F3FF}' | '\u{180E}')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::nothing("", true)]
    #[case::spaces(" \u{a0}\t\n", true)]
    #[case::zero_width("\u{200b}\u{feff}\u{2060}", true)]
    #[case::fillers("\u{3164}\u{2800}", true)]
    #[case::tags("\u{e0001}\u{e0020}", true)]
    #[case::a_full_stop("\u{200b}.", false)]
    #[case::an_emoji_with_a_variant("\u{2764}\u{fe0f}", false)]
    fn a_text_of_which_nothing_is_seen_is_blank(#[case] text: &str, #[case] blank: bool) {
        assert_eq!(is_blank(text), blank);
    }
}
