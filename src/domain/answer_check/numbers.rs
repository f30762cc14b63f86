//! Phone numbers in a text, by Google's libphonenumber.

use std::sync::LazyLock;

use rlibphonenumber::phonenumber_matcher::{Leniency, PhoneNumberMatcherFactory};
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberUtil, Region};

use super::shown;
use crate::domain::phone::{PhoneNumber, on_keypad};

/// A text with more candidates than this is not searched to its end.
const MAX_CANDIDATES: u64 = 200;
/// So many digits in words, one after the other, are a phone number.
const SPELLED_DIGITS: usize = 7;

static MATCHERS: LazyLock<PhoneNumberMatcherFactory<PhoneNumberUtil, &'static PhoneNumberUtil>> =
    LazyLock::new(|| PhoneNumberMatcherFactory::new_for_util(&PHONE_NUMBER_UTIL));

/// Whether every phone number in the text is one of those: `own`, the business's number in this conversation, others of
/// the business, or the customer's. Numbers without a country code are read as people in the region of `own` write them.
/// Short numbers, such as 911, are no phone numbers.
pub fn numbers_are_known(text: &str, own: &PhoneNumber, others: &[&PhoneNumber]) -> bool {
    let text = with_letters_as_digits(&with_words_as_digits(&shown(text)));
    let mut found = MATCHERS
        .matcher_builder(&text)
        .leniency(Leniency::Possible)
        .max_tries(MAX_CANDIDATES)
        .preferred_region(region_of(own))
        .build();
    found.all(|found| {
        let country = found.number.country_code.to_string();
        let national = found.number.national_number.to_string();
        std::iter::once(&own).chain(others).any(|known| {
            let known = known.as_str();
            known.strip_prefix('+').is_some_and(|known| known.starts_with(&country)) && known.ends_with(&national)
        })
    })
}

fn region_of(own: &PhoneNumber) -> Option<Region> {
    let number = PHONE_NUMBER_UTIL.parse(own.as_str(), None).ok()?;
    PHONE_NUMBER_UTIL
        .get_region_for_number(&number)
        .or_else(|| PHONE_NUMBER_UTIL.get_region_for_country_code(number.country_code))
}

/// The text with digits in place of the words of a number that is spelled out: `four one five, five five five …`.
fn with_words_as_digits(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    // Words that may be the beginning of a number, as they are written, and their digits.
    let (mut written, mut digits) = (String::new(), String::new());
    for word in text.split_inclusive(char::is_whitespace) {
        let bare = word.trim_matches(|c: char| !c.is_alphabetic()).to_lowercase();
        let spelled: Option<String> = bare.split('-').map(digit).collect();
        match spelled {
            Some(spelled) => {
                written.push_str(word);
                digits.push_str(&spelled);
            }
            None => {
                result.push_str(if digits.len() >= SPELLED_DIGITS { &digits } else { &written });
                result.push(' ');
                result.push_str(word);
                written.clear();
                digits.clear();
            }
        }
    }
    result.push_str(if digits.len() >= SPELLED_DIGITS { &digits } else { &written });
    result
}

fn digit(word: &str) -> Option<char> {
    Some(match word {
        "zero" | "oh" | "cero" => '0',
        "one" | "uno" => '1',
        "two" | "dos" => '2',
        "three" | "tres" => '3',
        "four" | "cuatro" => '4',
        "five" | "cinco" => '5',
        "six" | "seis" => '6',
        "seven" | "siete" => '7',
        "eight" | "ocho" => '8',
        "nine" | "nueve" => '9',
        _ => return None,
    })
}

/// The text with digits in place of the letters of a number such as 1-800-FLOWERS, by the keys of a phone.
fn with_letters_as_digits(text: &str) -> String {
    let is_lettered = |word: &str| {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        let letters = word.chars().filter(char::is_ascii_uppercase).count();
        (3..=7).contains(&digits) && letters >= 3 && digits + letters >= 10 && word.chars().all(|c| !c.is_lowercase())
    };
    text.split_inclusive(char::is_whitespace)
        .map(|word| if is_lettered(word) { word.chars().map(on_keypad).collect() } else { word.to_owned() })
        .collect()
}
