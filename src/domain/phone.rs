//! Phone numbers, validated by shape, and the key that replaces them wherever they must not appear.
//!
//! A [`PhoneNumber`] is always `+` and 7 to 15 digits, the first not zero. `Debug` shows it masked, because debug
//! output ends up in logs. Whether a number exists is not checked: the fictitious 555 numbers are valid.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A phone number in E.164 form.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PhoneNumber(String);

/// The text is not `+` and 7 to 15 digits. The error does not contain the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a phone number in E.164 form, like +14155550100")]
pub struct PhoneNumberError;

impl PhoneNumber {
    /// The number as Twilio writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same number as that of a person, who may be written in two ways: `+521…` and `+52…` are one.
    #[must_use]
    pub fn of_person(self) -> Self {
        match person(&self.0) {
            Cow::Owned(number) => Self(number),
            Cow::Borrowed(_) => self,
        }
    }

    /// Whether this is the number of that person, in either of the two ways.
    pub fn is_of_person(&self, person: &Self) -> bool {
        self::person(&self.0) == person.0
    }

    /// The number for logs: it shows only the length and the last two digits.
    pub fn masked(&self) -> String {
        let (hidden, shown) = self.0.split_at(self.0.len().saturating_sub(2));
        format!("+{}{shown}", "*".repeat(hidden.len().saturating_sub(1)))
    }
}

/// The number by which a person is known. Mexico's mobile numbers were dialled with a 1 after the country code until 2019,
/// and some carriers still write it.
fn person(number: &str) -> Cow<'_, str> {
    match number.strip_prefix("+521") {
        Some(national) if national.len() == 10 => Cow::Owned(format!("+52{national}")),
        _ => Cow::Borrowed(number),
    }
}

/// The digit on whose key a phone has a capital letter; anything else stays as it is.
pub fn on_keypad(letter: char) -> char {
    match letter {
        'A'..='C' => '2',
        'D'..='F' => '3',
        'G'..='I' => '4',
        'J'..='L' => '5',
        'M'..='O' => '6',
        'P'..='S' => '7',
        'T'..='V' => '8',
        'W'..='Z' => '9',
        other => other,
    }
}

/// The digits that carriers send for a withheld number if they can only send digits: words spelt on a keypad (Twilio's
/// documentation of withheld callers names the first five).
const WITHHELD: [(&str, &str); 6] = [
    ("266696687", "ANONYMOUS"),
    ("7378742833", "RESTRICTED"),
    ("2562533", "BLOCKED"),
    ("8656696", "UNKNOWN"),
    ("86282452253", "UNAVAILABLE"),
    ("7748283", "PRIVATE"),
];

/// The caller or sender, from Twilio's `From`. `None` if the number is withheld, in words or in digits, and for a short
/// code or a name: nobody can be called back or written to there.
pub fn caller(from: &str) -> Option<PhoneNumber> {
    let digits = from.strip_prefix('+').unwrap_or(from);
    if WITHHELD.iter().any(|(withheld, _)| *withheld == digits) {
        return None;
    }
    from.parse().ok().map(PhoneNumber::of_person)
}

/// Whether a number in a carrier's format (`+15555552222`, `5555552222`, `tel:+1-555-555-2222`, a SIP address) is this
/// number.
pub fn is_same_number(number: &PhoneNumber, written: &str) -> bool {
    let lower = written.trim().to_ascii_lowercase();
    let address = ["tel:", "sips:", "sip:"].iter().find_map(|scheme| lower.strip_prefix(scheme)).unwrap_or(&lower);
    let user = address.split(['@', ';', '?']).next().unwrap_or_default();
    if user.chars().any(|c| !(c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | ' ' | '(' | ')'))) {
        return false;
    }
    let digits: String = user.chars().filter(char::is_ascii_digit).collect();
    let ours = number.as_str().trim_start_matches('+');
    // Also accepted: without the country code, or with the prefix for international calls.
    let national = ours.strip_prefix('1').filter(|national| national.len() == 10);
    let abroad = ["011", "00"].iter().find_map(|prefix| digits.strip_prefix(prefix));
    !digits.is_empty() && (digits == ours || national == Some(digits.as_str()) || abroad == Some(ours))
}

impl FromStr for PhoneNumber {
    type Err = PhoneNumberError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if has_e164_shape(text) { Ok(Self(text.to_owned())) } else { Err(PhoneNumberError) }
    }
}

impl TryFrom<String> for PhoneNumber {
    type Error = PhoneNumberError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if has_e164_shape(&text) { Ok(Self(text)) } else { Err(PhoneNumberError) }
    }
}

impl From<PhoneNumber> for String {
    fn from(number: PhoneNumber) -> Self {
        number.0
    }
}

impl AsRef<str> for PhoneNumber {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PhoneNumber({})", self.masked())
    }
}

/// The subject key of the messages between a business and a customer: 32 hex digits that do not reveal the numbers.
///
/// The customer may be any text, because short codes and alphanumeric senders write too.
pub fn conversation_key(business: &(impl AsRef<str> + ?Sized), customer: &str) -> String {
    // A phone number contains no zero byte, so different pairs never give the same input.
    let digest =
        Sha256::new().chain_update(business.as_ref()).chain_update([0]).chain_update(&*person(customer)).finalize();
    HEXLOWER.encode(&digest[..16])
}

