//! The rules, compiled: names become numbers, word lists become the lexicon and the phrases.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::LazyLock,
};

use super::{
    data::{self, ConceptData, File, HazardData, KnownWords, Reach, Role, RulesError},
    lexicon::{Lexicon, Meaning, WordLanguage},
    notation::{self, Near, Pattern, Slot},
    reading::LifeSafety,
    text,
};

/// The rules that come with the program.
pub(super) static BOOK: LazyLock<Book> = LazyLock::new(|| {
    // A test compiles the same files: a mistake in them never leaves the workshop.
    Book::compile(RULES, KNOWN_WORDS).unwrap_or_default()
});

pub(super) const RULES: &str = include_str!("rules.toml");
pub(super) const KNOWN_WORDS: &str = include_str!("known_words.toml");

/// How sure a combination is; a text is an emergency from [`ENOUGH`].
pub(super) const SURE: i16 = 14;
pub(super) const LIKELY: i16 = 10;
pub(super) const HINT: i16 = 6;
/// The weight that makes an emergency.
pub(super) const ENOUGH: i16 = 10;

/// The concept of a business's own phrases.
pub(super) const OWN: u16 = 0;
const OWN_NAME: &str = "own_phrase";

/// A concept, by its number.
#[derive(Debug, Clone)]
pub(super) struct Concept {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) reach: Reach,
    pub(super) weight: i16,
}

/// A phrase of two words or more.
#[derive(Debug)]
pub(super) struct Phrase {
    pub(super) concept: u16,
    /// The places after the first: how many words may be skipped before it, and what fits.
    pub(super) rest: Vec<(u8, u16)>,
}

/// A combination of concepts.
#[derive(Debug)]
pub(super) struct Combination {
    pub(super) hazard: u16,
    pub(super) weight: i16,
    pub(super) first: Vec<u16>,
    pub(super) others: Vec<(Near, Vec<u16>)>,
}

/// A hazard.
#[derive(Debug)]
pub(super) struct Hazard {
    pub(super) id: String,
    pub(super) life_safety: Option<LifeSafety>,
    pub(super) despite: Vec<u16>,
}

/// The rules, ready for reading.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) lexicon: Lexicon,
    pub(super) concepts: Vec<Concept>,
    pub(super) phrases: Vec<Phrase>,
    pub(super) hazards: Vec<Hazard>,
    pub(super) combinations: Vec<Combination>,
    /// For each concept the combinations that begin with it.
    pub(super) anchored: Vec<Vec<u32>>,
    /// Whether a concept takes part in any combination.
    pub(super) used: Vec<bool>,
    names: HashMap<String, u16>,
    trades: Vec<Option<u16>>,
}

impl Book {
    pub(super) fn compile(rules: &str, known: &str) -> Result<Self, RulesError> {
        let file: File = data::parse(rules)?;
        let known: KnownWords = data::parse(known)?;
        let mut book = Self::default();
        book.name_concepts(&file.concept)?;
        Words::of(&book, &file.concept)?.into_lexicon(&mut book, &known);
        file.hazard.iter().try_for_each(|hazard| book.add_hazard(hazard))?;
        book.index();
        Ok(book)
    }

    pub(super) fn concept(&self, name: &str) -> Option<u16> {
        self.names.get(name).copied()
    }

    /// The concept that stands for a trade.
    pub(super) fn trade(&self, slug: &str) -> Option<u16> {
        let trade = super::TRADES.iter().position(|trade| *trade == slug)?;
        self.trades.get(trade).copied().flatten()
    }

    fn name_concepts(&mut self, concepts: &BTreeMap<String, ConceptData>) -> Result<(), RulesError> {
        let own = Concept { name: OWN_NAME.to_owned(), role: Role::Sign, reach: Reach::Forward, weight: 0 };
        self.concepts.push(own);
        for (name, data) in concepts {
            let weighs = matches!(data.role, Role::Tilt | Role::Contained);
            if weighs != (data.weight != 0) {
                let wrong = "a weight belongs to the roles tilt and contained, and to no other".to_owned();
                return Err(RulesError::Field { place: format!("concept `{name}`"), field: "weight", wrong });
            }
            let (role, reach, weight) = (data.role, data.reach, i16::from(data.weight));
            self.concepts.push(Concept { name: name.clone(), role, reach, weight });
        }
        if self.concepts.len() > super::bits::CONCEPTS {
            return Err(RulesError::Shape(format!("more than {} concepts", super::bits::CONCEPTS)));
        }
        let trade = |trade: &&str| concepts.keys().position(|name| name.strip_prefix("trade_") == Some(*trade));
        self.trades = super::TRADES.iter().map(|slug| Some(trade(slug)? as u16 + 1)).collect();
        self.names = self.concepts.iter().enumerate().map(|(at, concept)| (concept.name.clone(), at as u16)).collect();
        Ok(())
    }

