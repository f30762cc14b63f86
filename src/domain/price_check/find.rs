//! Finds the prices among the numbers of a text.

use super::tokens::{Form, Kind, Token, tokens};
use super::words::{
    AFTER_A_PRICE, announces_a_number, announces_a_price, is_beside_currency, is_charged_unit,
    is_charged_unit_after_slash, is_code, is_currency, is_of_an_address, is_per, joins_a_range, leads_to_a_price,
    may_be_offered, may_follow_a_price,
};

/// How many words may stand between what announces a price and its number.
const LEADING_WORDS: usize = 5;
/// Smaller numbers in words are prices only with a currency: `once` is a number in Spanish.
const LEAST_SPELLED: f64 = 20.0;

/// Larger numbers are no time of day: "we start at 8".
const LAST_HOUR: f64 = 24.0;
/// Larger numbers in words are no prices without a currency: "thanks a million".
const MOST_SPELLED: f64 = 100_000.0;
/// Marks that set off a number or its currency: `*150*`, `150 (USD)`.
const DECORATION: &[char] = &['*', '_', '"', '\u{201c}', '\u{201d}', '(', ')', '[', ']'];

/// The prices that a text names, in its order.
pub(super) fn prices(text: &str) -> Vec<f64> {
    let text = Text(tokens(text));
    let price = |at| text.number(at).filter(|_| text.is_price(at)).map(|value| value * text.scale(at));
    let mut prices: Vec<Option<f64>> = (0..text.0.len()).map(price).collect();
    for at in 0..prices.len() {
        let Some(price) = prices[at] else { continue };
        for end in text.other_ends(at).into_iter().flatten() {
            let value = text.number(end).map(|value| value * text.scale_of_other_end(at, price, value));
            prices[end] = prices[end].or(value);
        }
    }
    prices.into_iter().flatten().collect()
}

struct Text(Vec<Token>);

impl Text {
    fn number(&self, at: usize) -> Option<f64> {
        match self.0.get(at)?.kind {
            Kind::Number { value, .. } => Some(value),
            _ => None,
        }
    }

    fn word(&self, at: usize) -> Option<&str> {
        match &self.0.get(at)?.kind {
            Kind::Word { word, .. } => Some(word),
            _ => None,
        }
    }

    fn mark(&self, at: usize) -> Option<char> {
        match self.0.get(at)?.kind {
            Kind::Mark(mark) => Some(mark),
            _ => None,
        }
    }

    fn is_sign(&self, at: usize) -> bool {
        matches!(self.0.get(at), Some(Token { kind: Kind::Sign(_), .. }))
    }

    fn is_glued(&self, at: usize) -> bool {
        self.0.get(at).is_some_and(|token| token.glued)
    }

    fn is_capital(&self, at: usize) -> bool {
        matches!(self.0.get(at), Some(Token { kind: Kind::Word { capital: true, .. }, .. }))
    }

    /// Whether the token is a number that is a price by what stands beside it.
    fn is_price(&self, at: usize) -> bool {
        let Some(Token { kind: Kind::Number { value, form, to_the_cent, .. }, .. }) = self.0.get(at) else {
            return false;
        };
        if self.has_sign(at) || self.currency_after(at).is_some() || self.has_code_before(at) {
            return true;
        }
        if *form == Form::Spelled && *value < LEAST_SPELLED {
            return false;
        }
        let is_large = *value > LAST_HOUR;
        let is_named = *form == Form::Thousands
            || (*form == Form::Hundreds && *value < MOST_SPELLED)
            || (is_large && (*to_the_cent || self.is_a_sentence(at)))
            || self.is_announced(at, *value);
        self.is_per_unit(at)
            || self.is_flat(at)
            || (is_large && self.is_closed(at))
            || (is_named && self.stands_alone(at))
    }

    /// A sign between two numbers belongs to the one that it touches, and otherwise to the second.
    fn has_sign(&self, at: usize) -> bool {
        let is_negative = self.is_glued(at) && self.is_before(at, |text, sign| text.mark(sign) == Some('-'));
        let first = if is_negative { at - 1 } else { at };
        let before = first.checked_sub(1).filter(|before| self.is_sign(*before)).is_some_and(|sign| {
            let of_the_one_before = sign.checked_sub(1).is_some_and(|number| self.number(number).is_some());
            !(of_the_one_before && self.is_glued(sign) && !self.is_glued(at))
        });
        let after = self.is_sign(at + 1)
            && (self.number(at + 2).is_none() || (self.is_glued(at + 1) && !self.is_glued(at + 2)));
        before || after
    }

    fn is_before(&self, at: usize, fits: impl Fn(&Self, usize) -> bool) -> bool {
        at.checked_sub(1).is_some_and(|before| fits(self, before))
    }

