//! The phrases of the tables, compiled once, and how they are found in words.

use rustc_hash::FxHashMap;

use super::tables::LISTS;
use super::text::Word;

/// One place of a phrase: the words that match, and whether the place is optional.
#[derive(Debug)]
struct Place {
    fits: Vec<&'static str>,
    optional: bool,
}

/// A compiled phrase.
#[derive(Debug)]
pub(super) struct Phrase(Vec<Place>);

impl Phrase {
    /// Parses the notation of the tables. A list that does not exist matches nothing; a test checks for that.
    pub(super) fn new(written: &'static str) -> Self {
        Self(written.split_whitespace().map(place).collect())
    }

    /// How many words from the start it matches at most. A phrase does not continue across a comma.
    pub(super) fn length_at(&self, words: &[Word]) -> Option<usize> {
        fit(&self.0, words, 0)
    }

    /// The words that it may start with: those of its first place, and of the places that follow optional ones.
    fn first_words(&self) -> Vec<&'static str> {
        let left_out = self.0.iter().take_while(|place| place.optional).count();
        let mut words: Vec<_> = self.0.iter().take(left_out + 1).flat_map(|place| place.fits.iter().copied()).collect();
        words.sort_unstable();
        words.dedup();
        words
    }

    #[cfg(test)]
    pub(super) fn is_whole(&self) -> bool {
        !self.0.is_empty()
            && self.0.iter().all(|place| !place.fits.is_empty())
            && self.0.iter().any(|place| !place.optional)
    }
}

fn place(written: &'static str) -> Place {
    let (optional, written) = match written.strip_prefix('?') {
        Some(rest) => (true, rest),
        None => (false, written),
    };
    let mut fits = Vec::new();
    for word in written.split('/') {
        match word.strip_prefix('@') {
            Some(name) => {
                let list = LISTS.iter().find(|(list, _)| *list == name).map_or("", |(_, words)| words);
                fits.extend(list.split('/').filter(|word| !word.is_empty()));
            }
            None => fits.push(word),
        }
    }
    Place { fits, optional }
}

fn fit(places: &[Place], words: &[Word], taken: usize) -> Option<usize> {
    let Some((place, rest)) = places.split_first() else { return Some(taken) };
    let word = words.get(taken).filter(|word| taken == 0 || !word.after_comma);
    let with = word.filter(|word| place.fits.contains(&word.text.as_str())).and_then(|_| fit(rest, words, taken + 1));
    let without = if place.optional { fit(rest, words, taken) } else { None };
    with.max(without)
}

/// A list of phrases, each with a value of type `T`.
#[derive(Debug)]
pub(super) struct Phrases<T = ()> {
    all: Vec<(T, Phrase)>,
    /// Indexes by first word, in the order of the list, so that only a few of hundreds of phrases are checked per word.
    by_first_word: FxHashMap<&'static str, Vec<usize>>,
}

impl Phrases {
    pub(super) fn new(written: &'static [&'static str]) -> Self {
        Self::with(written.iter().map(|written| ((), *written)))
    }
}

impl<T> Phrases<T> {
    pub(super) fn with(written: impl IntoIterator<Item = (T, &'static str)>) -> Self {
        let all: Vec<_> = written.into_iter().map(|(what, written)| (what, Phrase::new(written))).collect();
        let mut by_first_word: FxHashMap<&'static str, Vec<usize>> = FxHashMap::default();
        for (place, (_, phrase)) in all.iter().enumerate() {
            for word in phrase.first_words() {
                by_first_word.entry(word).or_default().push(place);
            }
        }
        Self { all, by_first_word }
    }

    /// The phrases that start here, in the order of the list, with their lengths in words.
    pub(super) fn beginning<'a>(&'a self, words: &'a [Word]) -> impl Iterator<Item = (&'a T, usize)> {
        let places = words.first().and_then(|word| self.by_first_word.get(word.text.as_str()));
        places.into_iter().flatten().filter_map(|place| {
            let (what, phrase) = self.all.get(*place)?;
            Some((what, phrase.length_at(words)?))
        })
    }

    /// The length in words of the longest phrase that starts here; 0 if there is none.
    pub(super) fn length_at(&self, words: &[Word]) -> usize {
        self.beginning(words).map(|(_, length)| length).max().unwrap_or_default()
    }

    /// Whether the words start with one of the phrases.
    pub(super) fn begin(&self, words: &[Word]) -> bool {
        self.length_at(words) > 0
    }

    /// Whether one of the phrases occurs anywhere in the words.
    pub(super) fn are_in(&self, words: &[Word]) -> bool {
        (0..words.len()).any(|at| self.length_at(&words[at..]) > 0)
    }

    /// Whether the words end with one of the phrases.
    pub(super) fn end(&self, words: &[Word]) -> bool {
        (0..words.len()).any(|at| self.are(&words[at..]))
    }

    /// Whether the words are exactly one of the phrases.
    pub(super) fn are(&self, words: &[Word]) -> bool {
        self.beginning(words).any(|(_, length)| length == words.len())
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> impl Iterator<Item = &Phrase> {
        self.all.iter().map(|(_, phrase)| phrase)
    }
}
