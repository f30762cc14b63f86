//! Finds the concepts in a text, from single words and from phrases.

use super::{
    bits::Bits,
    book::{Book, OWN},
    data::Role,
    lexicon::{EntryId, WordLanguage, bit},
    own::OwnPhrases,
    text::{self, Gap, Place},
};

/// What was found out about a word.
pub(super) mod flag {
    pub(crate) const DENIED: u16 = 1;
    pub(crate) const OVER: u16 = 2;
    pub(crate) const SUPPOSED: u16 = 4;
    pub(crate) const ELSEWHERE: u16 = 8;
    pub(crate) const NOW: u16 = 16;
    /// Begins a new clause.
    pub(crate) const BREAK: u16 = 64;
    /// Covered by a muted phrase of the business.
    pub(crate) const MUTED: u16 = 128;
    /// After a statement that something cannot be done, or was not.
    pub(crate) const UNABLE: u16 = 512;
    /// Continues although something was done about it.
    pub(crate) const STILL: u16 = 1024;
    /// What follows is the supposition: no new clause begins right after it.
    pub(crate) const SUPPOSES: u16 = 256;
}

/// A word of the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) place: Place,
    pub(super) key: u64,
    pub(super) entry: EntryId,
    pub(super) flags: u16,
    /// The number of words in the product or idiom that covers this one.
    pub(super) cover: u8,
    /// The number of words in the longest phrase that includes this one; a shorter canceller does not count by itself.
    pub(super) phrase: u8,
    /// The same, for the phrases of cancellers only.
    pub(super) canceller: u8,
    pub(super) clause: u32,
    pub(super) sentence: u32,
}

/// A concept at its place in the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hit {
    pub(super) concept: u16,
    pub(super) first: u32,
    /// Which words belong to it: one bit for each, counted from the first.
    pub(super) words: u32,
    pub(super) alive: bool,
    /// Neither over, supposed nor elsewhere; a circumstance may count without this.
    pub(super) told: bool,
    pub(super) muted: bool,
}

impl Hit {
    pub(super) fn last(&self) -> u32 {
        self.first + self.words.checked_ilog2().unwrap_or(0)
    }

    pub(super) fn tokens(self) -> impl Iterator<Item = usize> {
        let mut left = self.words;
        std::iter::from_fn(move || {
            let at = left.trailing_zeros();
            left &= left.wrapping_sub(1);
            (at < u32::BITS).then_some((self.first + at) as usize)
        })
    }
}

/// A scanned text.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) tokens: Vec<Token>,
    pub(super) hits: Vec<Hit>,
    /// All concepts that count.
    pub(super) alive: Bits,
    pub(super) english: u16,
    pub(super) spanish: u16,
    pub(super) clause_flags: Vec<u16>,
    pub(super) sentence_flags: Vec<u16>,
    pub(super) text_flags: u16,
}

impl Scan {
    pub(super) fn of(text: &str, book: &Book, own: &OwnPhrases) -> Self {
        let mut scan = Self { tokens: Vec::with_capacity(text.len() / 4 + 1), ..Self::default() };
        scan.cut(text, book);
        scan.hits.reserve(scan.tokens.len() + 8);
        scan.find_phrases(book);
        if !own.is_empty() {
            scan.find_own(own);
        }
        scan.cover(book);
        scan.part(book);
        scan.reach(book);
        scan.resolve(book);
        scan
    }

    fn cut(&mut self, text: &str, book: &Book) {
        let tokens = &mut self.tokens;
        let (mut english, mut spanish) = (0, 0);
        text::words(text, |word, place| {
            let (entry, key) = book.lexicon.find(word);
            match book.lexicon.language(entry) {
                WordLanguage::English => english += 1,
                WordLanguage::Spanish => spanish += 1,
                WordLanguage::Either => {}
            }
            tokens.push(Token {
                place,
                key,
                entry,
                flags: 0,
                cover: 0,
                phrase: 0,
                canceller: 0,
                clause: 0,
                sentence: 0,
            });
        });
        (self.english, self.spanish) = (english, spanish);
    }

