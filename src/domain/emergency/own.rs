//! A business's own phrases, folded once and then searched for in every text.

use rustc_hash::FxHashMap;

use super::{book::BOOK, text};

/// Phrases a business adds to the rules, and phrases it mutes.
#[derive(Debug, Clone, Default)]
pub struct OwnPhrases {
    added: Phrases,
    muted: Phrases,
}

/// Phrases by the key of their first word, each as the keys of its words.
type Phrases = FxHashMap<u64, Vec<Box<[u64]>>>;

impl OwnPhrases {
    /// Folds the phrases in the same way as texts. An empty one is left out.
    pub fn new<A: AsRef<str>, M: AsRef<str>>(
        added: impl IntoIterator<Item = A>,
        muted: impl IntoIterator<Item = M>,
    ) -> Self {
        Self { added: phrases(added), muted: phrases(muted) }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.muted.is_empty()
    }

    /// The length in words of the longest added phrase that begins here.
    pub(super) fn added_at(&self, keys: impl Iterator<Item = u64> + Clone) -> usize {
        longest(&self.added, keys)
    }

    /// The length in words of the longest muted phrase that begins here.
    pub(super) fn muted_at(&self, keys: impl Iterator<Item = u64> + Clone) -> usize {
        longest(&self.muted, keys)
    }
}

fn longest(phrases: &Phrases, keys: impl Iterator<Item = u64> + Clone) -> usize {
    let begun = keys.clone().next().and_then(|first| phrases.get(&first));
    let met = begun.into_iter().flatten().filter(|phrase| keys.clone().take(phrase.len()).eq(phrase.iter().copied()));
    met.map(|phrase| phrase.len()).max().unwrap_or(0)
}

fn phrases<P: AsRef<str>>(written: impl IntoIterator<Item = P>) -> Phrases {
    let mut phrases = Phrases::default();
    for phrase in written {
        let mut keys = Vec::new();
        text::words(phrase.as_ref(), |word, _| keys.push(BOOK.lexicon.find(word).1));
        if let Some(first) = keys.first() {
            phrases.entry(*first).or_default().push(keys.into());
        }
    }
    phrases
}
