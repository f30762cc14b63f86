//! Phone numbers in a text, by Google's libphonenumber, and what it leaves out: numbers beside dates, with other signs
//! between their digits, in words and in letters.

use std::sync::LazyLock;

use rlibphonenumber::phonenumber_matcher::{Leniency, PhoneNumberMatcherFactory};
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, PhoneNumberUtil, Region};

use super::candidates::{self, Notation};
use super::groups::{self, Group};
use super::parts::{Part, parts};
use super::{spoken, vanity};
use crate::domain::phone::{PhoneNumber, on_keypad};

/// A text with more candidates than this is not searched to its end. One of the longest that is sent has fewer.
const MAX_CANDIDATES: u64 = 10_000;

static MATCHERS: LazyLock<PhoneNumberMatcherFactory<PhoneNumberUtil, &'static PhoneNumberUtil>> =
    LazyLock::new(|| PhoneNumberMatcherFactory::new_for_util(&PHONE_NUMBER_UTIL));

/// Whether every phone number in the text is one of those: `own`, the business's number in this conversation, others of
/// the business, or the customer's. Numbers without a country code are read as people in the region of `own` write them.
/// Short numbers, such as 911, are no phone numbers, and neither are dates, times and ranges of prices.
pub fn numbers_are_known(text: &str, own: &PhoneNumber, others: &[&PhoneNumber]) -> bool {
    let parts = parts(text);
    let runs = groups::runs(&parts);
    let known = Known { region: region_of(own), own, others };
    let notation = notation(own);
    known.has_all_in(&written(&parts))
        && runs.iter().all(|run| known.has_all_of(run, &notation))
        && (notation != Notation::Nanp
            || vanity::numbers(&parts).iter().chain(&spoken::numbers(&parts)).all(|number| known.has(number)))
}

struct Known<'a> {
    region: Option<Region>,
    own: &'a PhoneNumber,
    others: &'a [&'a PhoneNumber],
}

impl Known<'_> {
    /// Whether all numbers that libphonenumber finds are known.
    fn has_all_in(&self, text: &str) -> bool {
        MATCHERS
            .matcher_builder(text)
            .leniency(Leniency::Possible)
            .max_tries(MAX_CANDIDATES)
            .preferred_region(self.region)
            .build()
            .all(|found| self.is_one(&found.number))
    }

    fn has_all_of(&self, run: &[Group], notation: &Notation) -> bool {
        notation.candidates(run).iter().all(|number| self.has(number))
            && candidates::international(run).iter().all(|numbers| {
                numbers.iter().any(|number| self.reads(number).is_some_and(|number| self.is_one(&number)))
                    || numbers.iter().all(|number| self.reads(number).is_none())
            })
            && run.iter().map(candidates::within_row).all(|row| {
                // What is beside a known number in a row is too short to be another.
                row.is_empty() || (row.len() < 8 && row.iter().any(|number| self.has(number)))
            })
    }

    /// Whether the digits are a number that is known, or none.
    fn has(&self, number: &str) -> bool {
        self.reads(number).is_none_or(|number| self.is_one(&number))
    }

    fn reads(&self, number: &str) -> Option<rlibphonenumber::PhoneNumber> {
        let number = PHONE_NUMBER_UTIL.parse(number, self.region).ok()?;
        PHONE_NUMBER_UTIL.is_possible_number(&number).then_some(number)
    }

    fn is_one(&self, number: &rlibphonenumber::PhoneNumber) -> bool {
        let country = number.country_code.to_string();
        let national = number.national_number.to_string();
        std::iter::once(&self.own).chain(self.others).any(|known| {
            let known = known.as_str();
            known.strip_prefix('+').is_some_and(|known| known.starts_with(&country)) && known.ends_with(&national)
        })
    }
}

fn region_of(own: &PhoneNumber) -> Option<Region> {
    let number = PHONE_NUMBER_UTIL.parse(own.as_str(), None).ok()?;
    PHONE_NUMBER_UTIL
        .get_region_for_number(&number)
        .or_else(|| PHONE_NUMBER_UTIL.get_region_for_country_code(number.country_code))
}

fn notation(own: &PhoneNumber) -> Notation {
    if own.as_str().starts_with("+1") {
        return Notation::Nanp;
    }
    let number = PHONE_NUMBER_UTIL.parse(own.as_str(), None).unwrap_or_default();
    let groups = PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::National);
    let sizes = groups.split(|c: char| !c.is_ascii_digit()).map(str::len).filter(|size| *size > 0);
    Notation::Groups(sizes.collect())
}

/// The text for libphonenumber, with digits in place of the letters of a number.
fn written(parts: &[Part]) -> String {
    let text: String = parts
        .iter()
        .map(|part| match part {
            Part::Digits(text) | Part::Letters(text) | Part::Signs(text) => text.as_str(),
            Part::Moment => " ; ",
        })
        .collect();
    with_letters_as_digits(&text)
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
