//! The features of the learned part: words, their neighbours and parts, and the concepts of the rules.

use super::book::{Book, ENOUGH};
use super::reading::Told;
use super::scan::{Scan, Token, flag};

/// How many weights there are; a feature's place is its hash.
pub(super) const PLACES: usize = 1 << 16;

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
}

#[inline]
fn mix(kind: u64, a: u64, b: u64) -> u32 {
    let mut hash = kind.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ a;
    hash = (hash ^ (hash >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93) ^ b.rotate_left(29);
    hash = (hash ^ (hash >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    (hash >> 40) as u32 & (PLACES as u32 - 1)
}

/// Calls `each` with the place of every feature and the range of words that it covers.
pub(super) fn features(
    text: &str,
    scan: &Scan,
    told: &[Told],
    book: &Book,
    trade: Option<&str>,
    without_muted: bool,
    mut each: impl FnMut(u32, usize, usize),
) {
    let tokens = &scan.tokens;
    let counts = |token: &&Token| !without_muted || token.flags & flag::MUTED == 0;
    for (at, token) in tokens.iter().enumerate().filter(|(_, token)| counts(token)) {
        let end = |n: usize| (at + n).min(tokens.len());
        each(mix(kind::WORD, token.key, 0), at, end(1));
        if let Some(next) = tokens.get(at + 1).filter(counts) {
            each(mix(kind::PAIR, token.key, next.key), at, end(2));
        }
        if let Some(next) = tokens.get(at + 2).filter(counts) {
            each(mix(kind::APART, token.key, next.key), at, end(3));
            each(mix(kind::TRIPLE, token.key ^ tokens[at + 1].key.rotate_left(17), next.key), at, end(3));
        }
        let word = text.get(token.place.start as usize..token.place.end as usize).unwrap_or_default().as_bytes();
        let mut window = [0u8; 8];
        for (n, byte) in
            [b'^'].into_iter().chain(word.iter().take(24).map(u8::to_ascii_lowercase)).chain([b'$']).enumerate()
        {
            window.rotate_left(1);
            window[7] = byte;
            let of = |len: usize| u64::from_le_bytes(window) >> (8 * (8 - len));
            if n >= 3 {
                each(mix(kind::PART, of(4), 4), at, end(1));
            }
            if n >= 4 {
                each(mix(kind::PART, of(5), 5), at, end(1));
            }
        }
    }
    let mut seen = [0u64; 24];
    let mut count = 0;
    for hit in scan.hits.iter().filter(|hit| !without_muted || !hit.muted) {
        let Some(concept) = book.concepts.get(usize::from(hit.concept)) else { continue };
        let name = name_key(&concept.name);
        each(mix(kind::CONCEPT, name, u64::from(hit.alive)), hit.first as usize, hit.last() as usize + 1);
        if hit.alive && count < seen.len() && !seen[..count].contains(&name) {
            for other in &seen[..count] {
                each(
                    mix(kind::CONCEPTS, name.min(*other), name.max(*other)),
                    hit.first as usize,
                    hit.last() as usize + 1,
                );
            }
            seen[count] = name;
            count += 1;
        }
    }
    for told in told {
        each(mix(kind::TOLD, name_key(&told.rule), u64::from(told.weight >= ENOUGH)), 0, 0);
    }
    if let Some(trade) = trade {
        each(mix(kind::TRADE, name_key(trade), 0), 0, 0);
    }
    let length = (usize::BITS - tokens.len().leading_zeros()) as u64;
    each(mix(kind::LENGTH, length, 0), 0, 0);
}

fn name_key(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
