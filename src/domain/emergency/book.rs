//! The compiled rules: names become numbers, word lists become the lexicon and the phrases.

use std::{
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
};

use super::{
    data::{self, ConceptData, File, HazardData, KnownWords, Reach, Role, RulesError},
    features::name_key,
    lexicon::Lexicon,
    notation::{self, Near},
    reading::LifeSafety,
    words::Words,
};
use crate::domain::business::Trade;

/// The built-in rules, or the mistake in them: with a mistake, no process starts ([`super::load`]).
pub(super) static COMPILED: LazyLock<Result<Book, RulesError>> = LazyLock::new(|| Book::compile(RULES, KNOWN_WORDS));

/// The same for reading. A mistake in the rules is reported when they are loaded; a tool that reads without loading
/// them gets an empty book.
pub(super) static BOOK: LazyLock<&'static Book> = LazyLock::new(|| match &*COMPILED {
    Ok(book) => book,
    Err(_) => Box::leak(Box::default()),
});

pub(super) const RULES: &str = include_str!("rules.toml");
pub(super) const KNOWN_WORDS: &str = include_str!("known_words.toml");

/// The weight of a combination, by how sure it is; a text is an emergency from [`ENOUGH`].
pub(super) const CERTAIN: i16 = 20;
pub(super) const SURE: i16 = 14;
pub(super) const LIKELY: i16 = 10;
pub(super) const HINT: i16 = 6;
/// The weight that makes an emergency.
pub(super) const ENOUGH: i16 = 10;

/// The concept of a business's own phrases.
pub(super) const OWN: u16 = 0;
pub(super) const OWN_NAME: &str = "own_phrase";
/// The rule name of a verdict that is based on no rule, but on what was learned.
pub(super) const LEARNED: &str = "learned";

/// A concept; its number is its index.
#[derive(Debug, Clone)]
pub(super) struct Concept {
    pub(super) name: String,
    /// A hash of the name: unlike the number, it survives a change of the rules.
    pub(super) key: u64,
    pub(super) role: Role,
    pub(super) reach: Reach,
    pub(super) weight: i16,
}

/// A phrase of two words or more.
#[derive(Debug)]
pub(super) struct Phrase {
    pub(super) concept: u16,
    /// The places after the first: how many words may be skipped before each, and what fits.
    pub(super) rest: Vec<(u8, u16)>,
}

