//! Combines the word lists of all concepts: which words and stems there are, and what each means.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    book::{Book, Phrase},
    data::{ConceptData, KnownWords, RulesError},
    lexicon::{Lexicon, Meaning, Start, WordLanguage},
    notation::{self, Pattern, Slot},
    text,
};

/// The words of all lists while they are being combined.
#[derive(Default)]
pub(super) struct Words {
    exact: HashMap<String, Meaning>,
    stems: HashMap<String, Meaning>,
    languages: HashMap<String, BTreeSet<bool>>,
    atoms: HashMap<Vec<Pattern>, u16>,
    phrases: Vec<Phrase>,
    starts: HashMap<u16, Vec<Start>>,
}

/// The endings with which English and Spanish stems are completed, so that misspellings of the forms are found.
const ENDINGS: [&[&str]; 2] = [&["", "s", "ed", "ing"], &["", "a", "o", "as", "ando", "endo", "ado", "ada"]];

impl Words {
    pub(super) fn of(book: &Book, concepts: &BTreeMap<String, ConceptData>) -> Result<Self, RulesError> {
        let mut lists: BTreeMap<&str, Vec<(bool, Vec<Slot>)>> = BTreeMap::new();
        for (name, data) in concepts {
            for (spanish, field, list) in [(false, "en", &data.en), (true, "es", &data.es)] {
                let place = || format!("concept `{name}`");
                let wrong = |wrong| RulesError::Field { place: place(), field, wrong };
                for mut phrase in notation::phrases(list).map_err(wrong)? {
                    for pattern in phrase.iter_mut().flat_map(|slot| &mut slot.any) {
                        match pattern {
                            Pattern::Word(word) | Pattern::Stem(word) => *word = folded(word).map_err(wrong)?,
                            Pattern::Concept(name) => drop(book.named(&place(), field, name)?),
                        }
                    }
                    lists.entry(name).or_default().push((spanish, phrase));
                }
            }
        }
        let mut words = Self::default();
        for (name, phrases) in &lists {
            let concept = book.concept(name).unwrap_or_default();
            phrases.iter().for_each(|(spanish, phrase)| words.add(concept, *spanish, phrase, &lists));
        }
        Ok(words)
    }

    fn add(&mut self, concept: u16, spanish: bool, phrase: &[Slot], lists: &BTreeMap<&str, Vec<(bool, Vec<Slot>)>>) {
        for pattern in phrase.iter().flat_map(|slot| &slot.any) {
            if let Pattern::Word(word) | Pattern::Stem(word) = pattern {
                self.languages.entry(word.clone()).or_default().insert(spanish);
            }
        }
        let atoms: Vec<u16> = phrase.iter().map(|slot| self.atom(&slot.any, lists)).collect();
        match (phrase, atoms.as_slice()) {
            ([slot], _) => {
                for pattern in single_words(&slot.any, lists, 0) {
                    self.meaning(&pattern).singles.push(concept);
                }
            }
            (_, [first, _, ..]) => {
                let (number, first) = (self.phrases.len() as u32, *first);
                let rest: Vec<_> = phrase.iter().map(|slot| slot.skip).zip(atoms).skip(1).collect();
                let starts = self.starts.entry(first).or_default();
                starts.extend(rest.first().map(|(skip, second)| Start {
                    phrase: number,
                    skip: *skip,
                    second: *second,
                }));
                self.phrases.push(Phrase { concept, rest });
            }
            _ => {}
        }
    }

    fn atom(&mut self, any: &[Pattern], lists: &BTreeMap<&str, Vec<(bool, Vec<Slot>)>>) -> u16 {
        if let Some(atom) = self.atoms.get(any) {
            return *atom;
        }
        let atom = self.atoms.len() as u16;
        self.atoms.insert(any.to_vec(), atom);
        for pattern in single_words(any, lists, 0) {
            self.meaning(&pattern).atoms.push(atom);
        }
        atom
    }

    fn meaning(&mut self, pattern: &Pattern) -> &mut Meaning {
        match pattern {
            Pattern::Word(word) => self.exact.entry(word.clone()).or_default(),
            Pattern::Stem(stem) | Pattern::Concept(stem) => self.stems.entry(stem.clone()).or_default(),
        }
    }

