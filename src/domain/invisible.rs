//! Characters that nobody sees: keyboards and copied texts put them between and within words.

use unicode_normalization::char::is_combining_mark;

/// Whether nothing of a text is seen. A mark above or around a letter needs the letter.
pub fn is_blank(text: &str) -> bool {
    let is_unseen = |c: char| {
        c.is_whitespace() || c.is_control() || is_invisible(c) || is_filler(c) || is_format(c) || is_combining_mark(c)
    };
    !text.chars().any(is_skin_tone) && text.chars().all(is_unseen)
}

/// Signs of no ink that are not white space to Unicode: fillers of Hangul, blank Braille, and characters that only one
/// maker's fonts could have.
pub fn is_filler(c: char) -> bool {
    matches!(
        c,
        '\u{115F}'
            | '\u{1160}'
            | '\u{3164}'
            | '\u{FFA0}'
            | '\u{2800}'
            | '\u{1D159}'
            | '\u{E000}'..='\u{F8FF}'
            | '\u{F0000}'..='\u{10FFFF}'
    )
}

/// Characters that Unicode gives no glyph: its categories Cf and the ranges of `Default_Ignorable_Code_Point`.
pub fn is_format(c: char) -> bool {
    matches!(
        c,
        '\u{61C}'
            | '\u{17B4}'
            | '\u{17B5}'
            | '\u{180B}'..='\u{180F}'
            | '\u{206A}'..='\u{206F}'
            | '\u{FFF0}'..='\u{FFFB}'
            | '\u{13430}'..='\u{1343F}'
            | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0000}'..='\u{E0FFF}'
    )
}

/// It colours the emoji before it; alone it is a patch of that colour.
fn is_skin_tone(c: char) -> bool {
    matches!(c, '\u{1F3FB}'..='\u{1F3FF}')
}

/// Whether a character has an effect on the line that it is in: a control character, the end of a line or paragraph, or
/// one that turns the direction of what follows.
pub fn controls_a_line(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Whether a character is not seen by itself: of no width, a direction, a soft hyphen, the variant of a sign, or a joiner of
/// graphemes.
pub fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{AD}'
        | '\u{34F}' | '\u{FE00}'..='\u{FE0F}' | '\u{1F3FB}'..='\u{1F3FF}' | '\u{180E}')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::a_line_feed("a\nb", true)]
    #[case::an_escape("a\u{1b}[2Jb", true)]
    #[case::a_line_separator("a\u{2028}b", true)]
    #[case::from_right_to_left("a\u{202e}b", true)]
    #[case::an_isolate("a\u{2066}b", true)]
    #[case::an_emoji_of_several("Joe’s \u{1f468}\u{200d}\u{1f527}", false)]
    #[case::another_script("Café Ñandú 東京 עברית", false)]
    fn a_name_may_not_control_its_line(#[case] name: &str, #[case] controls: bool) {
        assert_eq!(name.chars().any(controls_a_line), controls);
    }

    #[rstest]
    #[case::nothing("", true)]
    #[case::spaces(" \u{a0}\t\n", true)]
    #[case::zero_width("\u{200b}\u{feff}\u{2060}", true)]
    #[case::fillers("\u{3164}\u{2800}", true)]
    #[case::tags("\u{e0001}\u{e0020}", true)]
    #[case::directions("\u{61c}\u{200f}\u{206a}", true)]
    #[case::selectors_of_variants("\u{180b}\u{fe0f}\u{e0100}", true)]
    #[case::marks_without_a_letter("\u{301}\u{34f}\u{20e3}", true)]
    #[case::annotations("\u{fff9}\u{fffb}", true)]
    #[case::signs_of_shorthand_music_and_hieroglyphs("\u{1bca0}\u{1d173}\u{13430}\u{1d159}", true)]
    #[case::private_use("\u{e000}\u{f8ff}\u{10fffd}", true)]
    #[case::control_characters("\u{1}\u{7f}\u{85}", true)]
    #[case::a_skin_tone_alone("\u{1f3fd}", false)]
    #[case::a_letter_with_its_mark_apart("e\u{301}", false)]
    #[case::a_family("\u{1f468}\u{200d}\u{1f467}", false)]
    #[case::a_replacement_character("\u{fffd}", false)]
    #[case::a_full_stop("\u{200b}.", false)]
    #[case::an_emoji_with_a_variant("\u{2764}\u{fe0f}", false)]
    fn a_text_of_which_nothing_is_seen_is_blank(#[case] text: &str, #[case] blank: bool) {
        assert_eq!(is_blank(text), blank);
    }
}