    /// The place of the currency after a number.
    fn currency_after(&self, at: usize) -> Option<usize> {
        let mut place = at + 1;
        while self.mark(place).is_some_and(|mark| DECORATION.contains(&mark)) {
            place += 1;
        }
        while self.word(place).is_some_and(|word| is_beside_currency(word) && !is_currency(word))
            || (self.mark(place) == Some('.') && self.is_glued(place) && self.word(place - 1).is_some())
            || (self.mark(place) == Some('-') && self.is_glued(place) && self.is_glued(place + 1))
        {
            place += 1;
        }
        let word = self.word(place)?;
        let is_street = (place + 1..=place + 2).take_while(|after| self.is_capital(*after) || *after == place + 1);
        let is_name = self.word(place + 1).is_some_and(is_of_an_address)
            || (self.is_capital(place)
                && is_street.clone().any(|after| self.word(after).is_some_and(is_of_an_address)))
            || (matches!(word, "bucks" | "buck" | "grand") && self.is_capital(place) && self.is_capital(place + 1))
            || (word == "grand" && self.is_capital(place) && self.number(at).is_some_and(|number| number >= 100.0));
        (is_currency(word) && !is_name).then_some(place)
    }

    /// `USD 150`, `USD: 150`.
    fn has_code_before(&self, at: usize) -> bool {
        let is_between = |mark: char| matches!(mark, ':' | '-' | '=') || DECORATION.contains(&mark);
        let place = at.checked_sub(1).filter(|before| self.mark(*before).is_some_and(is_between)).unwrap_or(at);
        place.checked_sub(1).and_then(|before| self.word(before)).is_some_and(is_code)
    }

    /// `150/hr`, `150 per visit`, `150 an hour`.
    fn is_per_unit(&self, at: usize) -> bool {
        if self.mark(at + 1) == Some('/') {
            return self.word(at + 2).is_some_and(is_charged_unit_after_slash);
        }
        let (Some(per), Some(unit)) = (self.word(at + 1), self.word(at + 2)) else { return false };
        is_per(per) && if matches!(per, "per" | "por") { is_charged_unit(unit) } else { may_be_offered(unit) }
    }

    /// `150 flat`, `3.50 each`, but not `2 flat roofs`, `2 each day`.
    fn is_flat(&self, at: usize) -> bool {
        let may_end = |word: &str| matches!(word, "rate" | "fee") || may_follow_a_price(word);
        matches!(self.word(at + 1), Some("flat" | "each" | "apiece")) && self.word(at + 2).is_none_or(may_end)
    }

    /// `150 all in`, `150 + tax`, `150 cada uno`.
    fn is_closed(&self, at: usize) -> bool {
        let ends = |place: usize| self.0.get(place).is_none_or(|token| matches!(token.kind, Kind::Mark(_)));
        let is_after = |(first, then): &(&str, &[&str])| {
            self.word(at + 1) == Some(first)
                && if then.is_empty() {
                    ends(at + 2)
                } else {
                    self.word(at + 2).is_some_and(|word| then.contains(&word))
                }
        };
        let is_plus = self.mark(at + 1) == Some('+') && self.word(at + 2).is_some();
        let is_each = self.word(at + 1) == Some("cada") && self.number(at + 2) == Some(1.0);
        is_plus || is_each || AFTER_A_PRICE.iter().any(is_after)
    }

    /// Whether a number is all that a sentence says: `150.`
    fn is_a_sentence(&self, at: usize) -> bool {
        let is_end = |mark: Option<char>| matches!(mark, Some('.' | '!' | '?' | ';'));
        let begins = at == 0 || self.is_before(at, |text, before| is_end(text.mark(before)) && !text.is_glued(at));
        begins && (self.0.get(at + 1).is_none() || is_end(self.mark(at + 1)))
    }

    /// `the fee is about 150`.
    fn is_announced(&self, at: usize, value: f64) -> bool {
        let is_between = |mark: char| matches!(mark, ':' | '=' | '-');
        let before = at.checked_sub(1).filter(|before| self.mark(*before).is_some_and(is_between)).unwrap_or(at);
        // A phone number or a year is announced by the same words: "for service call 555-0150".
        let is_other = self.is_of_a_phone(at) || (self.digits(at) == 4 && (1900.0..2100.0).contains(&value));
        (before.saturating_sub(LEADING_WORDS)..before).rev().map_while(|place| self.word(place)).try_for_each(|word| {
            match word {
                word if announces_a_price(word) => Err(true),
                word if announces_a_number(word) && value > LAST_HOUR && !is_other => Err(true),
                word if leads_to_a_price(word) => Ok(()),
                _ => Err(false),
            }
        }) == Err(true)
    }

