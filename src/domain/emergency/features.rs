//! The features of the learned part: words, their neighbours and parts, the concepts of the rules, and what the text
//! looks like as a whole.

use super::book::{Book, ENOUGH};
use super::reading::Told;
use super::scan::{Scan, Token, flag};

/// How many weights there are; a feature's place is its hash.
pub(super) const PLACES: usize = 1 << 18;

/// The kind of a feature, so that equal words in another kind are another feature.
mod kind {
    pub(super) const WORD: u64 = 1;
    pub(super) const PAIR: u64 = 2;
    pub(super) const APART: u64 = 3;
    pub(super) const PART: u64 = 4;
    pub(super) const CONCEPT: u64 = 5;
    pub(super) const CONCEPTS: u64 = 6;
    pub(super) const TRADE: u64 = 7;
    pub(super) const TRIPLE: u64 = 8;
    pub(super) const LENGTH: u64 = 9;
    pub(super) const TOLD: u64 = 10;
    pub(super) const IN_SENTENCE: u64 = 11;
    pub(super) const WORD_OF_TRADE: u64 = 12;
    pub(super) const AT_AN_END: u64 = 13;
    pub(super) const CONCEPT_OF_TRADE: u64 = 14;
    pub(super) const BESIDE_CONCEPT: u64 = 15;
    pub(super) const SIGN: u64 = 16;
    pub(super) const CAPITALS: u64 = 17;
    pub(super) const SENTENCES: u64 = 18;
}

/// Where a word is: in the first or the last of several sentences, at the beginning or the end of the text. Many texts
/// begin with a greeting or an old story and tell last what is happening now.
const FIRST: u64 = 0;
const LAST: u64 = 1;

