//! The code of an open conversation, as the owner types it: a letter and a digit, such as `B2`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Without I and O, which look like digits.
const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ";
/// Without 0 and 1, which look like letters; a text that is only `1` takes an alert.
const DIGITS: &[u8] = b"23456789";
const SHORT: u16 = 24 * 8;
/// With a second digit, for a business with more open conversations than there are codes of one digit.
const ALL: u16 = SHORT + 24 * 64;

/// A code. At any time, no two open conversations of a business have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Code(u16);

/// The text is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a code is a letter and one or two digits, such as B2")]
pub struct NotACode;

impl Code {
    /// A code for a conversation that is not taken; `None` if all are.
    pub fn free(conversation_id: Uuid, taken: &[Self]) -> Option<Self> {
        // Begins at a different place for each conversation, so that one code does not follow the other.
        let begin = u16::try_from(conversation_id.as_u128() % u128::from(SHORT)).unwrap_or_default();
        let short = (0..SHORT).map(|n| Self((begin + n) % SHORT));
        short.chain((SHORT..ALL).map(Self)).find(|code| !taken.contains(code))
    }
}

fn sign(signs: &[u8], at: u16) -> char {
    signs.get(usize::from(at)).map_or('?', |sign| char::from(*sign))
}

fn place(signs: &[u8], sign: char) -> Option<u16> {
    let sign = u8::try_from(sign.to_ascii_uppercase()).ok()?;
    u16::try_from(signs.iter().position(|known| *known == sign)?).ok()
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.checked_sub(SHORT) {
            None => write!(f, "{}{}", sign(LETTERS, self.0 / 8), sign(DIGITS, self.0 % 8)),
            Some(long) => {
                let (letter, digits) = (long / 64, long % 64);
                write!(f, "{}{}{}", sign(LETTERS, letter), sign(DIGITS, digits / 8), sign(DIGITS, digits % 8))
            }
        }
    }
}

impl FromStr for Code {
    type Err = NotACode;

    fn from_str(text: &str) -> Result<Self, NotACode> {
        let mut signs = text.chars();
        let letter = signs.next().and_then(|sign| place(LETTERS, sign)).ok_or(NotACode)?;
        let first = signs.next().and_then(|sign| place(DIGITS, sign)).ok_or(NotACode)?;
        let code = match signs.next() {
            None => letter * 8 + first,
            Some(second) => SHORT + letter * 64 + first * 8 + place(DIGITS, second).ok_or(NotACode)?,
        };
        if signs.next().is_some() { Err(NotACode) } else { Ok(Self(code)) }
    }
}

impl TryFrom<String> for Code {
    type Error = NotACode;

    fn try_from(text: String) -> Result<Self, NotACode> {
        text.parse()
    }
}

impl From<Code> for String {
    fn from(code: Code) -> Self {
        code.to_string()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_read_as_it_is_written_in_any_case() {
        for number in 0..ALL {
            let code = Code(number);
            assert_eq!(code.to_string().parse(), Ok(code));
            assert_eq!(code.to_string().to_lowercase().parse(), Ok(code));
            assert!(!code.to_string().contains(['I', 'O', '0', '1', '?']), "{code}");
        }
    }

    #[test]
    fn a_code_that_is_taken_is_not_given_again_until_all_are() {
        let mut taken = Vec::new();
        for number in 0..u128::from(ALL) {
            let code = Code::free(Uuid::from_u128(number * 7), &taken).unwrap();
            assert!(!taken.contains(&code));
            assert_eq!(code.to_string().len(), if taken.len() < usize::from(SHORT) { 2 } else { 3 });
            taken.push(code);
        }
        assert_eq!(Code::free(Uuid::nil(), &taken), None);
    }

    #[test]
    fn what_looks_like_a_word_or_a_number_is_no_code() {
        for text in ["", "B", "2", "22", "B0", "B1", "I2", "O3", "BB", "B234", "2B", "B 2", "é2"] {
            assert_eq!(text.parse::<Code>(), Err(NotACode), "{text}");
        }
    }
}
