//! Phrases of the tables, compiled once, and found in words.

use super::tables::LISTS;
use super::text::Word;

/// One place of a phrase: the words that fit, and whether it may be left out.
#[derive(Debug)]
struct Place {
    fits: Vec<&'static str>,
    optional: bool,
}

/// A phrase.
#[derive(Debug)]
pub(super) struct Phrase(Vec<Place>);

impl Phrase {
    /// Reads the notation of the tables. A list that is not there fits nothing; a test looks for that.
    pub(super) fn new(written: &'static str) -> Self {
        Self(written.split_whitespace().map(place).collect())
    }

    /// How many of these words it is at most, from the first on. Nobody makes a phrase across a comma.
    pub(super) fn length_at(&self, words: &[Word]) -> Option<usize> {
        fit(&self.0, words, 0)
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

/// A list of phrases.
#[derive(Debug)]
pub(super) struct Phrases(Vec<Phrase>);

impl Phrases {
    pub(super) fn new(written: &'static [&'static str]) -> Self {
        Self(written.iter().map(|written| Phrase::new(written)).collect())
    }

    /// How many words the longest of them is that begins here; 0 where none does.
    pub(super) fn length_at(&self, words: &[Word]) -> usize {
        self.0.iter().filter_map(|phrase| phrase.length_at(words)).max().unwrap_or_default()
    }

    /// Whether the words begin with one of them.
    pub(super) fn begin(&self, words: &[Word]) -> bool {
        self.length_at(words) > 0
    }

    /// Whether one of them stands anywhere in the words.
    pub(super) fn are_in(&self, words: &[Word]) -> bool {
        (0..words.len()).any(|at| self.length_at(&words[at..]) > 0)
    }

    /// Whether one of them stands right at the end of the words.
    pub(super) fn end(&self, words: &[Word]) -> bool {
        (0..words.len()).any(|at| self.0.iter().any(|phrase| phrase.length_at(&words[at..]) == Some(words.len() - at)))
    }

    /// Whether the words are one of them and nothing else.
    pub(super) fn are(&self, words: &[Word]) -> bool {
        !words.is_empty() && self.0.iter().any(|phrase| phrase.length_at(words) == Some(words.len()))
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> &[Phrase] {
        &self.0
    }
}