/// A combination of concepts.
#[derive(Debug)]
pub(super) struct Combination {
    pub(super) hazard: u16,
    pub(super) weight: i16,
    pub(super) first: Vec<u16>,
    pub(super) others: Vec<(Near, Vec<u16>)>,
    /// Whether it consists of circumstances only, so that its first concept must be reported as happening.
    pub(super) plain: bool,
}

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
    /// The role of each concept.
    pub(super) roles: Vec<Role>,
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
        book.is_not_empty()?;
        book.index();
        Ok(book)
    }

    /// Rules that would find no emergency are a mistake, however well-formed they are: half a file, for example.
    fn is_not_empty(&self) -> Result<(), RulesError> {
        let about_life = |danger| self.hazards.iter().any(|hazard| hazard.life_safety == Some(danger));
        let missing = if self.hazards.is_empty() {
            Some("no hazard".to_owned())
        } else {
            let danger = LifeSafety::ALL.iter().find(|danger| !about_life(**danger));
            danger.map(|danger| format!("no hazard for `{danger}`, a danger to life,"))
        };
        missing.map_or(Ok(()), |what| Err(RulesError::Empty(what)))
    }

    pub(super) fn concept(&self, name: &str) -> Option<u16> {
        self.names.get(name).copied()
    }

    /// The concept that stands for a trade.
    pub(super) fn trade(&self, slug: &str) -> Option<u16> {
        let trade: Trade = slug.parse().ok()?;
        self.trades.get(trade as usize).copied().flatten()
    }

    fn name_concepts(&mut self, concepts: &BTreeMap<String, ConceptData>) -> Result<(), RulesError> {
        let own = Concept {
            name: OWN_NAME.to_owned(),
            key: name_key(OWN_NAME),
            role: Role::Sign,
            reach: Reach::Forward,
            weight: 0,
        };
        self.concepts.push(own);
        for (name, data) in concepts {
            let weighs = matches!(data.role, Role::Tilt | Role::Contained);
            if weighs != (data.weight != 0) {
                let wrong = "must be set for the roles tilt and contained, and for no other".to_owned();
                return Err(RulesError::Field { place: format!("concept `{name}`"), field: "weight", wrong });
            }
            let (role, reach, weight) = (data.role, data.reach, i16::from(data.weight));
            self.concepts.push(Concept { name: name.clone(), key: name_key(name), role, reach, weight });
        }
        if self.concepts.len() > super::bits::CONCEPTS {
            return Err(RulesError::Shape(format!("more than {} concepts", super::bits::CONCEPTS)));
        }
        let trade =
            |trade: &Trade| concepts.keys().position(|name| name.strip_prefix("trade_") == Some(trade.as_str()));
        self.trades = Trade::ALL.iter().map(|of| Some(trade(of)? as u16 + 1)).collect();
        self.names = self.concepts.iter().enumerate().map(|(at, concept)| (concept.name.clone(), at as u16)).collect();
        Ok(())
    }

    fn add_hazard(&mut self, data: &HazardData) -> Result<(), RulesError> {
        let place = format!("hazard `{}`", data.id);
        let slug = |id: &str| !id.is_empty() && id.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let field = |field, wrong: String| Err(RulesError::Field { place: place.clone(), field, wrong });
        if !slug(&data.id)
            || data.id == OWN_NAME
            || data.id == LEARNED
            || self.hazards.iter().any(|hazard| hazard.id == data.id)
        {
            return field("id", "must be a unique slug of lower-case letters and underscores".to_owned());
        }
        if !slug(&data.category) {
            return field(
                "category",
                format!("`{}` is not a slug of lower-case letters and underscores", data.category),
            );
        }
        if let Some(trade) = data.trades.iter().find(|trade| trade.parse::<Trade>().is_err()) {
            return field("trades", format!("`{trade}` is not a known trade"));
        }
        let named = |field, names: &[String]| -> Result<Vec<u16>, RulesError> {
            names.iter().map(|name| self.named(&place, field, name)).collect()
        };
        let despite = named("despite", &data.despite)?;
        let hazard = self.hazards.len() as u16;
        let mut combinations = Vec::new();
        for (field, written, weight) in [
            ("certain", &data.certain, CERTAIN),
            ("sure", &data.sure, SURE),
            ("likely", &data.likely, LIKELY),
            ("hint", &data.hint, HINT),
        ] {
            for written in written {
                let (first, others) = notation::combination(written, &place, field)?;
                let others = others.iter().map(|(near, names)| Ok((*near, named(field, names)?)));
                let others: Vec<_> = others.collect::<Result<_, RulesError>>()?;
                let first = named(field, &first)?;
                let met =
                    others.iter().filter(|(near, _)| !near.is_absence()).flat_map(|(_, names)| names).chain(&first);
                let plain = met.copied().all(|concept| self.concepts[usize::from(concept)].role != Role::Sign);
                combinations.push(Combination { hazard, weight, first, others, plain });
            }
        }
        if combinations.is_empty() {
            return field("sure", "no combination, and none in `certain`, `likely` and `hint` either".to_owned());
        }
        self.combinations.extend(combinations);
        self.hazards.push(Hazard { id: data.id.clone(), life_safety: data.life_safety, despite });
        Ok(())
    }

    pub(super) fn named(&self, place: &str, field: &'static str, name: &str) -> Result<u16, RulesError> {
        let unknown = || RulesError::UnknownConcept { place: place.to_owned(), field, name: name.to_owned() };
        self.concept(name).ok_or_else(unknown)
    }

    fn index(&mut self) {
        let hazard = self.hazards.len() as u16;
        self.hazards.push(Hazard { id: OWN_NAME.to_owned(), life_safety: None, despite: Vec::new() });
        self.combinations.push(Combination {
            hazard,
            weight: SURE,
            first: vec![OWN],
            others: Vec::new(),
            plain: false,
        });
        self.roles = self.concepts.iter().map(|concept| concept.role).collect();
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
