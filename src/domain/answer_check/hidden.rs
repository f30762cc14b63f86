//! Characters that make a text look different from what it says.

use crate::domain::invisible::{controls_a_line, is_filler, is_format, is_invisible};

/// Joins two emoji into one.
const ZERO_WIDTH_JOINER: char = '\u{200D}';
/// Asks for a sign as text, or as an emoji.
const VARIANTS: [char; 2] = ['\u{FE0E}', '\u{FE0F}'];
/// Makes a key of the digit before it.
const KEYCAP: char = '\u{20E3}';
const BLACK_FLAG: char = '\u{1F3F4}';
/// Begins the area of the ASCII characters that nobody sees.
const TAGS: u32 = 0xE_0000;
/// The flags of regions that are in use: England, Scotland and Wales, in tags after a black flag.
const REGIONS: [&str; 3] = ["gbeng", "gbsct", "gbwls"];

/// Whether a text has characters that are not seen, or that turn the direction of what is. Those that belong to an emoji
/// do not count; the ends of lines and tabs are seen.
pub fn has_hidden_characters(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    let mut at = 0;
    while let Some(c) = chars.get(at).copied() {
        if is_hidden(c) && !is_part_of_emoji(&chars, at) {
            return true;
        }
        at += if c == BLACK_FLAG { 1 + tags_of_region(&chars[at + 1..]) } else { 1 };
    }
    false
}

fn is_hidden(c: char) -> bool {
    is_invisible(c) || is_filler(c) || is_format(c) || (controls_a_line(c) && !matches!(c, '\n' | '\r' | '\t'))
}

/// Whether the character there makes an emoji with those around it. After anything else it would only carry what nobody
/// sees, and so would a second one.
fn is_part_of_emoji(chars: &[char], at: usize) -> bool {
    let before = |distance: usize| at.checked_sub(distance).and_then(|at| chars.get(at)).copied();
    let (last, next) = (before(1), chars.get(at + 1).copied());
    let is_emoji = |c: Option<char>| c.is_some_and(is_pictograph);
    let is_variant = |c: Option<char>| c.is_some_and(|c| VARIANTS.contains(&c));
    let is_tone = |c: Option<char>| c.is_some_and(is_skin_tone);
    match chars.get(at) {
        Some(&ZERO_WIDTH_JOINER) => (is_emoji(last) || is_variant(last) || is_tone(last)) && is_emoji(next),
        Some(c) if VARIANTS.contains(c) => {
            let is_key = last.is_some_and(|c| c.is_ascii_digit() || "#*".contains(c)) && next == Some(KEYCAP);
            is_emoji(last) || is_key || (is_tone(last) && !is_variant(before(2)))
        }
        Some(c) if is_skin_tone(*c) => is_emoji(last) || (is_variant(last) && is_emoji(before(2))),
        _ => false,
    }
}

fn is_skin_tone(c: char) -> bool {
    matches!(c, '\u{1F3FB}'..='\u{1F3FF}')
}

/// How many tags after a black flag make it that of a region.
fn tags_of_region(after: &[char]) -> usize {
    let is_flag = |region: &&str| {
        let tags = region.chars().chain(['\u{7F}']).filter_map(|c| char::from_u32(TAGS + u32::from(c)));
        tags.eq(after.iter().copied().take(region.len() + 1))
    };
    REGIONS.iter().find(|region| is_flag(region)).map_or(0, |region| region.len() + 1)
}

/// Whether a sign may be shown as an emoji: Unicode's property Emoji, and the signs that are between those.
fn is_pictograph(c: char) -> bool {
    let is_sign = matches!(c, '©' | '®' | '‼' | '⁉' | '™' | 'ℹ' | 'Ⓜ' | '〰' | '〽' | '㊗' | '㊙'
        | '\u{2190}'..='\u{21FF}' | '\u{2300}'..='\u{23FF}' | '\u{25A0}'..='\u{27BF}' | '\u{2934}' | '\u{2935}'
        | '\u{2B00}'..='\u{2BFF}');
    (is_sign || matches!(c, '\u{1F000}'..='\u{1FAFF}')) && !is_skin_tone(c)
}