    fn find_phrases(&mut self, book: &Book) {
        let signatures: Vec<u128> = self.tokens.iter().map(|token| book.lexicon.signature(token.entry)).collect();
        for at in 0..self.tokens.len() {
            let entry = self.tokens[at].entry;
            if entry == 0 {
                continue;
            }
            let first = at as u32;
            let hit = |concept, words| Hit { concept, first, words, alive: false, told: false, muted: false };
            for concept in book.lexicon.singles(entry) {
                self.hits.push(hit(*concept, 1));
            }
            let starts = book.lexicon.starts(entry);
            let next = if starts.is_empty() { [0; 8] } else { together(signatures.get(at + 1..).unwrap_or_default()) };
            for start in starts {
                // Most phrases are ruled out here, because the next words do not fit.
                let may_follow = next.get(usize::from(start.skip)).copied().unwrap_or(u128::MAX);
                if may_follow & bit(start.second) != 0
                    && let Some(phrase) = book.phrases.get(start.phrase as usize)
                    && let Some(words) = self.fits(book, &phrase.rest, at + 1, 1, 1)
                {
                    let new = hit(phrase.concept, words);
                    let variant =
                        |last: &Hit| (last.concept, last.first, last.words) == (new.concept, new.first, new.words);
                    if !self.hits.last().is_some_and(variant) {
                        self.hits.push(new);
                    }
                }
            }
        }
    }

    /// Matches the rest of a phrase from `at` on; returns its words.
    fn fits(&self, book: &Book, rest: &[(u8, u16)], at: usize, offset: u32, words: u32) -> Option<u32> {
        let Some(((skip, atom), rest)) = rest.split_first() else {
            return Some(words);
        };
        for skipped in 0..=usize::from(*skip) {
            let token = self.tokens.get(at + skipped)?;
            let wall = if *skip > 0 { Gap::Comma } else { Gap::Stop };
            if token.place.gap >= wall {
                return None;
            }
            if book.lexicon.fits(token.entry, *atom) {
                let offset = offset + skipped as u32;
                let words = words | 1u32.checked_shl(offset).unwrap_or(0);
                if let Some(words) = self.fits(book, rest, at + skipped + 1, offset + 1, words) {
                    return Some(words);
                }
            }
        }
        None
    }

    fn find_own(&mut self, own: &OwnPhrases) {
        for at in 0..self.tokens.len() {
            let keys = || self.tokens.get(at..).unwrap_or_default().iter().map(|token| token.key);
            let added = own.added_at(keys());
            let muted = own.muted_at(keys());
            if added > 0 {
                let words = u32::MAX >> (u32::BITS - added.min(32) as u32);
                self.hits.push(Hit { concept: OWN, first: at as u32, words, alive: false, told: false, muted: false });
            }
            self.tokens.iter_mut().skip(at).take(muted).for_each(|token| token.flags |= flag::MUTED);
        }
    }

    /// Whether a word of the text stands for the concept, and not only the trade.
    pub(super) fn told_by_words(&self, concept: u16) -> bool {
        self.hits.iter().any(|hit| hit.concept == concept)
    }

    /// Whether the text says after a hit that it still continues.
    pub(super) fn goes_on_after(&self, hit: Hit) -> bool {
        let clause = self.tokens[hit.first as usize].clause as usize;
        self.clause_flags.iter().skip(clause).any(|flags| flags & flag::STILL != 0)
    }
}

/// What the next words together fit: the first, the first two, the first three and so on.
#[inline]
fn together(next: &[u128]) -> [u128; 8] {
    let mut all = 0;
    let mut together = [0; 8];
    for (at, slot) in together.iter_mut().enumerate() {
        all |= next.get(at).copied().unwrap_or(0);
        *slot = all;
    }
    together
}

pub(super) fn role(book: &Book, concept: u16) -> Role {
    book.roles.get(usize::from(concept)).copied().unwrap_or_default()
}
