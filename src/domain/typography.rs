//! Typographic signs in our own texts. One of them makes an SMS UCS-2, whose segments hold 70 characters and not 160.
//!
//! They are replaced before a message is stored, so that what is stored is what is sent: Twilio's SmartEncoded, which does
//! the same on its side, stays off, because an SMS whose outcome is unknown is looked for by its words.

use std::borrow::Cow;

use super::sms_segments::{MAX_BODY_CHARS, fits_gsm7};

/// The text with signs of GSM-7 in place of typographic ones. A text that would not fit GSM-7 even so, or would become too
/// long for an SMS, stays as it is.
pub fn fold(text: &str) -> Cow<'_, str> {
    if fits_gsm7(text) {
        return Cow::Borrowed(text);
    }
    let mut folded = String::with_capacity(text.len());
    for character in text.chars() {
        match plain(character) {
            Some(plain) => folded.push_str(plain),
            None => folded.push(character),
        }
    }
    let is_worth_it = fits_gsm7(&folded) && folded.chars().count() <= MAX_BODY_CHARS;
    if is_worth_it { Cow::Owned(folded) } else { Cow::Borrowed(text) }
}

/// What stands for a typographic sign on a typewriter.
fn plain(character: char) -> Option<&'static str> {
    Some(match character {
        '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}' | '\u{2032}' | '\u{2035}' | '\u{b4}' | '`' => "'",
        '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{201f}' | '\u{2033}' | '\u{2036}' | '\u{ab}' | '\u{bb}' => "\"",
        '\u{2039}' => "<",
        '\u{203a}' => ">",
        '\u{2010}'..='\u{2015}' | '\u{2043}' | '\u{2212}' => "-",
        '\u{2026}' => "...",
        '\u{2022}' | '\u{b7}' | '\u{2219}' => "*",
        '\u{2044}' | '\u{2215}' => "/",
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
    use crate::domain::sms_segments::count;

    #[rstest]
    #[case::quotes_and_dashes("“Hi” – it’s 5…", "\"Hi\" - it's 5...")]
    #[case::spaces("9\u{202f}am\u{a0}sharp\u{200b}", "9 am sharp")]
    #[case::spanish_within_gsm7("¿Mañana? — sí", "¿Mañana? — sí")]
    #[case::an_emoji_is_ucs2_in_any_case("It’s done 👍", "It’s done 👍")]
    #[case::nothing_to_fold("It's 5 €", "It's 5 €")]
    fn typographic_signs_are_replaced_where_that_makes_the_text_gsm7(#[case] text: &str, #[case] folded: &str) {
        assert_eq!(fold(text), folded);
    }

    #[test]
    fn a_text_that_would_become_too_long_stays_as_it_is() {
        let text = "…".repeat(MAX_BODY_CHARS);
        assert_eq!(fold(&text), text);
    }

    proptest! {
        #[test]
        fn folding_never_costs_segments_and_is_done_once(text in "[a-z “”’…—\u{a0}•é👍]{0,200}") {
            let folded = fold(&text).into_owned();
            prop_assert!(count(&folded) <= count(&text));
            prop_assert_eq!(fold(&folded), folded.as_str());
        }
    }
}