#[inline]
fn mix(kind: u64, a: u64, b: u64) -> u32 {
    let mut hash = kind.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ a;
    hash = (hash ^ (hash >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93) ^ b.rotate_left(29);
    hash = (hash ^ (hash >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    (hash >> 40) as u32 & (PLACES as u32 - 1)
}

/// A text and what is known about it.
pub(super) struct Look<'a> {
    pub(super) text: &'a str,
    pub(super) scan: &'a Scan,
    pub(super) told: &'a [Told],
    pub(super) book: &'a Book,
    pub(super) trade: Option<&'a str>,
    pub(super) without_muted: bool,
}

impl Look<'_> {
    /// Calls `each` with the place of every feature and the range of words that it covers.
    pub(super) fn features(&self, mut each: impl FnMut(u32, usize, usize)) {
        let trade = self.trade.map(name_key);
        self.words(trade, &mut each);
        self.concepts(trade, &mut each);
        self.whole(trade, &mut each);
    }

    fn counts(&self, token: &Token) -> bool {
        !self.without_muted || token.flags & flag::MUTED == 0
    }

    /// The word at a position, unless it is muted.
    fn word(&self, at: usize) -> Option<&Token> {
        self.scan.tokens.get(at).filter(|token| self.counts(token))
    }

    fn words(&self, trade: Option<u64>, each: &mut impl FnMut(u32, usize, usize)) {
        let tokens = &self.scan.tokens;
        let last_sentence = tokens.last().map_or(0, |token| token.sentence);
        for (at, token) in tokens.iter().enumerate().filter(|(_, token)| self.counts(token)) {
            let end = |n: usize| (at + n).min(tokens.len());
            each(mix(kind::WORD, token.key, 0), at, end(1));
            if let Some(trade) = trade {
                each(mix(kind::WORD_OF_TRADE, token.key, trade), at, end(1));
            }
            if let Some(next) = self.word(at + 1) {
                each(mix(kind::PAIR, token.key, next.key), at, end(2));
            }
            if let Some(next) = self.word(at + 2) {
                each(mix(kind::APART, token.key, next.key), at, end(3));
                each(mix(kind::TRIPLE, token.key ^ tokens[at + 1].key.rotate_left(17), next.key), at, end(3));
            }
            if last_sentence > 0 && token.sentence == 0 {
                each(mix(kind::IN_SENTENCE, token.key, FIRST), at, end(1));
            }
            if last_sentence > 0 && token.sentence == last_sentence {
                each(mix(kind::IN_SENTENCE, token.key, LAST), at, end(1));
            }
            if at == 0 {
                each(mix(kind::AT_AN_END, token.key, FIRST), at, end(1));
            }
            if at + 1 == tokens.len() {
                each(mix(kind::AT_AN_END, token.key, LAST), at, end(1));
            }
            self.parts(token, |place| each(place, at, end(1)));
        }
    }

    /// Four and five letters in a row, with the beginning and the end of the word.
    fn parts(&self, token: &Token, mut each: impl FnMut(u32)) {
        let word = self.text.get(token.place.start as usize..token.place.end as usize).unwrap_or_default().as_bytes();
        let letters = word.iter().take(24).map(u8::to_ascii_lowercase);
        let mut window = [0u8; 8];
        for (n, byte) in [b'^'].into_iter().chain(letters).chain([b'$']).enumerate() {
            window.rotate_left(1);
            window[7] = byte;
            let of = |len: usize| u64::from_le_bytes(window) >> (8 * (8 - len));
            if n >= 3 {
                each(mix(kind::PART, of(4), 4));
            }
            if n >= 4 {
                each(mix(kind::PART, of(5), 5));
            }
        }
    }

    fn concepts(&self, trade: Option<u64>, each: &mut impl FnMut(u32, usize, usize)) {
        let mut seen = [0u64; 24];
        let mut count = 0;
        for hit in self.scan.hits.iter().filter(|hit| !self.without_muted || !hit.muted) {
            let Some(concept) = self.book.concepts.get(usize::from(hit.concept)) else { continue };
            let (name, first, end) = (concept.key, hit.first as usize, hit.last() as usize + 1);
            each(mix(kind::CONCEPT, name, u64::from(hit.alive)), first, end);
            if !hit.alive {
                continue;
            }
            if let Some(trade) = trade {
                each(mix(kind::CONCEPT_OF_TRADE, name, trade), first, end);
            }
            if let Some(next) = self.word(end) {
                each(mix(kind::BESIDE_CONCEPT, name, next.key), first, end);
            }
            if let Some(previous) = first.checked_sub(1).and_then(|at| self.word(at)) {
                each(mix(kind::BESIDE_CONCEPT, previous.key, name), first, end);
            }
            if count < seen.len() && !seen[..count].contains(&name) {
                for other in &seen[..count] {
                    each(mix(kind::CONCEPTS, name.min(*other), name.max(*other)), first, end);
                }
                seen[count] = name;
                count += 1;
            }
        }
    }

    /// What belongs to no word: the rules that matched, the trade, the length, and how it is written.
    fn whole(&self, trade: Option<u64>, each: &mut impl FnMut(u32, usize, usize)) {
        for told in self.told {
            each(mix(kind::TOLD, name_key(&told.rule), u64::from(told.weight >= ENOUGH)), 0, 0);
        }
        if let Some(trade) = trade {
            each(mix(kind::TRADE, trade, 0), 0, 0);
        }
        let length = u64::from(usize::BITS - self.scan.tokens.len().leading_zeros());
        each(mix(kind::LENGTH, length, 0), 0, 0);
        const MOST_SENTENCES: u32 = 6;
        let sentences = self.scan.tokens.last().map_or(0, |token| token.sentence).min(MOST_SENTENCES);
        each(mix(kind::SENTENCES, u64::from(sentences), 0), 0, 0);
        self.signs(each);
    }

    /// Marks that say how something is meant (a question, a price, a quotation), once or more often, and capitals.
    fn signs(&self, each: &mut impl FnMut(u32, usize, usize)) {
        const SIGNS: [u8; 5] = *b"?!$\":";
        let (mut signs, mut letters, mut capitals) = ([0u64; SIGNS.len()], 0usize, 0usize);
        for byte in self.text.bytes() {
            letters += usize::from(byte.is_ascii_alphabetic());
            capitals += usize::from(byte.is_ascii_uppercase());
            if let Some(count) = SIGNS.iter().position(|sign| *sign == byte).and_then(|at| signs.get_mut(at)) {
                *count = (*count + 1).min(2);
            }
        }
        for (sign, count) in SIGNS.into_iter().zip(signs).filter(|(_, count)| *count > 0) {
            each(mix(kind::SIGN, u64::from(sign), count), 0, 0);
        }
        if capitals > letters / 2 {
            each(mix(kind::CAPITALS, 0, 0), 0, 0);
        }
    }
}

/// The key under which a concept, a rule or a trade is a feature.
pub(super) fn name_key(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
