//! The shape of `rules.toml` and of `known_words.toml`, and every mistake that may be in them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::reading::LifeSafety;

/// A mistake in the rules, with the place to look at.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum RulesError {
    /// Not TOML, or not of the shape described at the top of the file.
    #[error("rules: {0}")]
    Shape(String),
    /// A name in a rule that no concept bears.
    #[error("{place}, field `{field}`: there is no concept called `{name}`")]
    UnknownConcept {
        /// The rule or concept.
        place: String,
        /// Its field.
        field: &'static str,
        /// The name that is not known.
        name: String,
    },
    /// A field that cannot be read.
    #[error("{place}, field `{field}`: {wrong}")]
    Field {
        /// The rule or concept.
        place: String,
        /// Its field.
        field: &'static str,
        /// What is wrong with it.
        wrong: String,
    },
    /// By these rules, no emergency, or not every danger to life, would be seen.
    #[error("rules: there is {0} in them")]
    Empty(String),
    /// The learned weights are not what `scripts/train-emergencies` writes.
    #[error("learned.bin: {0}")]
    Weights(String),
}

/// All of `rules.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) concept: BTreeMap<String, ConceptData>,
    pub(super) hazard: Vec<HazardData>,
}

/// What a concept does in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub(super) enum Role {
    /// Something that is told as happening; denied, past, supposed or elsewhere it counts for nothing.
    #[default]
    Sign,
    /// A circumstance: who, where, when.
    Detail,
    /// A product or an idiom: hides the words it covers.
    Cover,
    /// Denies what follows.
    Not,
    /// Says that something cannot be done, or was not; what follows contains nothing.
    Unable,
    /// What it stands with is over.
    Over,
    /// What it stands with is supposed, planned or a question of price.
    Supposed,
    /// What it stands with happens to somebody else.
    Elsewhere,
    /// A new thought begins: scopes end here.
    Break,
    /// After a comma, begins a new thought.
    Starter,
    /// It is going on now, whatever was before.
    Now,
    /// The same, and it goes on although something was done about it.
    Still,
    /// Joins what follows to what was before: no new thought begins right after it.
    Joins,
    /// Adds to the weight of the text, or takes from it.
    Tilt,
    /// The same, but for nothing where the text goes on to say that it still goes on.
    Contained,
}

/// How far a canceller reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reach {
    /// What follows, to the end of the thought.
    #[default]
    Forward,
    /// The thought it stands in, before and after.
    Clause,
    /// The sentence it stands in.
    Sentence,
    /// The whole text.
    Text,
}

/// A named list of words.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConceptData {
    #[serde(default)]
    pub(super) role: Role,
    #[serde(default)]
    pub(super) reach: Reach,
    #[serde(default)]
    pub(super) weight: i8,
    #[serde(default)]
    pub(super) en: String,
    #[serde(default)]
    pub(super) es: String,
}

/// A hazard and what tells of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HazardData {
    pub(super) id: String,
    pub(super) category: String,
    pub(super) life_safety: Option<LifeSafety>,
    pub(super) trades: Vec<String>,
    #[serde(default)]
    pub(super) sure: Vec<String>,
    #[serde(default)]
    pub(super) likely: Vec<String>,
    #[serde(default)]
    pub(super) hint: Vec<String>,
    #[serde(default)]
    pub(super) despite: Vec<String>,
}

/// All of `known_words.toml`: everyday words, so that they are not taken for misspellings of others.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KnownWords {
    pub(super) en: String,
    pub(super) es: String,
    pub(super) en_lookalikes: String,
    pub(super) es_lookalikes: String,
}

/// Parses a file, its error being the parser's with line and column.
pub(super) fn parse<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, RulesError> {
    toml::from_str(text).map_err(|error| RulesError::Shape(error.to_string()))
}