    fn digits(&self, at: usize) -> usize {
        match self.0.get(at) {
            Some(Token { kind: Kind::Number { digits, .. }, .. }) => *digits,
            _ => 0,
        }
    }

    /// `555-0150`
    fn is_of_a_phone(&self, at: usize) -> bool {
        let parts = |first: usize| {
            self.digits(first) == 3
                && self.mark(first + 1).is_some()
                && self.is_glued(first + 1)
                && self.digits(first + 2) == 4
        };
        // The area code, the first and the last part.
        parts(at + 2) || parts(at) || at.checked_sub(2).is_some_and(parts)
    }

    /// Whether nothing is counted or measured by the number, nor by the other end of its range.
    fn stands_alone(&self, at: usize) -> bool {
        let next = at + 1;
        let is_joint = self.mark(next) == Some('-') || self.word(next).is_some_and(joins_a_range);
        if is_joint && self.number(next + 1).is_some() && !self.is_price_of_its_own(next + 1) {
            return self.stands_alone(next + 1);
        }
        match self.0.get(next).map(|token| (&token.kind, token.glued)) {
            None | Some((Kind::Sign(_), _)) => true,
            Some((Kind::Word { word, .. }, glued)) => !glued && (may_follow_a_price(word) || is_currency(word)),
            Some((Kind::Mark(mark), glued)) => match mark {
                '/' | '%' | '#' | '°' | '"' | '\'' => false,
                ':' | '-' => !glued || self.number(next + 1).is_some() && *mark == '-' || self.word(next + 1).is_none(),
                _ => true,
            },
            Some((Kind::Number { .. }, _)) => false,
        }
    }

    fn is_price_of_its_own(&self, at: usize) -> bool {
        self.has_sign(at) || self.currency_after(at).is_some()
    }

    /// The numbers that are the other ends of a range with this price: `$150-200`, `between 150 and 200 dollars`.
    fn other_ends(&self, at: usize) -> [Option<usize>; 2] {
        [self.end_after(at), self.end_before(at)]
    }

    fn end_after(&self, at: usize) -> Option<usize> {
        let mut place = at + 1;
        if self.is_sign(place) {
            place += 1;
        } else if let Some(currency) = self.currency_after(at) {
            place = currency + 1;
        }
        let joint = place;
        if self.mark(place) == Some('/') && self.number(place + 1).is_some_and(|number| number > LAST_HOUR) {
            place += 1;
        }
        while self.mark(place) == Some('-') || self.word(place).is_some_and(joins_a_range) {
            place += 1;
        }
        (place > joint && self.number(place).is_some() && self.stands_alone(place)).then_some(place)
    }

    fn end_before(&self, at: usize) -> Option<usize> {
        let first = if at > 0 && self.is_sign(at - 1) { at - 1 } else { at };
        let mut place = first.checked_sub(1)?;
        if self.mark(place) == Some('-') {
            place = place.checked_sub(1)?;
        } else {
            let mut is_open = true; // "at 2 or 150 dollars" is no range, "between 100 and 150 dollars" is one
            let joint = place;
            while let Some(word) = self.word(place).filter(|word| joins_a_range(word)) {
                is_open &= !matches!(word, "to" | "through" | "thru" | "hasta");
                place = place.checked_sub(1)?;
            }
            let begins = || place.checked_sub(1).and_then(|before| self.word(before)).is_some_and(begins_a_range);
            let are_large = [place, at].iter().all(|end| self.number(*end).is_some_and(|number| number > LAST_HOUR));
            if place == joint || (is_open && !are_large && !begins()) {
                return None;
            }
        }
        self.number(place).map(|_| place)
    }

    /// What the other end of a range has to be multiplied with: in `two to three hundred dollars` the first is 200.
    fn scale_of_other_end(&self, at: usize, price: f64, other: f64) -> f64 {
        let is_spelled =
            matches!(self.0.get(at), Some(Token { kind: Kind::Number { form, .. }, .. }) if *form != Form::Digits);
        let steps = [1_000.0, 100.0];
        let unit = steps.into_iter().find(|unit| is_spelled && price % unit == 0.0 && other <= price / unit);
        unit.unwrap_or(1.0)
    }

    /// What a price has to be multiplied with.
    fn scale(&self, at: usize) -> f64 {
        let is_in_cents = matches!(self.0.get(at + 1), Some(Token { kind: Kind::Sign('¢'), .. }));
        match self.word(at + 1) {
            _ if is_in_cents => 0.01,
            Some("cents" | "cent" | "centavos") => 0.01,
            Some("grand") => 1_000.0,
            _ => 1.0,
        }
    }
}

fn begins_a_range(word: &str) -> bool {
    matches!(word, "between" | "from" | "either" | "entre" | "de" | "desde")
}
