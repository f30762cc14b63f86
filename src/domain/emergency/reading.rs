//! What a text says, small enough to be kept with the message, and what several texts say together.

use poem_openapi::Object;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    book::{BOOK, ENOUGH},
    weigh,
};
use crate::text_enum;

text_enum! {
    /// Dangers in which the customer gets safety instructions at once.
    pub enum LifeSafety {
        /// A smell or leak of gas.
        Gas = "gas",
        /// An alarm or signs of carbon monoxide.
        CarbonMonoxide = "carbon_monoxide",
        /// Fire, smoke, burning.
        Fire = "fire",
    }
}

text_enum! {
    /// The language of a text, by its ISO 639-1 code.
    #[derive(Default)]
    pub enum Language {
        /// English, and texts whose language is unknown.
        #[default]
        En = "en",
        /// Spanish.
        Es = "es",
    }
}

/// A rule that matched, and the matching words as the customer wrote them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Object)]
#[oai(rename = "EventEmergencyReason")]
#[schemars(rename = "EventEmergencyReason")]
pub struct Reason {
    /// The name of the rule.
    pub rule: String,
    /// The words.
    pub words: Vec<String>,
}

/// An emergency, with its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The name of the strongest rule.
    pub rule: String,
    /// All rules that matched, the strongest first.
    pub reasons: Vec<Reason>,
    /// The danger to life, if there is one.
    pub life_safety: Option<LifeSafety>,
    /// The language to answer in.
    pub language: Language,
}

/// A rule that matched, and its weight in the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) rule: String,
    pub(super) words: Vec<String>,
    pub(super) weight: i16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) life_safety: Option<LifeSafety>,
}

/// A concept that was found and may become part of a combination later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fragment {
    #[serde(serialize_with = "named", deserialize_with = "numbered")]
    pub(super) concept: u16,
    pub(super) words: Box<str>,
}

/// What a text says, or several texts of one window together.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reading {
    pub(super) told: Vec<Told>,
    pub(super) fragments: Vec<Fragment>,
    pub(super) tilt: i16,
    pub(super) english: u16,
    pub(super) spanish: u16,
}

impl Reading {
    /// The emergency in what was read, if there is one.
    pub fn verdict(&self) -> Option<Verdict> {
        let mut told: Vec<&Told> = self.told.iter().collect();
        told.sort_by_key(|told| std::cmp::Reverse(told.weight));
        let strongest = told.first()?;
        // Two hints of different kinds count more than one.
        let more = told.get(1).map_or(0, |second| second.weight / 2);
        if strongest.weight.saturating_add(more) < ENOUGH {
            return None;
        }
        Some(Verdict {
            rule: strongest.rule.clone(),
            life_safety: told.iter().find_map(|told| told.life_safety),
            reasons: told.iter().map(|told| Reason { rule: told.rule.clone(), words: told.words.clone() }).collect(),
            language: self.language(),
        })
    }

    /// The weight of the strongest rule, plus half of the next one's.
    pub(super) fn weight(&self) -> i16 {
        let mut weights: Vec<i16> = self.told.iter().map(|told| told.weight).collect();
        weights.sort_unstable_by(|a, b| b.cmp(a));
        weights.first().copied().unwrap_or(0).saturating_add(weights.get(1).map_or(0, |second| second / 2))
    }

    /// The language of what was read.
    pub fn language(&self) -> Language {
        if self.spanish > self.english { Language::Es } else { Language::En }
    }

    /// This text after earlier ones of the same window: rules that matched are kept, and incomplete combinations may be
    /// completed.
    #[must_use]
    pub fn after(&self, earlier: &Self) -> Self {
        let mut told: Vec<Told> = Vec::new();
        for new in
            earlier.told.iter().cloned().chain(self.told.iter().cloned()).chain(weigh::join(earlier, self, &BOOK))
        {
            match told.iter_mut().find(|told| told.rule == new.rule) {
                Some(old) if old.weight >= new.weight => {}
                Some(old) => *old = new,
                None => told.push(new),
            }
        }
        let mut fragments = self.fragments.clone();
        for fragment in &earlier.fragments {
            if fragments.len() < MOST_FRAGMENTS && fragments.iter().all(|own| own.concept != fragment.concept) {
                fragments.push(fragment.clone());
            }
        }
        Self {
            told,
            fragments,
            tilt: self.tilt.max(earlier.tilt),
            english: self.english.saturating_add(earlier.english),
            spanish: self.spanish.saturating_add(earlier.spanish),
        }
    }
}

/// The most fragments that a window keeps.
const MOST_FRAGMENTS: usize = 32;

/// Stored by name: unlike numbers, names survive a change of the rules.
fn named<S: Serializer>(concept: &u16, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(BOOK.concepts.get(usize::from(*concept)).map_or("", |concept| &concept.name))
}

fn numbered<'de, D: Deserializer<'de>>(from: D) -> Result<u16, D::Error> {
    let name = String::deserialize(from)?;
    Ok(BOOK.concept(&name).unwrap_or(u16::MAX))
}
