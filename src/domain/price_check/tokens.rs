//! Cuts a text into numbers, words, currency signs and marks; numbers in words become numbers.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::words::{Numeral, numeral, some};
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
        /// How many digits it is written with before its point.
        digits: usize,
        /// Whether it has a point and two digits after it.
        to_the_cent: bool,
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
    /// `ninety-five`, `one fifty`
    Spelled,
    /// `one hundred fifty`, `2 mil`, `a grand`
    Hundreds,
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
        } else if let Some((number, length)) = number(rest, is_money(tokens.last())) {
            (Some(number), length)
        } else if c.is_alphabetic() {
            let length = word_length(rest);
            let word = rest[..length].iter().map(straight).flat_map(char::to_lowercase).collect();
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

/// The length of the word at the start, with what an apostrophe has joined to it: `that'll`.
fn word_length(chars: &[char]) -> usize {
    let letters = |from: usize| chars.iter().skip(from).take_while(|c| c.is_alphabetic()).count();
    let first = letters(0);
    let joined = chars.get(first).filter(|c| straight(c) == '\'').map_or(0, |_| letters(first + 1));
    if joined > 0 { first + 1 + joined } else { first }
}

fn straight(c: &char) -> char {
    if *c == '\u{2019}' { '\'' } else { *c }
}

/// Whether a number that follows is one of money.
fn is_money(before: Option<&Token>) -> bool {
    matches!(before, Some(Token { kind: Kind::Sign(_), .. }))
}

fn is_currency_sign(c: char) -> bool {
    matches!(c, '$' | '¢' | '£' | '¤' | '¥' | '\u{20a0}'..='\u{20c0}' | '\u{1f4b0}' | '\u{1f4b2}' | '\u{1f4b4}'..='\u{1f4b8}')
}

fn is_dash(c: char) -> bool {
    matches!(c, '-' | '~' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

/// The number at the start, its form, and its length. A last group of three digits counts as thousands: `1.350`, `1,350`
/// and `1'350`; `1 350`, too, if it is money.
fn number(chars: &[char], is_money: bool) -> Option<(Kind, usize)> {
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
    let is_letter = |at: usize| chars.get(at).is_some_and(|c| c.is_alphabetic());
    let times = match chars.get(length) {
        Some('k' | 'K') if !is_letter(length + 1) => 1_000.0,
        Some('m' | 'M') if is_money && !is_letter(length + 1) => 1_000_000.0,
        _ => 1.0,
    };
    let (form, letters) = if times > 1.0 { (Form::Thousands, 1) } else { (Form::Digits, 0) };
    let to_the_cent = point.is_some_and(|at| length - at == 3);
    let digits = digits[..point.unwrap_or(length)].iter().filter(|c| c.is_ascii_digit()).count();
    Some((Kind::Number { value: value * times, form, digits, to_the_cent }, length + letters))
}

/// Joins numbers in words, also those that begin with digits: `one hundred fifty`, `2 mil`.
fn join_numerals(tokens: &[Token]) -> Vec<Token> {
    let mut joined = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match spelled_number(&tokens[at..]) {
            Some((value, form, length)) => {
                let kind = Kind::Number { value, form, digits: 0, to_the_cent: false };
                joined.push(Token { kind, glued: token.glued });
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
fn spelled_number(tokens: &[Token]) -> Option<(f64, Form, usize)> {
    let mut sum = Sum::default();
    let mut length = 0;
    if is_a_grand(tokens) {
        return Some((1_000.0, Form::Hundreds, 2));
    }
    if let Some(Token { kind: Kind::Number { value, .. }, .. }) = tokens.first() {
        // Digits begin a number in words only if a word multiplies them.
        matches!(numeral_at(tokens, 1), Some(Numeral::Times(_))).then_some(())?;
        sum = Sum { part: *value, ..Sum::default() };
        length = 1;
    } else if let Some((value, taken)) = some_hundreds(tokens) {
        sum = Sum { part: value, ..Sum::default() };
        length = taken;
    }
    loop {
        let joint = usize::from(length > 0 && is_joint(tokens.get(length), &sum));
        let next = length + joint;
        let Some(numeral) = numeral_at(tokens, next) else { break };
        if length == 0 && is_unspecific(tokens) {
            break;
        }
        // "one hundred and two hundred" are two numbers.
        let begins_another = joint == 1
            && !is_hyphen(tokens.get(length))
            && matches!(numeral_at(tokens, next + 1), Some(Numeral::Times(times)) if times >= sum.last_times);
        if begins_another || !sum.take(&numeral, length == 0) {
            break;
        }
        length = next + 1;
    }
    let form = if sum.last_times > 0.0 { Form::Hundreds } else { Form::Spelled };
    (length > 0).then_some((sum.done + sum.part, form, length))
}

/// `a couple of hundred`, `a few thousand`: what is multiplied, and the number of its tokens.
fn some_hundreds(tokens: &[Token]) -> Option<(f64, usize)> {
    let value = match &tokens.first()?.kind {
        Kind::Word { word, .. } => some(word)?,
        _ => return None,
    };
    let of = matches!(tokens.get(1), Some(Token { kind: Kind::Word { word, .. }, .. }) if word == "of");
    let length = 1 + usize::from(of);
    matches!(numeral_at(tokens, length), Some(Numeral::Times(_))).then_some((value, length))
}

/// `a grand`, but not `a grand opening`.
fn is_a_grand(tokens: &[Token]) -> bool {
    let is = |at: usize, said: &str| matches!(tokens.get(at), Some(Token { kind: Kind::Word { word, capital: false }, .. }) if word == said);
    let is_last = !matches!(tokens.get(2), Some(Token { kind: Kind::Word { word, .. }, .. }) if word == "total");
    is(0, "a") && is(1, "grand") && is_last
}

/// `hundreds of customers`, and a `K` without a number
fn is_unspecific(tokens: &[Token]) -> bool {
    matches!(&tokens[0].kind, Kind::Word { word, .. } if matches!(word.as_str(), "hundreds" | "thousands" | "millones" | "k"))
}

fn is_hyphen(token: Option<&Token>) -> bool {
    matches!(token, Some(Token { kind: Kind::Mark('-'), glued: true }))
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
        token if is_hyphen(token) => true,
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