    pub(super) fn into_lexicon(self, book: &mut Book, known: &KnownWords) {
        let mut lexicon = Lexicon::new();
        // Each word to add, whether its misspellings are added, and its languages by the lists of known words.
        let mut surfaces: BTreeMap<String, (bool, BTreeSet<bool>)> = BTreeMap::new();
        for (list, language) in
            [(&known.en, false), (&known.es, true), (&known.en_lookalikes, false), (&known.es_lookalikes, true)]
        {
            for word in list.split_whitespace().filter_map(|word| folded(word).ok()) {
                surfaces.entry(word).or_default().1.insert(language);
            }
        }
        let spoken = |word: &str| self.languages.get(word).cloned().unwrap_or_default();
        for word in self.exact.keys() {
            surfaces.entry(word.clone()).or_default().0 = true;
        }
        for stem in self.stems.keys() {
            let endings = spoken(stem).into_iter().flat_map(|spanish| ENDINGS[usize::from(spanish)]);
            for word in endings.map(|ending| format!("{stem}{ending}")) {
                surfaces.entry(word).or_default().0 = true;
            }
        }
        for (word, (fuzzy, listed)) in &surfaces {
            let mut languages = listed.clone();
            if languages.is_empty() {
                languages.extend(spoken(word));
                (3..=word.len())
                    .filter_map(|len| word.get(..len))
                    .filter(|stem| self.stems.contains_key(*stem))
                    .for_each(|stem| languages.extend(spoken(stem)));
            }
            lexicon.add_word(word, self.whole(word, listed), language(&languages), *fuzzy);
        }
        for stem in self.stems.keys() {
            let mut meaning = self.whole(stem, &BTreeSet::new());
            if let Some(exact) = self.exact.get(stem) {
                // The stem itself, as a word, may mean more than its longer forms do.
                meaning = self.whole_but(stem, exact);
            }
            lexicon.add_stem(stem, meaning, language(&spoken(stem)));
        }
        book.phrases = self.phrases;
        book.lexicon = lexicon;
    }

    fn whole_but(&self, stem: &str, exact: &Meaning) -> Meaning {
        let mut stems = self.stems_of(stem, &BTreeSet::new());
        if stems == Meaning::default() {
            stems = exact.clone();
        }
        self.finished(stems)
    }

    /// What the stems of a word mean; an everyday word of one language is not a form of the other language's stems.
    fn stems_of(&self, word: &str, listed: &BTreeSet<bool>) -> Meaning {
        let mut whole = Meaning::default();
        let foreign = |stem: &str| {
            let spoken = self.languages.get(stem);
            stem != word && !listed.is_empty() && spoken.is_some_and(|spoken| spoken.is_disjoint(listed))
        };
        let stems = (3..=word.len()).filter_map(|len| word.get(..len)).filter(|stem| !foreign(stem));
        for meaning in stems.filter_map(|stem| self.stems.get(stem)) {
            whole.singles.extend(&meaning.singles);
            whole.atoms.extend(&meaning.atoms);
        }
        whole
    }

    /// Everything that a word means, by itself and by the stems with which it begins.
    fn whole(&self, word: &str, listed: &BTreeSet<bool>) -> Meaning {
        let mut whole = self.stems_of(word, listed);
        if let Some(exact) = self.exact.get(word) {
            whole.singles.extend(&exact.singles);
            whole.atoms.extend(&exact.atoms);
        }
        self.finished(whole)
    }

    fn finished(&self, mut meaning: Meaning) -> Meaning {
        meaning.singles.sort_unstable();
        meaning.singles.dedup();
        meaning.atoms.sort_unstable();
        meaning.atoms.dedup();
        meaning.starts = meaning.atoms.iter().filter_map(|atom| self.starts.get(atom)).flatten().copied().collect();
        meaning
    }
}

fn language(languages: &BTreeSet<bool>) -> WordLanguage {
    match (languages.contains(&false), languages.contains(&true)) {
        (true, false) => WordLanguage::English,
        (false, true) => WordLanguage::Spanish,
        _ => WordLanguage::Either,
    }
}

/// The words and stems in some patterns, including those of other concepts.
fn single_words(any: &[Pattern], lists: &BTreeMap<&str, Vec<(bool, Vec<Slot>)>>, depth: u8) -> Vec<Pattern> {
    let mut words = Vec::new();
    for pattern in any {
        match pattern {
            Pattern::Concept(name) if depth < 4 => {
                let singles =
                    lists.get(name.as_str()).into_iter().flatten().filter_map(|(_, phrase)| match phrase.as_slice() {
                        [slot] => Some(&slot.any),
                        _ => None,
                    });
                singles.for_each(|any| words.extend(single_words(any, lists, depth + 1)));
            }
            Pattern::Concept(_) => {}
            word => words.push(word.clone()),
        }
    }
    words
}

fn folded(word: &str) -> Result<String, String> {
    if word.starts_with('#') {
        return Ok(word.to_owned());
    }
    let mut all = Vec::new();
    text::words(word, |folded, _| all.push(String::from_utf8_lossy(folded.bytes()).into_owned()));
    match <[String; 1]>::try_from(all) {
        Ok([word]) => Ok(word),
        Err(_) => Err(format!("`{word}` is not a single word; separate its parts with spaces")),
    }
}
