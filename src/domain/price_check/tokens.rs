//! Cuts a text into numbers, words, currency signs and marks; numbers in words become numbers.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::words::{Numeral, numeral};
use crate::domain::invisible::is_invisible;

/// A part of a text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub kind: Kind,
    /// Whether nothing separates it from the token before.
    pub glued: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Number {
        value: f64,
        form: Form,
    },
    Word {
        /// In lower case, without diacritics.
        word: String,
        /// Whether it begins with a capital letter.
        capital: bool,
    },
    /// A currency sign.
    Sign(char),
    /// Another character.
    Mark(char),
}

/// How a number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `150`
    Digits,
    /// `3k`
    Thousands,
    /// `one hundred fifty`, `2 mil`
    Spelled,
}

/// The tokens of a text. Full-width and other compatible characters count as the plain ones.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.nfkd().filter(|c| !is_combining_mark(*c) && !is_invisible(*c)).collect();
    let mut tokens: Vec<Token> = Vec::new();
    let (mut at, mut glued) = (0, false);
    while let Some(c) = chars.get(at).copied() {
        let rest = &chars[at..];
        let (kind, length) = if c.is_whitespace() {
            (None, 1)
        } else if let Some((value, form, length)) = number(rest, is_money(tokens.last())) {
            (Some(Kind::Number { value, form }), length)
        } else if c.is_alphabetic() {
            let length = rest.iter().take_while(|c| c.is_alphabetic()).count();
            let word = rest[..length].iter().flat_map(|c| c.to_lowercase()).collect();
            (Some(Kind::Word { word, capital: c.is_uppercase() }), length)
        } else if is_currency_sign(c) {
            (Some(Kind::Sign(c)), 1)
        } else {
            (Some(Kind::Mark(if is_dash(c) { '-' } else { c })), 1)
        };
        let is_gap = kind.is_none();
        tokens.extend(kind.map(|kind| Token { kind, glued }));
        glued = !is_gap;
        at += length;
    }
    join_numerals(&tokens)
}

/// Whether a number that follows is one of money.
fn is_money(before: Option<&Token>) -> bool {
    matches!(before, Some(Token { kind: Kind::Sign(_), .. }))
}

fn is_currency_sign(c: char) -> bool {
    matches!(c, '$' | '¢' | '£' | '¤' | '¥' | '\u{20a0}'..='\u{20c0}')
}

fn is_dash(c: char) -> bool {
    matches!(c, '-' | '~' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

/// The number at the start, its form, and its length. A last group of three digits counts as thousands: `1.350`, `1,350`
/// and `1'350`; `1 350`, too, if it is money.
fn number(chars: &[char], is_money: bool) -> Option<(f64, Form, usize)> {
    let is_digit = |at: usize| chars.get(at).is_some_and(char::is_ascii_digit);
    let are_three = |at: usize| (at..at + 3).all(is_digit) && !is_digit(at + 3);
    let separates = |at: usize| match chars.get(at) {
        Some('.' | ',') => is_digit(at + 1),
        Some('\'' | '\u{2019}') => are_three(at + 1),
        Some(c) => is_money && c.is_whitespace() && are_three(at + 1),
        None => false,
    };
    if !(is_digit(0) || (matches!(chars.first(), Some('.' | ',')) && is_digit(1))) {
        return None;
    }
    let mut length = 0;
    while is_digit(length) || separates(length) {
        length += 1;
    }
    let digits = &chars[..length];
    let point = digits.iter().rposition(|c| !c.is_ascii_digit()).filter(|at| *at == 0 || length - at != 4);
    let plain: String = digits
        .iter()
        .enumerate()
        .filter_map(|(at, c)| if Some(at) == point { Some('.') } else { c.is_ascii_digit().then_some(*c) })
        .collect();
    let value: f64 = format!("0{plain}").parse().ok()?;
    let is_thousands =
        matches!(chars.get(length), Some('k' | 'K')) && !chars.get(length + 1).is_some_and(|c| c.is_alphabetic());
    Some(if is_thousands { (value * 1_000.0, Form::Thousands, length + 1) } else { (value, Form::Digits, length) })
}

/// Joins numbers in words, also those that begin with digits: `one hundred fifty`, `2 mil`.
fn join_numerals(tokens: &[Token]) -> Vec<Token> {
    let mut joined = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match spelled_number(&tokens[at..]) {
            Some((value, length)) => {
                joined.push(Token { kind: Kind::Number { value, form: Form::Spelled }, glued: token.glued });
                at += length;
            }
            None => {
                joined.push(token.clone());
                at += 1;
            }
        }
    }
    joined
}

/// The number in words at the start, and the number of its tokens.
fn spelled_number(tokens: &[Token]) -> Option<(f64, usize)> {
    let mut sum = Sum::default();
    let mut length = 0;
    if let Some(Token { kind: Kind::Number { value, .. }, .. }) = tokens.first() {
        // Digits begin a number in words only if a word multiplies them.
        matches!(numeral_at(tokens, 1), Some(Numeral::Times(_))).then_some(())?;
        sum = Sum { part: *value, ..Sum::default() };
        length = 1;
    }
    loop {
        let joint = usize::from(length > 0 && is_joint(tokens.get(length), &sum));
        let next = length + joint;
        let Some(numeral) = numeral_at(tokens, next) else { break };
        // "one hundred and two hundred" are two numbers.
        let begins_another = joint == 1
            && matches!(numeral_at(tokens, next + 1), Some(Numeral::Times(times)) if times >= sum.last_times);
        if begins_another || !sum.take(&numeral, length == 0) {
            break;
        }
        length = next + 1;
    }
    (length > 0).then_some((sum.done + sum.part, length))
}

fn numeral_at(tokens: &[Token], at: usize) -> Option<Numeral> {
    match &tokens.get(at)?.kind {
        Kind::Word { word, .. } => numeral(word),
        _ => None,
    }
}

/// What may stand within a number: the hyphen of `twenty-five`, and `and` or `y`.
fn is_joint(token: Option<&Token>, sum: &Sum) -> bool {
    match token {
        Some(Token { kind: Kind::Mark('-'), glued: true }) => true,
        Some(Token { kind: Kind::Word { word, .. }, .. }) => {
            (word == "and" && sum.last_times > 0.0) || (word == "y" && (30.0..100.0).contains(&(sum.part % 100.0)))
        }
        _ => false,
    }
}

/// A number in words, as far as it has been read.
#[derive(Default)]
struct Sum {
    /// The finished thousands.
    done: f64,
    /// What is below.
    part: f64,
    last_times: f64,
}

impl Sum {
    /// Takes another numeral, if it continues the number.
    fn take(&mut self, numeral: &Numeral, is_first: bool) -> bool {
        match *numeral {
            Numeral::Add(value) if is_first || (self.part == 0.0 && self.done > 0.0) => self.part = value,
            Numeral::Add(value) => {
                let below = self.part % 100.0;
                if (20.0..100.0).contains(&below) && value < 10.0 || below == 0.0 && value < 100.0 {
                    self.part += value;
                } else if self.part < 10.0 && self.last_times == 0.0 && (10.0..100.0).contains(&value) {
                    self.part = self.part * 100.0 + value; // "one fifty"
                } else {
                    return false;
                }
            }
            Numeral::Times(times) if times >= 1_000.0 => {
                self.done += self.part.max(1.0) * times;
                (self.part, self.last_times) = (0.0, times);
            }
            Numeral::Times(times) => {
                self.part = self.part.max(1.0) * times;
                self.last_times = times;
            }
        }
        true
    }
}
