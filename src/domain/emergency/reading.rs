//! What a text tells, small enough to be kept with the message, and what several texts tell together.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    book::{BOOK, ENOUGH},
    weigh,
};
use crate::text_enum;

text_enum! {
    /// Dangers where the customer is told at once how to get safe.
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
    /// The language a text is written in, by its ISO 639-1 code.
    pub enum Language {
        /// English, and what cannot be told.
        En = "en",
        /// Spanish.
        Es = "es",
    }
}

/// A rule that was met, and the words that met it as the customer wrote them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The rule, by its name.
    pub rule: String,
    /// The words.
    pub words: Vec<String>,
}

/// An emergency, and why we think so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The strongest rule, by its name.
    pub rule: String,
    /// All rules that were met, the strongest first.
    pub reasons: Vec<Reason>,
    /// The danger to life, if there is one.
    pub life_safety: Option<LifeSafety>,
    /// The language to answer in.
    pub language: Language,
}

/// A rule that was met and how much it weighs in its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) rule: String,
    pub(super) words: Vec<String>,
    pub(super) weight: i16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) life_safety: Option<LifeSafety>,
}

/// A concept that was seen and may yet become part of something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fragment {
    #[serde(serialize_with = "named", deserialize_with = "numbered")]
    pub(super) concept: u16,
    pub(super) words: Box<str>,
}

/// What a text tells, or several of one conversation window together.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reading {
    pub(super) told: Vec<Told>,
    pub(super) fragments: Vec<Fragment>,
    pub(super) tilt: i16,
    pub(super) english: u16,
    pub(super) spanish: u16,
}

impl Reading {
    /// The emergency it tells of, if it does.
    pub fn verdict(&self) -> Option<Verdict> {
        let mut told: Vec<&Told> = self.told.iter().collect();
        told.sort_by_key(|told| std::cmp::Reverse(told.weight));
        let strongest = told.first()?;
        // Two hints of different kinds are more than one.
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

    /// How much the strongest rule weighs, with half of the next.
    pub(super) fn weight(&self) -> i16 {
        let mut weights: Vec<i16> = self.told.iter().map(|told| told.weight).collect();
        weights.sort_unstable_by(|a, b| b.cmp(a));
        weights.first().copied().unwrap_or(0).saturating_add(weights.get(1).map_or(0, |second| second / 2))
    }

    /// The language of what was read.
    pub fn language(&self) -> Language {
        if self.spanish > self.english { Language::Es } else { Language::En }
    }

    /// This text after earlier ones of the same window: what was told stays told, and what was begun may be completed.
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

/// A window's fragments do not grow without end.
const MOST_FRAGMENTS: usize = 32;

/// Names outlive a change of the rules, numbers do not.
fn named<S: Serializer>(concept: &u16, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(BOOK.concepts.get(usize::from(*concept)).map_or("", |concept| &concept.name))
}

fn numbered<'de, D: Deserializer<'de>>(from: D) -> Result<u16, D::Error> {
    let name = String::deserialize(from)?;
    Ok(BOOK.concept(&name).unwrap_or(u16::MAX))
}
