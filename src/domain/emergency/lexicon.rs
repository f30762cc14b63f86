//! Every word that the rules know, and what it may mean: one look-up per word.
//!
//! An unknown word is tried as a longer form of a stem, then as a known word with one typing error.

use rustc_hash::FxHashMap;

use super::{spelling::Spelling, text::Folded};

/// What a word means.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Entry {
    singles: (u32, u32),
    atoms: (u32, u32),
    starts: (u32, u32),
    /// One of 128 bits for each of its atoms: quickly excludes what it does not fit.
    signature: u128,
    pub(super) language: WordLanguage,
}

/// The language that a word indicates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum WordLanguage {
    /// Both, or none.
    #[default]
    Either,
    English,
    Spanish,
}

/// What the compiled rules say about a word.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash)]
pub(super) struct Meaning {
    pub(super) singles: Vec<u16>,
    pub(super) atoms: Vec<u16>,
    pub(super) starts: Vec<Start>,
}

/// The beginning of a phrase: its number, and what must follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Start {
    pub(super) phrase: u32,
    /// How many words may be skipped before the second, and what the second is.
    pub(super) skip: u8,
    pub(super) second: u16,
}

/// The bit of an atom in a signature.
#[inline]
pub(super) fn bit(atom: u16) -> u128 {
    1 << (atom % 128)
}

/// The number of an entry. The first entry is the one of unknown words.
pub(super) type EntryId = u32;

/// All words.
#[derive(Debug, Default)]
pub(super) struct Lexicon {
    words: FxHashMap<u64, EntryId>,
    stems: FxHashMap<u64, EntryId>,
    spelling: Spelling,
    numbers: [EntryId; 7],
    entries: Vec<Entry>,
    singles: Vec<u16>,
    atoms: Vec<u16>,
    starts: Vec<Start>,
}

const NUMBERS: [&str; 7] = ["#cold", "#mild", "#hot", "#n", "#coldf", "#hotf", "#clock"];
const MONEY: usize = 3;

impl Lexicon {
    pub(super) fn new() -> Self {
        Self { entries: vec![Entry::default()], ..Self::default() }
    }

    /// Adds a word; `fuzzy` if its misspellings count as well.
    pub(super) fn add_word(&mut self, word: &str, meaning: Meaning, language: WordLanguage, fuzzy: bool) {
        let folded = Folded::of(word.as_bytes());
        let entry = self.entry(meaning, language);
        if let Some(slot) = NUMBERS.iter().position(|number| *number == word) {
            self.numbers[slot] = entry;
        }
        self.words.insert(folded.key(), entry);
        if fuzzy {
            self.spelling.add(word, entry);
        }
    }

    pub(super) fn add_stem(&mut self, stem: &str, meaning: Meaning, language: WordLanguage) {
        let entry = self.entry(meaning, language);
        self.stems.insert(Folded::of(stem.as_bytes()).key(), entry);
    }

    fn entry(&mut self, meaning: Meaning, language: WordLanguage) -> EntryId {
        let signature = meaning.atoms.iter().fold(0, |signature, atom| signature | bit(*atom));
        let entry = Entry {
            signature,
            singles: pooled(&mut self.singles, meaning.singles),
            atoms: pooled(&mut self.atoms, meaning.atoms),
            starts: pooled(&mut self.starts, meaning.starts),
            language,
        };
        self.entries.push(entry);
        (self.entries.len() - 1) as EntryId
    }

    /// Finds a word, and the key under which it is known.
    #[inline]
    pub(super) fn find(&self, word: &Folded) -> (EntryId, u64) {
        let key = word.key();
        match self.words.get(&key) {
            Some(entry) if !word.money => (*entry, key),
            _ => self.guess(word, key),
        }
    }

    fn guess(&self, word: &Folded, key: u64) -> (EntryId, u64) {
        let bytes = word.bytes();
        if bytes.first().is_some_and(u8::is_ascii_digit) {
            return (self.numbers[if word.money { MONEY } else { number(bytes, word.minus) }], key);
        }
        if word.stretched {
            let shrunk = [word.shrunk(2), word.shrunk(1)];
            let known = shrunk.iter().find_map(|word| Some((*self.words.get(&word.key())?, word.key())));
            return known.unwrap_or_else(|| self.guess(&shrunk[1], shrunk[1].key()));
        }
        if !bytes.is_ascii() || bytes.len() < 4 {
            return (0, key);
        }
        if bytes.ends_with(b"in") {
            // "leakin", "smokin"
            let whole = word.with(b"g");
            if let Some(entry) = self.words.get(&whole) {
                return (*entry, whole);
            }
        }
        if let Some(entry) = word.beginnings().find_map(|stem| self.stems.get(&stem)) {
            return (*entry, key);
        }
        self.spelling.find(bytes).map_or((0, key), |entry| (entry, key))
    }

    #[inline]
    pub(super) fn language(&self, entry: EntryId) -> WordLanguage {
        self.entries.get(entry as usize).map_or(WordLanguage::Either, |entry| entry.language)
    }

    /// The concepts that list the word.
    #[inline]
    pub(super) fn singles(&self, entry: EntryId) -> &[u16] {
        self.slice(&self.singles, entry, |entry| entry.singles)
    }

    /// The phrases that may begin with it.
    #[inline]
    pub(super) fn starts(&self, entry: EntryId) -> &[Start] {
        self.slice(&self.starts, entry, |entry| entry.starts)
    }

    #[inline]
    pub(super) fn signature(&self, entry: EntryId) -> u128 {
        self.entries.get(entry as usize).map_or(0, |entry| entry.signature)
    }

    /// Whether it fits a place in a phrase.
    #[inline]
    pub(super) fn fits(&self, entry: EntryId, atom: u16) -> bool {
        self.slice(&self.atoms, entry, |entry| entry.atoms).contains(&atom)
    }

    #[inline]
    fn slice<'a, T>(&self, pool: &'a [T], entry: EntryId, range: impl Fn(&Entry) -> (u32, u32)) -> &'a [T] {
        let (start, end) = self.entries.get(entry as usize).map_or((0, 0), range);
        pool.get(start as usize..end as usize).unwrap_or_default()
    }
}

fn pooled<T>(pool: &mut Vec<T>, some: Vec<T>) -> (u32, u32) {
    let start = pool.len() as u32;
    pool.extend(some);
    (start, pool.len() as u32)
}

/// The kind of a number: for example cold, mild or hot degrees, or a time of day.
fn number(bytes: &[u8], minus: bool) -> usize {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let (digits, unit) = bytes.split_at(digits);
    let whole = digits.split(|byte| *byte == b'.').next().unwrap_or_default();
    let value = whole.iter().take(5).fold(0u32, |value, byte| value * 10 + u32::from(byte - b'0'));
    let degrees = matches!(unit, b"f" | b"deg" | b"degrees" | b"degree" | b"grados");
    match value {
        _ if matches!(unit, b"am" | b"pm" | b"a" | b"p") => 6,
        _ if !unit.is_empty() && !degrees => 3,
        _ if minus && degrees => 4,
        0..=45 => {
            if degrees {
                4
            } else {
                0
            }
        }
        46..=82 => 1,
        83..=130 => {
            if degrees {
                5
            } else {
                2
            }
        }
        _ => 3,
    }
}
