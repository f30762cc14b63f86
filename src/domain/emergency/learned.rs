//! The learned part: how similar a text is to those that people call emergencies, by its words, their neighbours and
//! parts, and the concepts that the rules find in it.
//!
//! It decides last on a single text: it takes back what the rules take for an emergency and people would not, and adds
//! emergencies for which no rule has words. `scripts/train-emergencies` makes `learned.bin` from the development half
//! of the corpus.

use super::book::{Book, CERTAIN, ENOUGH, LEARNED, OWN_NAME};
use super::data::RulesError;
use super::features::{Look, PLACES};
use super::reading::{Reading, Told};
use super::scan::{Scan, Token, flag};

/// The bias and the value of one unit of a weight, each as a little-endian `f32`; then the weights as `i16`.
pub(super) static WEIGHTS: &[u8] = include_bytes!("learned.bin");
const HEADER: usize = 8;
/// A rule that was taken back is still a hint, which another text of the window may complete.
const HINTED: i16 = ENOUGH - 1;
/// How many groups of words are given as the reason.
const MOST_REASONS: usize = 3;

/// The score needed if no rule found an emergency; `WITH_A_RULE` applies if one did, `ABOUT_LIFE` if it is about life:
/// such a rule is taken back only if the text is clearly no emergency. Chosen by leaving authors out: further down, each
/// emergency more that is seen would cost several false alarms.
const WITHOUT_A_RULE: f32 = 0.0;
/// A few words alone say little ("in the basement" answers a question), and one or two are left to the rules.
const FEW_WORDS: usize = 4;
const OF_FEW_WORDS: f32 = 1.0;
const TOO_FEW: usize = 3;
const WITH_A_RULE: f32 = -0.7;
const ABOUT_LIFE: f32 = -1.0;
/// The same for a rule about life that is certain: what was learned knows few texts in which it is not so.
const CERTAIN_OF_LIFE: f32 = -4.0;

/// Checks that these are weights as `scripts/train-emergencies` writes them: complete, and not only zeros.
pub(super) fn check(weights: &[u8]) -> Result<(), RulesError> {
    let wrong = |what: String| Err(RulesError::Weights(what));
    let needed = HEADER + 2 * PLACES;
    if weights.len() != needed {
        return wrong(format!("{} bytes instead of {needed}", weights.len()));
    }
    let (header, rest) = weights.split_at(HEADER);
    let number = |at: usize| header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(f32::from_le_bytes);
    let (bias, unit) = (number(0).unwrap_or(f32::NAN), number(4).unwrap_or(f32::NAN));
    if !bias.is_finite() || !unit.is_normal() || unit < 0.0 {
        return wrong("the bias or the unit is not a valid number".to_owned());
    }
    if rest.iter().all(|byte| *byte == 0) {
        return wrong("all weights are zero".to_owned());
    }
    Ok(())
}

/// Combines what the rules found with what was learned.
pub(super) fn judge(reading: &mut Reading, text: &str, scan: &Scan, book: &Book, trade: Option<&str>) {
    let strong = |told: &&Told| told.weight >= ENOUGH;
    if reading.told.iter().filter(strong).any(|told| told.rule == OWN_NAME) {
        return; // the business knows its own words best
    }
    let about_life = reading.told.iter().filter(strong).any(|told| told.life_safety.is_some());
    let by_rules = reading.weight() >= ENOUGH;
    if !by_rules && scan.tokens.len() < TOO_FEW {
        return;
    }
    let without_muted = !about_life && scan.tokens.iter().any(|token| token.flags & flag::MUTED != 0);
    let look = Look { text, scan, told: &reading.told, book, trade, without_muted };
    let score = look.score();
    let is_certain = |told: &Told| told.life_safety.is_some() && told.weight >= CERTAIN;
    let needed = match (by_rules, about_life) {
        (_, true) if reading.told.iter().any(is_certain) => CERTAIN_OF_LIFE,
        (_, true) => ABOUT_LIFE,
        (true, false) => WITH_A_RULE,
        (false, false) if scan.tokens.len() < FEW_WORDS => OF_FEW_WORDS,
        (false, false) => WITHOUT_A_RULE,
    };
    if by_rules && score < needed {
        take_back(&mut reading.told);
    } else if !by_rules && score >= needed {
        let words = look.reasons();
        reading.told.push(Told { rule: LEARNED.to_owned(), words, weight: ENOUGH, life_safety: None });
    }
}

/// Keeps the strongest one, as a hint that another text of the window may complete.
fn take_back(told: &mut Vec<Told>) {
    told.sort_by_key(|told| std::cmp::Reverse(told.weight));
    told.truncate(1);
    told.iter_mut().for_each(|told| told.weight = told.weight.min(HINTED));
}

impl Look<'_> {
    /// The higher, the more it resembles an emergency. Each feature counts once, and long texts count no more than
    /// short ones.
    fn score(&self) -> f32 {
        let mut seen = [0u64; PLACES / 64];
        let (mut sum, mut count) = (0i32, 0u16);
        self.features(|place, _, _| {
            let bit = 1u64 << (place % 64);
            if let Some(word) = seen.get_mut(place as usize / 64).filter(|word| **word & bit == 0) {
                *word |= bit;
                sum += i32::from(weight(place));
                count = count.saturating_add(1);
            }
        });
        header(0) + header(4) * sum as f32 / f32::from(count.max(1)).sqrt()
    }

    /// The words with the highest weights, with their neighbours if these have high weights as well.
    fn reasons(&self) -> Vec<String> {
        let mut weights = vec![0i32; self.scan.tokens.len()];
        self.features(|place, first, end| {
            let share = i32::from(weight(place)) / i32::try_from((end - first).max(1)).unwrap_or(1);
            weights.iter_mut().take(end).skip(first).for_each(|weight| *weight += share);
        });
        let mut found: Vec<(usize, usize)> = Vec::new();
        for _ in 0..MOST_REASONS {
            let free = |at: usize| !found.iter().any(|(first, end)| (*first..*end).contains(&at));
            let best = (0..weights.len()).filter(|at| free(*at)).max_by_key(|at| weights[*at]);
            let Some(at) = best.filter(|at| weights[*at] > 0) else { break };
            let weighs = |other: &usize| weights[*other] > weights[at] / 3 && free(*other);
            let first = (0..at).rev().take_while(weighs).last().unwrap_or(at);
            let last = (at + 1..weights.len()).take_while(weighs).last().unwrap_or(at);
            found.push((first, last + 1));
        }
        found.sort_unstable();
        found.into_iter().filter_map(|(first, end)| slice(self.text, &self.scan.tokens, first, end)).collect()
    }
}

fn header(at: usize) -> f32 {
    WEIGHTS.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0.0, f32::from_le_bytes)
}

#[inline]
fn weight(place: u32) -> i16 {
    let at = HEADER + 2 * place as usize;
    match WEIGHTS.get(at..at + 2) {
        Some([low, high]) => i16::from_le_bytes([*low, *high]),
        _ => 0,
    }
}

fn slice(text: &str, tokens: &[Token], first: usize, end: usize) -> Option<String> {
    let (start, stop) = (tokens.get(first)?.place.start, tokens.get(end.checked_sub(1)?)?.place.end);
    text.get(start as usize..stop as usize).map(str::to_owned)
}
