//! The number of SMS segments of a text: carriers count segments, and the send rate is measured in them.
//!
//! A text in the GSM-7 alphabet has 160 characters in one segment, or 153 in each of several. Any other text is sent as
//! UCS-2, with 70 or 67 characters (3GPP TS 23.038). Characters of GSM-7's extension table count twice.

/// GSM-7's basic alphabet without the ASCII letters and digits.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà";
/// Characters that need an escape before them.
const EXTENDED: &str = "\u{c}^{}\\[~]|€";

/// Twilio refuses longer bodies (error 21617).
pub const MAX_BODY_CHARS: usize = 1_600;

/// Whether a text is sent in the GSM-7 alphabet.
pub fn fits_gsm7(text: &str) -> bool {
    gsm7_septets(text).is_some()
}

/// The number of segments, at least 1.
pub fn count(text: &str) -> u32 {
    count_within(text, text)
}

/// The number of segments of a part of a text by itself, in the alphabet in which the whole is sent; at least 1.
pub fn count_within(part: &str, whole: &str) -> u32 {
    let septets = gsm7_septets(part).filter(|_| fits_gsm7(whole));
    let (length, single, several) =
        septets.map_or_else(|| (part.encode_utf16().count(), 70, 67), |septets| (septets, 160, 153));
    if length <= single { 1 } else { u32::try_from(length.div_ceil(several)).unwrap_or(u32::MAX) }
}

fn gsm7_septets(text: &str) -> Option<usize> {
    text.chars().try_fold(0, |sum, c| {
        if c.is_ascii_alphanumeric() || BASIC.contains(c) {
            Some(sum + 1)
        } else if EXTENDED.contains(c) {
            Some(sum + 2)
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::empty("", 1)]
    #[case::one_full("a".repeat(160), 1)]
    #[case::one_too_many("a".repeat(161), 2)]
    #[case::two_full("a".repeat(306), 2)]
    #[case::third("a".repeat(307), 3)]
    #[case::extension_counts_twice("€".repeat(80), 1)]
    #[case::extension_overflows("€".repeat(81), 2)]
    #[case::unicode_full("ж".repeat(70), 1)]
    #[case::unicode_over("ж".repeat(71), 2)]
    #[case::emoji_are_two_units("🚰".repeat(35), 1)]
    #[case::emoji_over("🚰".repeat(36), 2)]
    #[case::spanish_accents_outside_gsm("á".repeat(71), 2)]
    #[case::spanish_inside_gsm("ñ¿".repeat(80), 1)]
    fn a_text_takes_as_many_segments_as_carriers_count(#[case] text: impl AsRef<str>, #[case] segments: u32) {
        assert_eq!(count(text.as_ref()), segments);
    }

    #[rstest]
    #[case::both_gsm("a".repeat(160), "We say: ", 1)]
    #[case::of_one_segment_in_ucs2("a".repeat(70), "Decimos más: ", 1)]
    #[case::of_two_segments_in_ucs2("a".repeat(71), "Decimos más: ", 2)]
    #[case::of_three_segments_in_ucs2("a".repeat(201), "👋 ", 3)]
    #[case::of_four_segments_in_ucs2("a".repeat(202), "👋 ", 4)]
    #[case::ucs2_by_itself("ж".repeat(71), "We say: ", 2)]
    #[case::extended_signs_count_once_in_ucs2("€".repeat(70), "más: ", 1)]
    fn a_part_is_counted_in_the_alphabet_of_the_whole(
        #[case] part: String,
        #[case] before: &str,
        #[case] segments: u32,
    ) {
        assert_eq!(count_within(&part, &format!("{before}{part}")), segments);
    }
}
