//! Digits that only signs, or words such as `dash`, keep apart, and digits in words among them.

use super::parts::{Part, is_currency};

/// More signs than these between two groups are no part of a number.
pub(super) const MAX_SIGNS: usize = 4;

/// Digits that are written together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Group {
    pub digits: String,
    /// How many of them are words.
    pub spelled: usize,
    /// The signs before it, after the group before.
    pub gap: String,
    /// Whether a plus is directly before it.
    pub has_plus: bool,
    /// Whether a currency sign is directly before it.
    pub is_money: bool,
    /// Whether its digits are written one by one, by themselves or in words.
    pub is_joined: bool,
}

impl Group {
    /// Whether it is of single digits, so that the next of them belongs to it.
    fn is_of_single_digits(&self) -> bool {
        self.spelled > 0 || self.digits.len() == 1
    }
}

/// The groups of digits of a text, run by run: what is between two runs is no part of a number. Single digits in a row with the
/// same signs between them are one group, so that `5/4, 5/5` is not; those in words are one whatever is between them.
pub(super) fn runs(parts: &[Part]) -> Vec<Vec<Group>> {
    let mut reader = Reader::default();
    for (at, part) in parts.iter().enumerate() {
        let is_digits = |at: Option<usize>| at.and_then(|at| parts.get(at)).is_some_and(|part| part.digits().is_some());
        let is_beside_digit = is_digits(at.checked_sub(1)) || is_digits(Some(at + 1));
        match part {
            Part::Digits(digits) => reader.group(digits, 0),
            Part::Signs(signs) => reader.signs(signs),
            Part::Letters(word) if is_beside_digit && ["O", "o"].contains(&word.as_str()) => reader.group("0", 1),
            Part::Letters(word) => reader.word(&word.to_lowercase()),
            Part::Moment => reader.end(),
        }
    }
    reader.end();
    reader.runs.into_iter().map(|run| joined(&run)).collect()
}

#[derive(Default)]
struct Reader {
    runs: Vec<Vec<Group>>,
    run: Vec<Group>,
    gap: String,
    /// How often the next digit counts.
    times: Option<usize>,
}

impl Reader {
    fn group(&mut self, digits: &str, spelled: usize) {
        let times = self.times.take().filter(|_| digits.len() == 1).unwrap_or(1);
        let gap = std::mem::take(&mut self.gap);
        let has_plus = gap.ends_with('+') || gap.ends_with("+(");
        let is_money = gap.ends_with(is_currency);
        let spelled = if times > 1 { times } else { spelled };
        self.run.push(Group { digits: digits.repeat(times), spelled, gap, has_plus, is_money, is_joined: false });
    }

    fn signs(&mut self, signs: &str) {
        let last = signs.trim_end_matches('(').chars().next_back().filter(|c| *c == '+' || is_currency(*c));
        self.gap.push_str(signs);
        if self.gap.contains(is_currency) || self.gap.chars().count() > MAX_SIGNS {
            self.end();
            self.gap.extend(last);
        }
    }

    fn word(&mut self, word: &str) {
        if let Some(times) = times(word) {
            self.times = Some(times);
            return;
        }
        match word {
            word if is_spelled_sign(word) && !self.run.is_empty() => {}
            "hundred" if self.gap.chars().all(char::is_whitespace) && self.makes_hundreds() => {}
            word => match spelled_digits(word) {
                Some(digits) => self.group(&digits, digits.len()),
                None => self.end(),
            },
        }
    }

    /// `eight hundred` is 800.
    fn makes_hundreds(&mut self) -> bool {
        match self.run.last_mut() {
            Some(group) if group.digits.len() == 1 => {
                group.digits.push_str("00");
                group.spelled = 3;
                self.gap.clear();
                true
            }
            _ => false,
        }
    }

    fn end(&mut self) {
        self.gap.clear();
        self.times = None;
        if !self.run.is_empty() {
            self.runs.push(std::mem::take(&mut self.run));
        }
    }
}

fn joined(run: &[Group]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::with_capacity(run.len());
    let mut is_open = false;
    let mut gap = "";
    for group in run {
        match groups.last_mut() {
            Some(last)
                if is_open
                    && group.is_of_single_digits()
                    && !group.has_plus
                    && (!last.is_joined || last.spelled + group.spelled > 0 || group.gap == gap) =>
            {
                gap = &group.gap;
                last.digits.push_str(&group.digits);
                last.spelled += group.spelled;
                last.is_joined = true;
            }
            _ => groups.push(group.clone()),
        }
        is_open = group.is_of_single_digits();
    }
    groups
}

/// How often the digit after a word counts: `double five`.
pub(super) fn times(word: &str) -> Option<usize> {
    match word {
        "double" | "doble" => Some(2),
        "triple" | "treble" => Some(3),
        _ => None,
    }
}

/// Whether a word is a sign between digits.
pub(super) fn is_spelled_sign(word: &str) -> bool {
    ["dash", "hyphen", "guion", "guión", "dot", "punto", "space"].contains(&word)
}

/// The digits of a word that is only digits: `five`, `fivefive`.
pub(super) fn spelled_digits(word: &str) -> Option<String> {
    let mut digits = String::new();
    let mut rest = word;
    while !rest.is_empty() {
        let (after, digit) =
            DIGITS.iter().find_map(|(name, digit)| rest.strip_prefix(name).map(|after| (after, *digit)))?;
        digits.push(digit);
        rest = after;
    }
    (!digits.is_empty()).then_some(digits)
}

const DIGITS: [(&str, char); 21] = [
    ("zero", '0'),
    ("oh", '0'),
    ("cero", '0'),
    ("one", '1'),
    ("uno", '1'),
    ("two", '2'),
    ("dos", '2'),
    ("three", '3'),
    ("tres", '3'),
    ("four", '4'),
    ("cuatro", '4'),
    ("five", '5'),
    ("cinco", '5'),
    ("six", '6'),
    ("seis", '6'),
    ("seven", '7'),
    ("siete", '7'),
    ("eight", '8'),
    ("ocho", '8'),
    ("nine", '9'),
    ("nueve", '9'),
];
