//! Cuts a text into digits, letters and signs, and takes out what is a date, a time or a range of prices.

use super::shown;
use super::units::is_unit_of_range;
use unicode_normalization::char::is_combining_mark;

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// ASCII digits.
    Digits(String),
    Letters(String),
    /// Anything else, all dashes as hyphens; of equal signs in a row only one, and of blanks too.
    Signs(String),
    /// A date, a time or a range of prices: it has digits, but none of a phone number.
    Moment,
}

impl Part {
    pub(super) fn digits(&self) -> Option<&str> {
        if let Self::Digits(digits) = self { Some(digits) } else { None }
    }

    pub(super) fn letters(&self) -> Option<&str> {
        if let Self::Letters(letters) = self { Some(letters) } else { None }
    }

    /// The signs, if it is some; nothing, if it is something else.
    pub(super) fn signs(&self) -> &str {
        if let Self::Signs(signs) = self { signs } else { "" }
    }
}

/// The parts of a text as a phone would show it. Marks on digits, such as keycaps, do not count.
pub(super) fn parts(text: &str) -> Vec<Part> {
    without_moments(&cut(text))
}

/// Whether a sign says that a number is money.
pub(super) fn is_currency(c: char) -> bool {
    matches!(c, '$' | '¢' | '£' | '¤' | '¥' | '\u{20A0}'..='\u{20C0}' | '%')
}

fn cut(text: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for c in shown(text).chars().filter(|c| !is_combining_mark(*c)) {
        let sign = match c {
            '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => '\n',
            c if c.is_whitespace() => ' ',
            '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
            c => c,
        };
        match parts.last_mut() {
            Some(Part::Digits(digits)) if c.is_ascii_digit() => digits.push(c),
            Some(Part::Letters(letters)) if c.is_alphanumeric() && !c.is_ascii_digit() => letters.push(c),
            Some(Part::Signs(signs)) if !c.is_alphanumeric() => {
                if !signs.ends_with(sign) {
                    signs.push(sign);
                }
            }
            _ if c.is_ascii_digit() => parts.push(Part::Digits(c.to_string())),
            _ if c.is_alphanumeric() => parts.push(Part::Letters(c.to_string())),
            _ => parts.push(Part::Signs(sign.to_string())),
        }
    }
    parts
}

fn without_moments(parts: &[Part]) -> Vec<Part> {
    let mut rest = Vec::with_capacity(parts.len());
    let mut at = 0;
    while let Some(part) = parts.get(at) {
        let length = if is_within_number(&rest) { 0 } else { moment(&parts[at..], &rest) };
        if length > 0 {
            rest.push(Part::Moment);
        } else {
            rest.push(part.clone());
        }
        at += length.max(1);
    }
    rest
}

/// Whether what follows may still belong to a number: `+44 12-05-2026`, or `415-`.
fn is_within_number(before: &[Part]) -> bool {
    match before {
        [.., Part::Signs(plus)] if plus.ends_with('+') => true,
        [.., Part::Signs(plus), Part::Digits(_), Part::Signs(_)] if plus.ends_with('+') => true,
        [Part::Digits(digits), Part::Signs(tight)] | [.., Part::Digits(digits), Part::Signs(tight)] => {
            digits.len() >= 3 && is_tight(tight)
        }
        _ => false,
    }
}

/// The number of parts of a date, a time or a range of prices at the beginning.
fn moment(parts: &[Part], before: &[Part]) -> usize {
    [date(parts), time(parts), prices(parts, before)].into_iter().flatten().next().unwrap_or(0)
}

/// `12/05/26`, `31-12-2026`, `2026.12.05`. Any three numbers between slashes are like a date, `24/7/365` for one.
fn date(parts: &[Part]) -> Option<usize> {
    let [
        Part::Digits(first),
        Part::Signs(sign),
        Part::Digits(second),
        Part::Signs(other),
        Part::Digits(third),
        rest @ ..,
    ] = parts
    else {
        return None;
    };
    let is = |text: &str, most: u32| text.len() <= 2 && text.parse().is_ok_and(|n: u32| (1..=most).contains(&n));
    let is_year = |text: &str| text.len() == 4 && (text.starts_with("19") || text.starts_with("20"));
    let is_day = |first, second| (is(first, 12) && is(second, 31)) || (is(first, 31) && is(second, 12));
    let is_slashed = sign == "/" && first.len() <= 2 && second.len() <= 2 && (2..=4).contains(&third.len());
    let is_date = ["/", "-", "."].contains(&sign.as_str())
        && ((is_day(first, second) && (is_year(third) || third.len() == 2))
            || (is_year(first) && is(second, 12) && is(third, 31)));
    (sign == other && (is_slashed || is_date) && !goes_on(rest)).then_some(5)
}

/// `9:00`, `10:30:00`
fn time(parts: &[Part]) -> Option<usize> {
    let after_hour = match parts {
        [Part::Digits(hour), rest @ ..] if hour.len() <= 2 && hour.parse().is_ok_and(|hour: u32| hour <= 24) => rest,
        _ => return None,
    };
    let after_minute = after_colon(after_hour)?;
    let (rest, length) = after_colon(after_minute).map_or((after_minute, 3), |rest| (rest, 5));
    (!goes_on(rest)).then_some(length)
}

/// What follows `:30`.
fn after_colon(parts: &[Part]) -> Option<&[Part]> {
    match parts {
        [Part::Signs(colon), Part::Digits(minute), rest @ ..]
            if colon == ":" && minute.len() == 2 && minute.as_str() < "60" =>
        {
            Some(rest)
        }
        _ => None,
    }
}

/// Whether a number goes on here, which a time or a date does not do: with a sign, and digits that begin no time.
fn goes_on(rest: &[Part]) -> bool {
    match rest {
        [Part::Signs(sign), after @ ..] if is_tight(sign) => {
            let digits = after.first().and_then(Part::digits).map_or(0, str::len);
            sign.starts_with('+')
                || (digits >= 3 || (digits > 0 && sign != "-"))
                || (digits == 2 && {
                    // 9:00-10:30, 9:00-17, but not 21:25-55-1212
                    let next = after.get(1).map_or("", Part::signs);
                    next != ":" && is_tight(next) && after.get(2).and_then(Part::digits).is_some()
                })
        }
        _ => false,
    }
}

/// Whether signs keep together what is around them.
fn is_tight(signs: &str) -> bool {
    !signs.is_empty() && !signs.contains(|c: char| c.is_whitespace() || ",;".contains(c))
}

/// `$850-1200` and `850-1200 dollars`, which the guard of prices judges, and `300-1000 gallon`.
fn prices(parts: &[Part], before: &[Part]) -> Option<usize> {
    let [Part::Digits(low), Part::Signs(dash), Part::Digits(high), rest @ ..] = parts else { return None };
    let is_price = |text: &str| text.len() <= 4 && !text.starts_with('0');
    let has_sign = before.last().is_some_and(|part| part.signs().ends_with(is_currency));
    let has_word = matches!(rest, [Part::Signs(gap), Part::Letters(word), ..]
        if [" ", "-"].contains(&gap.as_str()) && is_unit_of_range(word));
    let is_range = dash.trim() == "-" && is_price(low) && is_price(high);
    let is_rising = (low.len(), low) < (high.len(), high);
    let is_end = !matches!(rest, [Part::Signs(_), Part::Digits(_), ..]);
    // 1-800-GALLONS
    let is_dialled = low == "1" && high.len() == 3;
    (is_range && !is_dialled && is_rising && is_end && (has_sign || has_word)).then_some(3)
}
