//! Known words with one typing error: a letter left out, added, swapped with its neighbour or replaced by another.
//!
//! Each word is filed under itself and under itself without each of its letters. A misspelling is looked up in the same
//! way, as it is and without each of its own letters; then it is checked that the two differ by one error.

use rustc_hash::FxHashMap;

use super::text::Folded;

/// A word with fewer letters is too similar to others.
const SHORTEST: usize = 5;

/// The words whose misspellings are recognized.
#[derive(Debug, Default)]
pub(super) struct Spelling {
    filed: FxHashMap<u64, Vec<u32>>,
    words: Vec<(Box<[u8]>, u32)>,
}

impl Spelling {
    pub(super) fn add(&mut self, word: &str, entry: u32) {
        let bytes = word.as_bytes();
        if bytes.len() < SHORTEST || !bytes.iter().all(u8::is_ascii_lowercase) {
            return;
        }
        let number = self.words.len() as u32;
        self.words.push((bytes.into(), entry));
        for key in filed_under(bytes) {
            let under = self.filed.entry(key).or_default();
            if !under.contains(&number) {
                under.push(number);
            }
        }
    }

    /// The entry of the first known word that differs by one error.
    pub(super) fn find(&self, typed: &[u8]) -> Option<u32> {
        if typed.len() < SHORTEST || !typed.iter().all(u8::is_ascii_lowercase) {
            return None;
        }
        filed_under(typed).filter_map(|key| self.filed.get(&key)).flatten().find_map(|number| {
            let (word, entry) = self.words.get(*number as usize)?;
            // The first letter must agree: it is hardly ever mistyped, and "light" is not "fight".
            (word.first() == typed.first() && one_slip(typed, word)).then_some(*entry)
        })
    }
}

fn filed_under(word: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let less = (1..word.len()).map(|left_out| {
        let mut less = Folded::of(&word[..left_out]);
        less.extend(&word[left_out + 1..]);
        less.key()
    });
    std::iter::once(Folded::of(word).key()).chain(less)
}

fn one_slip(a: &[u8], b: &[u8]) -> bool {
    let same = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[same..], &b[same..]);
    match (a, b) {
        ([], []) => true,
        ([x, p, rest @ ..], [y, q, other @ ..]) if a.len() == b.len() => {
            [*p].iter().chain(rest).eq([*q].iter().chain(other)) || (x == q && y == p && rest == other)
        }
        ([_, rest @ ..], [_, other @ ..]) if a.len() == b.len() => rest == other,
        ([_, rest @ ..], b) if a.len() == b.len() + 1 => rest == b,
        (a, [_, other @ ..]) if a.len() + 1 == b.len() => a == other,
        _ => false,
    }
}
