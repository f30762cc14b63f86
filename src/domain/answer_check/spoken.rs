//! Phone numbers of North America as people say them: `four fifteen, five fifty-five, twelve twelve`.
//!
//! Digits one by one are [`super::groups`]. Here are those with a teen, a ten or hundreds among them. Prices, times and
//! addresses are said like this, too, so only ten digits without another word between them count, if they are grouped like
//! a phone number, or in pairs.

use super::groups::{MAX_SIGNS, is_spelled_sign, spelled_digits, times};
use super::parts::{Part, is_currency};
use super::units::is_unit_of_range;

const NANP_DIGITS: usize = 10;

/// A number that is said at once.
#[derive(Debug, Clone)]
struct Chunk {
    digits: String,
    kind: Kind,
    /// Whether only a blank or a hyphen is between it and the one before.
    is_close: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Digits, by themselves or in words.
    Digits,
    Teen,
    /// `fifty`, which a digit may follow.
    Ten,
    /// `fifty-five`
    TenAndDigit,
    /// `eight hundred`, which more may follow.
    Hundreds,
}

impl Chunk {
    fn value(&self) -> u32 {
        self.digits.parse().unwrap_or(u32::MAX)
    }
}

/// The ten digits of each such number.
pub(super) fn numbers(parts: &[Part]) -> Vec<String> {
    let runs = runs(parts);
    runs.iter()
        .flat_map(|run| [numbers_in(run), numbers_in(&Run { chunks: with_hundreds(&run.chunks), ..*run })].concat())
        .collect()
}

/// What is said without another word between.
#[derive(Debug, Default)]
struct Run {
    chunks: Vec<Chunk>,
    /// Whether a unit follows, such as dollars.
    is_counted: bool,
}

fn numbers_in(run: &Run) -> Vec<String> {
    let chunks = &run.chunks;
    let is_list = chunks.iter().skip(1).any(|chunk| !chunk.is_close);
    // A number is no half of an item: in `two thirty, three thirty, four thirty` there are times only.
    let may_begin = |at: usize| at == 0 || !is_list || chunks.get(at).is_none_or(|chunk| !chunk.is_close);
    (0..chunks.len())
        .filter(|from| may_begin(*from))
        .filter_map(|from| {
            let (number, length) = number_at(run, chunks.get(from..)?)?;
            may_begin(from + length).then_some(number)
        })
        .collect()
}

/// The number with which the chunks begin, and how many of them it is.
fn number_at(run: &Run, chunks: &[Chunk]) -> Option<(String, usize)> {
    let mut digits = String::new();
    let mut ends = Vec::new();
    for chunk in chunks {
        digits.push_str(&chunk.digits);
        ends.push(digits.len());
        if digits.len() >= NANP_DIGITS {
            break;
        }
    }
    let said = chunks.get(..ends.len())?;
    let is_grouped = ends.contains(&3) && ends.contains(&6) && !is_list_of_times(&digits);
    let is_in_pairs = said.iter().all(|chunk| chunk.digits.len() == 2) && !is_rising(said);
    let is_dialled =
        digits.len() == NANP_DIGITS && digits.bytes().step_by(3).take(2).all(|first| (b'2'..=b'9').contains(&first));
    let is_said = said.iter().any(|chunk| chunk.kind != Kind::Digits);
    let is_counted = run.is_counted && said.len() == chunks.len();
    (is_dialled && is_said && (is_grouped || is_in_pairs) && !is_counted).then_some((digits, said.len()))
}

/// `eight thirty, nine thirty, ten thirty`: quarters of hours, one after the other.
fn is_list_of_times(digits: &str) -> bool {
    let times = [digits.get(..3), digits.get(3..6), digits.get(6..)];
    let times: Vec<u32> = times.into_iter().flatten().filter_map(|time| time.parse().ok()).collect();
    let is_quarter = |time: &u32| (100..1300).contains(time) && [0, 15, 30, 45].contains(&(time % 100));
    times.len() == 3 && times.iter().all(is_quarter) && times.is_sorted()
}

/// `thirty, forty, fifty`: a list of sizes.
fn is_rising(chunks: &[Chunk]) -> bool {
    chunks.windows(2).all(|pair| matches!(pair, [one, next] if one.value() < next.value()))
}

fn runs(parts: &[Part]) -> Vec<Run> {
    let mut reader = Reader::default();
    for part in parts {
        match part {
            Part::Digits(digits) => reader.push(digits.clone(), Kind::Digits),
            Part::Signs(signs) => reader.signs(signs),
            Part::Letters(word) => reader.word(&word.to_lowercase()),
            Part::Moment => reader.end(),
        }
    }
    reader.end();
    reader.runs
}

#[derive(Default)]
struct Reader {
    runs: Vec<Run>,
    run: Run,
    gap: String,
    /// How often the next digit counts.
    times: Option<usize>,
    /// Whether `and` or `y` is before what follows.
    has_and: bool,
}

impl Reader {
    fn push(&mut self, digits: String, kind: Kind) {
        let gap = std::mem::take(&mut self.gap);
        let has_and = std::mem::take(&mut self.has_and);
        let times = self.times.take().filter(|_| digits.len() == 1).unwrap_or(1);
        let is_close = gap.trim().is_empty() || gap == "-";
        let last = self.run.chunks.last_mut();
        match last {
            // fifty-five, cincuenta y cinco
            Some(last)
                if last.kind == Kind::Ten && kind == Kind::Digits && is_close && digits.len() == 1 && digits != "0" =>
            {
                last.digits.truncate(1);
                last.digits.push_str(&digits);
                last.kind = Kind::TenAndDigit;
                return;
            }
            Some(last) if has_and && last.kind != Kind::Hundreds => self.end(),
            _ => {}
        }
        self.run.chunks.push(Chunk { digits: digits.repeat(times), kind, is_close });
    }

