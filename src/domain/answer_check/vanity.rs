//! Phone numbers of North America in letters: 1-800-FLOWERS, (415) plumber.

use super::groups::spelled_digits;
use super::parts::{Part, is_currency};
use super::units::is_unit;
use crate::domain::phone::on_keypad;

/// The letters and digits after an area code.
const KEYS: usize = 7;
const TOLL_FREE: [&str; 8] = ["800", "888", "877", "866", "855", "844", "833", "822"];
/// Words after which an area code is the number of a house.
const STREETS: [&str; 27] = [
    "st",
    "street",
    "ave",
    "avenue",
    "rd",
    "road",
    "blvd",
    "boulevard",
    "dr",
    "drive",
    "ln",
    "lane",
    "way",
    "ct",
    "court",
    "pl",
    "pkwy",
    "parkway",
    "cir",
    "circle",
    "ter",
    "terrace",
    "hwy",
    "highway",
    "sq",
    "trl",
    "plaza",
];

/// The digits of each such number, without the 1.
pub(super) fn numbers(parts: &[Part]) -> Vec<String> {
    (0..parts.len()).filter_map(|at| number_at(parts, at)).collect()
}

/// How the beginning of a number is written.
struct Beginning<'a> {
    area: &'a str,
    /// `1-800` or `1 800`.
    has_one: bool,
    /// `(800)`
    has_brackets: bool,
}

fn number_at(parts: &[Part], at: usize) -> Option<String> {
    let beginning = beginning(parts, at)?;
    let gap = parts.get(at + 1)?.signs();
    let from = if gap.is_empty() { at + 1 } else { at + 2 };
    let keys = keys(&parts[from..], gap.contains(char::is_whitespace))?;
    let is_toll_free = TOLL_FREE.contains(&beginning.area);
    let is_whole = keys.keys.len() == KEYS;
    let is_marked = beginning.has_brackets || (beginning.has_one && is_toll_free);
    let has_blank = keys.has_blank || gap.contains(char::is_whitespace);
    let fits = if gap.is_empty() {
        is_toll_free && beginning.has_one
    } else if has_blank && !keys.is_capital && !is_marked {
        false // 240-volt and more
    } else {
        is_whole || (is_toll_free && !keys.has_blank)
    };
    let number: String = beginning.area.chars().chain(keys.keys.chars().take(KEYS)).collect();
    // 800-METRO-CAB is dialled, and in an 800-gallon tank there are 800 gallons.
    let is_dialled = is_toll_free && (beginning.has_one || (keys.is_capital && !has_blank));
    (fits && (is_dialled || !keys.is_counted)).then_some(number)
}

fn beginning(parts: &[Part], at: usize) -> Option<Beginning<'_>> {
    let area = parts.get(at)?.digits()?;
    let before = at.checked_sub(1).and_then(|at| parts.get(at)).map_or("", Part::signs);
    if before.ends_with(is_currency) {
        return None;
    }
    let gap = parts.get(at + 1).map_or("", Part::signs);
    let one = at.checked_sub(2).and_then(|at| parts.get(at)).and_then(Part::digits) == Some("1");
    // 1,800 and 1.800 are counts, but 1.800.FLOWERS is a number.
    let is_count = before.contains([',', ':', ';']) || (before == "." && gap.contains(char::is_whitespace));
    let has_one = one && !is_count;
    let has_brackets = before.ends_with('(') && gap.starts_with(')');
    let (area, has_one) = match area.strip_prefix('1') {
        Some(rest) if rest.len() == 3 && !gap.contains(char::is_whitespace) => (rest, true),
        _ => (area, has_one),
    };
    // 911 and its like are no area codes.
    let is_area =
        area.len() == 3 && area >= "200" && !area.ends_with("11") && !(one && is_count) && gap.chars().count() <= 4;
    is_area.then_some(Beginning { area, has_one, has_brackets })
}

struct Keys {
    /// The digits on whose keys the letters are.
    keys: String,
    is_capital: bool,
    /// Whether a blank is between them.
    has_blank: bool,
    /// Whether it is a street, or something that is counted.
    is_counted: bool,
}

/// Words and digits up to seven keys, or to the end of the word that has the seventh.
fn keys(parts: &[Part], is_after_blank: bool) -> Option<Keys> {
    let mut keys = String::new();
    let mut letters = String::new();
    let (mut first, mut last) = (None, "");
    let mut has_blank = false;
    let mut at = 0;
    while keys.len() < KEYS {
        match parts.get(at)? {
            Part::Letters(word) if is_plain(word) => {
                keys.extend(word.chars().map(|c| on_keypad(c.to_ascii_uppercase())));
                letters.push_str(word);
                last = word;
                first.get_or_insert(last);
            }
            Part::Digits(digits) => keys.push_str(digits),
            Part::Signs(signs) if at > 0 && signs.chars().count() == 1 && " -.*_".contains(signs.as_str()) => {
                has_blank |= signs == " ";
            }
            _ => return None,
        }
        at += 1;
    }
    let is_one_of = |words: &[&str], word: &str| words.iter().any(|known| known.eq_ignore_ascii_case(word));
    let next = parts.get(at + 1).and_then(Part::letters).unwrap_or_default();
    let is_before_street = parts.get(at).map_or("", Part::signs).starts_with(' ') && is_one_of(&STREETS, next);
    let is_street = is_after_blank && (is_before_street || is_one_of(&STREETS, last));
    let is_capital = letters.bytes().all(|b| b.is_ascii_uppercase());
    let is_counted = is_street || first.is_some_and(is_unit);
    (letters.len() >= 3).then_some(Keys { keys, is_capital, has_blank, is_counted })
}

/// Whether a word has a key for each letter, and is no digit by itself.
fn is_plain(word: &str) -> bool {
    word.bytes().all(|b| b.is_ascii_alphabetic()) && spelled_digits(&word.to_lowercase()).is_none()
}