fn has_e164_shape(text: &str) -> bool {
    match text.as_bytes() {
        [b'+', b'1'..=b'9', rest @ ..] => (6..=14).contains(&rest.len()) && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::north_american("+14155550100")]
    #[case::fictitious("+15551234567")]
    #[case::shortest("+1234567")]
    #[case::longest("+123456789012345")]
    fn a_number_of_the_right_shape_is_kept_as_it_is(#[case] text: &str) {
        assert_eq!(text.parse::<PhoneNumber>().unwrap().to_string(), text);
    }

    #[rstest]
    #[case::empty("")]
    #[case::no_plus("14155550100")]
    #[case::leading_zero("+04155550100")]
    #[case::too_short("+123456")]
    #[case::too_long("+1234567890123456")]
    #[case::blanks("+1 415 555 0100")]
    #[case::letters("+1415555HELP")]
    #[case::withheld("anonymous")]
    #[case::short_code("12345")]
    #[case::trailing_newline("+14155550100\n")]
    #[case::other_digits("+1415555٠١٠٠")]
    fn anything_else_is_refused(#[case] text: &str) {
        assert_eq!(text.parse::<PhoneNumber>(), Err(PhoneNumberError));
    }

    #[test]
    fn withheld_numbers_are_words_on_a_keypad() {
        for (digits, word) in WITHHELD {
            assert_eq!(word.chars().map(on_keypad).collect::<String>(), digits, "{word}");
        }
    }

    #[rstest]
    #[case::anonymous("+266696687")]
    #[case::restricted("+7378742833")]
    #[case::blocked("+2562533")]
    #[case::unknown("+8656696")]
    #[case::unavailable("+86282452253")]
    #[case::private("+7748283")]
    #[case::without_a_plus("266696687")]
    #[case::in_words("anonymous")]
    #[case::in_other_words("Restricted")]
    #[case::nothing("")]
    #[case::a_short_code("12345")]
    fn who_withholds_the_number_is_nobody_to_write_to(#[case] from: &str) {
        assert_eq!(caller(from), None);
    }

    #[rstest]
    #[case::a_customer("+12125551234")]
    #[case::one_digit_more("+2666966870")]
    #[case::the_same_digits_in_texas("+17378742833")]
    fn a_number_that_is_one_is_somebodys(#[case] from: &str) {
        assert_eq!(caller(from).map(String::from).as_deref(), Some(from));
    }

    #[rstest]
    #[case::as_twilio_writes_it("+15555552222", true)]
    #[case::without_a_plus("15555552222", true)]
    #[case::without_the_country("5555552222", true)]
    #[case::a_plus_that_was_not_escaped(" 15555552222", true)]
    #[case::as_people_write_it("(555) 555-2222", true)]
    #[case::a_tel_address("tel:+1-555-555-2222;phone-context=example.com", true)]
    #[case::a_sip_address("sip:+15555552222@carrier.example;user=phone", true)]
    #[case::from_abroad("01115555552222", true)]
    #[case::another("+15555552223", false)]
    #[case::its_end("5552222", false)]
    #[case::another_country("+445555552222", false)]
    #[case::digits_in_a_name("sip:joe15555552222@carrier.example", false)]
    #[case::nothing("", false)]
    #[case::a_word("anonymous", false)]
    fn a_number_is_known_in_the_ways_carriers_write_it(#[case] written: &str, #[case] same: bool) {
        assert_eq!(is_same_number(&"+15555552222".parse().unwrap(), written), same);
    }

    #[test]
    fn json_holds_the_plain_number_and_is_checked_when_read() {
        let number: PhoneNumber = serde_json::from_str(r#""+14155550100""#).unwrap();
        assert_eq!(serde_json::to_string(&number).unwrap(), r#""+14155550100""#);
        assert!(serde_json::from_str::<PhoneNumber>(r#""555""#).is_err());
    }

    #[rstest]
    #[case::with_the_old_prefix("+5215512345678", "+525512345678")]
    #[case::without_it("+525512345678", "+525512345678")]
    #[case::another_length("+52155123456", "+52155123456")]
    #[case::elsewhere("+15215551234", "+15215551234")]
    fn a_person_in_mexico_is_one_with_and_without_the_old_prefix(#[case] from: &str, #[case] person: &str) {
        assert_eq!(caller(from).map(String::from).as_deref(), Some(person));
        assert_eq!(conversation_key("+14155550100", from), conversation_key("+14155550100", person));
    }

    #[test]
    fn logs_see_the_last_two_digits_only() {
        let number: PhoneNumber = "+14155550142".parse().unwrap();
        assert_eq!(number.masked(), "+*********42");
        assert_eq!(format!("{number:?}"), "PhoneNumber(+*********42)");
    }

    #[test]
    fn a_conversation_key_depends_on_both_sides_and_shows_neither() {
        let business: PhoneNumber = "+14155550100".parse().unwrap();
        let other: PhoneNumber = "+14155550101".parse().unwrap();
        let key = conversation_key(&business, "+15551234567");
        assert_eq!(key.len(), 32);
        assert!(key.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(key, conversation_key(&business, "+15551234567"));
        assert_ne!(key, conversation_key(&business, "+15551234568"));
        assert_ne!(key, conversation_key(&other, "+15551234567"));
    }
}
