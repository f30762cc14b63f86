//! Groups of digits that a reader takes for a phone number, whatever signs are between them.

use super::groups::Group;

/// The digits of a phone number in North America without the 1 of the country.
const NANP_DIGITS: usize = 10;
/// The most digits of a phone number.
const MAX_DIGITS: usize = 15;
/// From this number of digits on, what follows a plus is a phone number.
const MIN_DIGITS: usize = 8;
/// From this number of digits in words on, any run of digits is looked at.
const SPELLED_DIGITS: usize = 3;
/// The shortest phone number that has words among its digits.
const LOCAL_DIGITS: usize = 7;

/// How people in the region of a number write its digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Notation {
    /// In North America: 3, 3 and 4 digits, maybe after a 1.
    Nanp,
    /// Elsewhere: groups of these sizes.
    Groups(Vec<usize>),
}

impl Notation {
    /// What of a run of groups may be a phone number without a country code.
    pub(super) fn candidates(&self, run: &[Group]) -> Vec<String> {
        let mut found: Vec<String> = (0..run.len()).flat_map(|from| self.candidates_at(run, from)).collect();
        if run.iter().map(|group| group.spelled).sum::<usize>() >= SPELLED_DIGITS
            && (LOCAL_DIGITS..=MAX_DIGITS).contains(&digits(run).len())
        {
            found.push(digits(run));
        }
        found
    }

    fn candidates_at(&self, run: &[Group], from: usize) -> Vec<String> {
        let mut found = Vec::new();
        let mut length = 0;
        for (at, group) in run.iter().enumerate().skip(from) {
            length += group.digits.len();
            if length > MAX_DIGITS {
                break;
            }
            let Some(window) = run.get(from..=at) else { break };
            let is_whole =
                (from == 0 || !run.get(from).is_some_and(is_tight)) && !run.get(at + 1).is_some_and(is_tight);
            let candidate = match self {
                Self::Nanp => nanp(window).or_else(|| local(window).filter(|_| is_whole)),
                Self::Groups(sizes) => elsewhere(window, sizes, is_whole),
            };
            found.extend(candidate);
        }
        found
    }
}

/// What may be numbers with a country code, longest last, for each plus or prefix of calls abroad in a run.
pub(super) fn international(run: &[Group]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (at, group) in run.iter().enumerate() {
        let is_prefix = group.digits == "011" || (group.digits == "00" && at == 0);
        let from = if group.has_plus { at } else { at + 1 };
        if !(group.has_plus || is_prefix) {
            continue;
        }
        let mut number = String::from("+");
        let mut candidates = Vec::new();
        for group in run.iter().skip(from) {
            number.push_str(&group.digits);
            if number.len() > MAX_DIGITS + 1 {
                break;
            }
            if number.len() > MIN_DIGITS {
                candidates.push(number.clone());
            }
        }
        found.push(candidates);
    }
    found
}

/// Digits one by one that are more than a number: each ten of them in a row.
pub(super) fn within_row(group: &Group) -> Vec<String> {
    let is_row = group.is_joined && group.digits.len() > NANP_DIGITS;
    let from = |at: usize| group.digits.get(at..at + NANP_DIGITS).map(str::to_owned);
    if is_row { (0..group.digits.len()).filter_map(from).collect() } else { Vec::new() }
}

/// A number of North America without the 1.
fn nanp(window: &[Group]) -> Option<String> {
    let all = digits(window);
    let mut sizes: Vec<usize> = window.iter().map(|group| group.digits.len()).collect();
    let number = match all.strip_prefix('1') {
        Some(number) if number.len() == NANP_DIGITS => {
            if let Some(first) = sizes.first_mut() {
                *first -= 1;
            }
            sizes.retain(|size| *size > 0);
            number
        }
        _ => all.as_str(),
    };
    // Area codes, and what follows them, begin with 2 to 9.
    let is_dialled =
        number.len() == NANP_DIGITS && number.bytes().step_by(3).take(2).all(|first| (b'2'..=b'9').contains(&first));
    // $250, 300, 1200
    let is_of_prices = window.first().is_some_and(|group| group.is_money)
        && window.iter().skip(1).all(|group| group.gap.contains(',') && !group.digits.starts_with('0'));
    let has_words = window.iter().any(|group| group.spelled > 0);
    let is_grouped = match sizes.as_slice() {
        [10] | [3, 3, 4] => true,
        [3, 7] | [6, 4] => window.iter().skip(1).all(is_tight),
        _ => false,
    };
    (is_dialled && !(is_of_prices && window.len() > 1) && (is_grouped || has_words)).then(|| number.to_owned())
}

/// A number without its area, if signs without a blank are between its groups.
fn local(window: &[Group]) -> Option<String> {
    let [exchange, line] = window else { return None };
    let is_number = exchange.digits.len() == 3 && line.digits.len() == 4 && exchange.digits.as_str() >= "200";
    (is_number && is_tight(line) && line.gap != "/").then(|| digits(window))
}

/// A number in groups as people there write them, or in others with the same sign between all.
fn elsewhere(window: &[Group], sizes: &[usize], is_whole: bool) -> Option<String> {
    let is_grouped = window.len() > 1 && window.iter().map(|group| group.digits.len()).eq(sizes.iter().copied());
    let gap = &window.get(1)?.gap;
    let is_uniform = window.iter().skip(1).all(|group| is_tight(group) && group.gap == *gap);
    let has_length = digits(window).len() == sizes.iter().sum::<usize>();
    // 1,250,000,000 is a count.
    let is_count = [",", ".", "'"].contains(&gap.as_str());
    (is_grouped || (is_whole && is_uniform && has_length && !is_count)).then(|| digits(window))
}

fn digits(groups: &[Group]) -> String {
    groups.iter().map(|group| group.digits.as_str()).collect()
}

/// Whether no blank is between a group and the one before.
fn is_tight(group: &Group) -> bool {
    !group.gap.contains(char::is_whitespace)
}