    fn signs(&mut self, signs: &str) {
        self.gap.push_str(signs);
        if self.gap.contains(is_currency) || self.gap.chars().count() > MAX_SIGNS {
            self.end();
        }
    }

    fn word(&mut self, word: &str) {
        if let Some(times) = times(word) {
            self.times = Some(times);
            return;
        }
        match (word, self.run.chunks.last_mut()) {
            (word, Some(_)) if is_spelled_sign(word) => {}
            ("and" | "y", Some(Chunk { kind: Kind::Ten | Kind::Hundreds, .. })) => {
                self.has_and = true;
                self.gap.clear();
            }
            ("hundred", Some(last)) if last.kind == Kind::Digits && last.digits.len() == 1 => {
                last.digits.push_str("00");
                last.kind = Kind::Hundreds;
                self.gap.clear();
            }
            _ => match said(word) {
                Some((digits, kind)) => self.push(digits, kind),
                None => {
                    self.run.is_counted =
                        !self.run.chunks.is_empty() && self.gap.trim().is_empty() && is_unit_of_range(word);
                    self.end();
                }
            },
        }
    }

    fn end(&mut self) {
        self.gap.clear();
        (self.times, self.has_and) = (None, false);
        if !self.run.chunks.is_empty() {
            self.runs.push(std::mem::take(&mut self.run));
        }
    }
}

/// The chunks with hundreds and what is below them as one: `four hundred fifteen`, `cuatrocientos quince`.
fn with_hundreds(chunks: &[Chunk]) -> Vec<Chunk> {
    let mut joined: Vec<Chunk> = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        match joined.last_mut() {
            Some(last) if last.kind == Kind::Hundreds && chunk.is_close && (1..100).contains(&chunk.value()) => {
                last.digits = (last.value() + chunk.value()).to_string();
                last.kind = Kind::TenAndDigit;
            }
            _ => joined.push(chunk.clone()),
        }
    }
    joined
}

/// What a word says.
fn said(word: &str) -> Option<(String, Kind)> {
    let find =
        |words: &[(&str, &str)]| words.iter().find(|(name, _)| *name == word).map(|(_, said)| (*said).to_owned());
    if let Some(digits) = spelled_digits(word) {
        return Some((digits, Kind::Digits));
    }
    if let Some(digits) = find(&TEENS) {
        return Some((digits, Kind::Teen));
    }
    if let Some(digits) = find(&HUNDREDS) {
        return Some((digits, Kind::Hundreds));
    }
    let (after, ten) = TENS.iter().find_map(|(name, ten)| Some((word.strip_prefix(name)?, *ten)))?;
    match (after, spelled_digits(after)) {
        ("", _) => Some((format!("{ten}0"), Kind::Ten)),
        (_, Some(digit)) if digit.len() == 1 && digit != "0" => Some((format!("{ten}{digit}"), Kind::TenAndDigit)),
        _ => None,
    }
}

const TENS: [(&str, char); 16] = [
    ("twenty", '2'),
    ("veinte", '2'),
    ("thirty", '3'),
    ("treinta", '3'),
    ("forty", '4'),
    ("cuarenta", '4'),
    ("fifty", '5'),
    ("cincuenta", '5'),
    ("sixty", '6'),
    ("sesenta", '6'),
    ("seventy", '7'),
    ("setenta", '7'),
    ("eighty", '8'),
    ("ochenta", '8'),
    ("ninety", '9'),
    ("noventa", '9'),
];

const TEENS: [(&str, &str); 34] = [
    ("ten", "10"),
    ("diez", "10"),
    ("eleven", "11"),
    ("once", "11"),
    ("twelve", "12"),
    ("doce", "12"),
    ("thirteen", "13"),
    ("trece", "13"),
    ("fourteen", "14"),
    ("catorce", "14"),
    ("fifteen", "15"),
    ("quince", "15"),
    ("sixteen", "16"),
    ("dieciséis", "16"),
    ("dieciseis", "16"),
    ("seventeen", "17"),
    ("diecisiete", "17"),
    ("eighteen", "18"),
    ("dieciocho", "18"),
    ("nineteen", "19"),
    ("diecinueve", "19"),
    ("veintiuno", "21"),
    ("veintiún", "21"),
    ("veintidós", "22"),
    ("veintidos", "22"),
    ("veintitrés", "23"),
    ("veintitres", "23"),
    ("veinticuatro", "24"),
    ("veinticinco", "25"),
    ("veintiséis", "26"),
    ("veintiseis", "26"),
    ("veintisiete", "27"),
    ("veintiocho", "28"),
    ("veintinueve", "29"),
];

const HUNDREDS: [(&str, &str); 10] = [
    ("cien", "100"),
    ("ciento", "100"),
    ("doscientos", "200"),
    ("trescientos", "300"),
    ("cuatrocientos", "400"),
    ("quinientos", "500"),
    ("seiscientos", "600"),
    ("setecientos", "700"),
    ("ochocientos", "800"),
    ("novecientos", "900"),
];
