//! A small set of concepts.

use std::ops::{BitOr, BitOrAssign};

/// The maximum number of concepts.
pub(super) const CONCEPTS: usize = 384;
const WORDS: usize = CONCEPTS / 64;

/// A set of concepts by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Bits([u64; WORDS]);

impl Bits {
    #[inline]
    pub(super) fn add(&mut self, concept: u16) {
        if let Some(word) = self.0.get_mut(usize::from(concept) / 64) {
            *word |= 1 << (concept % 64);
        }
    }

    #[inline]
    pub(super) fn has(&self, concept: u16) -> bool {
        self.0.get(usize::from(concept) / 64).is_some_and(|word| word & (1 << (concept % 64)) != 0)
    }
}

impl BitOr for Bits {
    type Output = Self;
    fn bitor(mut self, other: Self) -> Self {
        self |= other;
        self
    }
}

impl BitOrAssign for Bits {
    fn bitor_assign(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a |= b);
    }
}

impl FromIterator<u16> for Bits {
    fn from_iter<T: IntoIterator<Item = u16>>(concepts: T) -> Self {
        let mut bits = Self::default();
        concepts.into_iter().for_each(|concept| bits.add(concept));
        bits
    }
}
