//! The format of `rules.toml` and of `known_words.toml`, and every mistake that may be in them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::reading::LifeSafety;

/// A mistake in the rules, with its place.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum RulesError {
    /// Not TOML, or not in the format described at the top of the file.
    #[error("rules: {0}")]
    Shape(String),
    /// A rule names a concept that does not exist.
    #[error("{place}, field `{field}`: there is no concept called `{name}`")]
    UnknownConcept {
        /// The rule or concept.
        place: String,
        /// Its field.
        field: &'static str,
        /// The unknown name.
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
    /// With these rules, no emergency, or not every danger to life, would be found.
    #[error("rules: {0} is defined")]
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
    /// Something reported as happening; if denied, over, supposed or elsewhere, it does not count.
    #[default]
    Sign,
    /// A circumstance: who, where, when.
    Detail,
    /// A product or an idiom: hides the words it covers.
    Cover,
    /// Denies what follows.
    Not,
    /// Says that something cannot be done, or was not: a [`Role::Contained`] after it does not count.
    Unable,
    /// Says that what it reaches is over.
    Over,
    /// Says that what it reaches is supposed, planned or a question of price.
    Supposed,
    /// Says that what it reaches happens to somebody else.
    Elsewhere,
    /// Begins a new clause: scopes end here.
    Break,
    /// Begins a new clause if it follows a comma.
    Starter,
    /// Says that it happens now, even if it was over before.
    Now,
    /// The same, and says that it continues although something was done about it.
    Still,
    /// Joins what follows to what was before: no new clause begins right after it.
    Joins,
    /// Raises or lowers the weight of the text.
    Tilt,
    /// The same, but without effect if the text says afterwards that it continues.
    Contained,
}

/// How far a canceller reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reach {
    /// What follows, to the end of the clause.
    #[default]
    Forward,
    /// Its clause, before and after it.
    Clause,
    /// Its sentence.
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

/// A hazard and the combinations that indicate it.
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
    pub(super) certain: Vec<String>,
    #[serde(default)]
    pub(super) hint: Vec<String>,
    #[serde(default)]
    pub(super) despite: Vec<String>,
}

/// All of `known_words.toml`: everyday words, which must not be taken for misspellings of others.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KnownWords {
    pub(super) en: String,
    pub(super) es: String,
    pub(super) en_lookalikes: String,
    pub(super) es_lookalikes: String,
}

/// Parses a file; the error is the parser's, with line and column.
pub(super) fn parse<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, RulesError> {
    toml::from_str(text).map_err(|error| RulesError::Shape(error.to_string()))
}