    fn add_hazard(&mut self, data: &HazardData) -> Result<(), RulesError> {
        let place = format!("hazard `{}`", data.id);
        let slug = |id: &str| !id.is_empty() && id.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let field = |field, wrong: String| Err(RulesError::Field { place: place.clone(), field, wrong });
        if !slug(&data.id) || data.id == OWN_NAME || self.hazards.iter().any(|hazard| hazard.id == data.id) {
            return field("id", "has to be a slug of its own, of small letters and underscores".to_owned());
        }
        if !slug(&data.category) {
            return field("category", format!("`{}` is no slug", data.category));
        }
        if let Some(trade) = data.trades.iter().find(|trade| !super::TRADES.contains(&trade.as_str())) {
            return field("trades", format!("`{trade}` is no trade"));
        }
        let named = |field, names: &[String]| -> Result<Vec<u16>, RulesError> {
            names.iter().map(|name| self.named(&place, field, name)).collect()
        };
        let despite = named("despite", &data.despite)?;
        let hazard = self.hazards.len() as u16;
        let mut combinations = Vec::new();
        for (field, written, weight) in
            [("sure", &data.sure, SURE), ("likely", &data.likely, LIKELY), ("hint", &data.hint, HINT)]
        {
            for written in written {
                let (first, others) = notation::combination(written, &place, field)?;
                let others = others.iter().map(|(near, names)| Ok((*near, named(field, names)?)));
                let others: Vec<_> = others.collect::<Result<_, RulesError>>()?;
                combinations.push(Combination { hazard, weight, first: named(field, &first)?, others });
            }
        }
        if combinations.is_empty() {
            return field("sure", "has no combination, nor have `likely` and `hint`".to_owned());
        }
        self.combinations.extend(combinations);
        self.hazards.push(Hazard { id: data.id.clone(), life_safety: data.life_safety, despite });
        Ok(())
    }

    fn named(&self, place: &str, field: &'static str, name: &str) -> Result<u16, RulesError> {
        let unknown = || RulesError::UnknownConcept { place: place.to_owned(), field, name: name.to_owned() };
        self.concept(name).ok_or_else(unknown)
    }

    fn index(&mut self) {
        let hazard = self.hazards.len() as u16;
        self.hazards.push(Hazard { id: OWN_NAME.to_owned(), life_safety: None, despite: Vec::new() });
        self.combinations.push(Combination { hazard, weight: SURE, first: vec![OWN], others: Vec::new() });
        self.anchored = vec![Vec::new(); self.concepts.len()];
        self.used = vec![false; self.concepts.len()];
        for (number, combination) in self.combinations.iter().enumerate() {
            for concept in &combination.first {
                self.anchored[usize::from(*concept)].push(number as u32);
            }
            let others = combination.others.iter().flat_map(|(_, concepts)| concepts);
            combination.first.iter().chain(others).for_each(|concept| self.used[usize::from(*concept)] = true);
        }
    }
}

/// The words of all lists while they are being put together.
#[derive(Default)]
struct Words {
    exact: HashMap<String, Meaning>,
    stems: HashMap<String, Meaning>,
    languages: HashMap<String, BTreeSet<bool>>,
    atoms: HashMap<Vec<Pattern>, u16>,
    phrases: Vec<Phrase>,
    starts: HashMap<u16, Vec<u32>>,
}

/// What an English and a Spanish stem is written out with, for the sake of its misspellings.
const ENDINGS: [&[&str]; 2] = [&["", "s", "ed", "ing"], &["", "a", "o", "as", "ando", "endo", "ado", "ada"]];

impl Words {
    fn of(book: &Book, concepts: &BTreeMap<String, ConceptData>) -> Result<Self, RulesError> {
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
                let number = self.phrases.len() as u32;
                self.starts.entry(*first).or_default().push(number);
                let rest = phrase.iter().map(|slot| slot.skip).zip(atoms).skip(1).collect();
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

    fn into_lexicon(self, book: &mut Book, known: &KnownWords) {
        let mut lexicon = Lexicon::new();
        // Each word to be filed, whether its misspellings are, and the language a list of known words says it is of.
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
                // The stem's own word may mean more than its longer forms do.
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

    /// What the stems of a word stand for; an everyday word of one language is no longer form of the other's stems.
    fn stems_of(&self, word: &str, listed: &BTreeSet<bool>) -> Meaning {
        let mut whole = Meaning::default();
        let foreign = |stem: &str| {
            let spoken = self.languages.get(stem);
            !listed.is_empty() && spoken.is_some_and(|spoken| spoken.is_disjoint(listed))
        };
        let stems = (3..=word.len()).filter_map(|len| word.get(..len)).filter(|stem| !foreign(stem));
        for meaning in stems.filter_map(|stem| self.stems.get(stem)) {
            whole.singles.extend(&meaning.singles);
            whole.atoms.extend(&meaning.atoms);
        }
        whole
    }

    /// All a word stands for, by itself and by the stems it begins with.
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

/// The words and stems among some patterns, those of other concepts taken in.
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
        Err(_) => Err(format!("`{word}` is not one word; write its parts with a space between them")),
    }
}
