//! Typographic signs in our own texts. One of them makes an SMS UCS-2, whose segments hold 70 characters and not 160.
//!
//! They are replaced before a message is stored, so that what is stored is what is sent: Twilio's SmartEncoded, which does
//! the same on its side, stays off, because an SMS whose outcome is unknown is looked for by its words.

use std::borrow::Cow;

use super::sms_segments::{MAX_BODY_CHARS, count, fits_gsm7};

/// The text with signs of GSM-7 in place of typographic ones. A text that would not fit GSM-7 even so, or would become too
/// long for an SMS or take more segments, stays as it is.
pub fn fold(text: &str) -> Cow<'_, str> {
    if fits_gsm7(text) {
        return Cow::Borrowed(text);
    }
    let folded = without_signs(text);
    let is_worth_it = fits_gsm7(&folded) && folded.chars().count() <= MAX_BODY_CHARS && count(&folded) <= count(text);
    if is_worth_it { Cow::Owned(folded) } else { Cow::Borrowed(text) }
}

/// The end of a text as it is after the whole is folded.
pub fn fold_end<'a>(end: &'a str, whole: &str) -> Cow<'a, str> {
    match fold(whole) {
        Cow::Owned(_) => Cow::Owned(without_signs(end)),
        Cow::Borrowed(_) => Cow::Borrowed(end),
    }
}

fn without_signs(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for character in text.chars() {
        match plain(character) {
            // 5½ is not 51/2.
            Some(fraction) if fraction.starts_with(is_digit) && folded.ends_with(is_digit) => {
                folded.push(' ');
                folded.push_str(fraction);
            }
            Some(plain) => folded.push_str(plain),
            None => folded.push(character),
        }
    }
    folded
}

fn is_digit(character: char) -> bool {
    character.is_ascii_digit()
}

/// What stands for a typographic sign on a typewriter.
fn plain(character: char) -> Option<&'static str> {
    Some(match character {
        '\u{2018}'..='\u{201b}'
        | '\u{2032}'
        | '\u{2035}'
        | '\u{2b9}'
        | '\u{2bb}'..='\u{2bd}'
        | '\u{2c8}'
        | '\u{b4}'
        | '`' => "'",
        '\u{201c}'..='\u{201f}' | '\u{2033}' | '\u{2036}' | '\u{ab}' | '\u{bb}' => "\"",
        '\u{2039}' => "<",
        '\u{203a}' => ">",
        '\u{2010}'..='\u{2015}' | '\u{2043}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' => "-",
        '\u{2026}' => "...",
        '\u{2022}' | '\u{b7}' | '\u{2219}' => "*",
        '\u{2044}' | '\u{2215}' => "/",
        '\u{d7}' | '\u{2715}' | '\u{2a09}' => "x",
        '\u{bd}' => "1/2",
        '\u{bc}' => "1/4",
        '\u{be}' => "3/4",
        '\u{2153}' => "1/3",
        '\u{2154}' => "2/3",
        '\u{215b}' => "1/8",
        '\u{215c}' => "3/8",
        '\u{215d}' => "5/8",
        '\u{215e}' => "7/8",
        '\u{2192}' => "->",
        '\u{a9}' => "(c)",
        '\u{ae}' => "(R)",
        '\u{2122}' => "(TM)",
        '\u{2103}' => " C",
        '\u{2109}' => " F",
        '\u{2116}' => "No.",
        '\u{fb00}' => "ff",
        '\u{fb01}' => "fi",
        '\u{fb02}' => "fl",
        '\u{fb03}' => "ffi",
        '\u{fb04}' => "ffl",
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' | '\t' => " ",
        '\u{2028}' | '\u{2029}' => "\n",
        '\u{ad}' | '\u{200b}' | '\u{200c}' | '\u{200d}' | '\u{2060}' | '\u{feff}' => "",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::quotes_and_dashes("“Hi” – it’s 5…", "\"Hi\" - it's 5...")]
    #[case::spaces("9\u{202f}am\u{a0}sharp\u{200b}", "9 am sharp")]
    #[case::spanish_within_gsm7("¿Mañana? — sí", "¿Mañana? — sí")]
    #[case::an_emoji_is_ucs2_in_any_case("It’s done 👍", "It’s done 👍")]
    #[case::fractions("3½ x 4″, ¾ pipe", "3 1/2 x 4\", 3/4 pipe")]
    #[case::signs("2×4 by Acme™ → now", "2x4 by Acme(TM) -> now")]
    #[case::ligatures("ﬁne oﬀer", "fine offer")]
    #[case::nothing_to_fold("It's 5 €", "It's 5 €")]
    fn typographic_signs_are_replaced_where_that_makes_the_text_gsm7(#[case] text: &str, #[case] folded: &str) {
        assert_eq!(fold(text), folded);
    }

    #[test]
    fn a_text_that_would_take_more_segments_stays_as_it_is() {
        let text = "…".repeat(70);
        assert_eq!(fold(&text), text);
    }

    #[test]
    fn a_text_that_would_become_too_long_stays_as_it_is() {
        let text = "…".repeat(MAX_BODY_CHARS);
        assert_eq!(fold(&text), text);
    }

    #[rstest]
    #[case::alone("", "–", "-")]
    #[case::with_more_words("We’ll come. ", "9–10", "9-10")]
    #[case::with_an_emoji("👍 ", "9–10", "9–10")]
    #[case::where_only_the_whole_gains("a".repeat(60) + " ", "…".repeat(70), "...".repeat(70))]
    fn the_end_of_a_text_is_folded_as_the_whole_is(
        #[case] beginning: impl AsRef<str>,
        #[case] end: impl AsRef<str>,
        #[case] folded: impl AsRef<str>,
    ) {
        let whole = format!("{}{}", beginning.as_ref(), end.as_ref());
        assert_eq!(fold_end(end.as_ref(), &whole), folded.as_ref());
        assert!(fold(&whole).ends_with(folded.as_ref()));
    }

    proptest! {
        #[test]
        fn folding_never_costs_segments_and_is_done_once(text in "[a-z5 “”’…½™—\u{a0}•é👍]{0,200}") {
            let folded = fold(&text).into_owned();
            prop_assert!(count(&folded) <= count(&text));
            prop_assert_eq!(fold(&folded), folded.as_str());
        }
    }
}
