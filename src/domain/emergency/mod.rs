//! Whether a text tells of an emergency: known at once, here, without asking anybody.
//!
//! Fed by the webhook pipeline, before any rule of the conversation sees the text; its verdict travels with the message.
//! It works on concepts, not on sentences: word lists in `rules.toml` name what may be told of ("water", "everywhere",
//! "not any more"), hazards combine them, and cancellers take back what is denied, over, supposed, somebody else's or the
//! name of a product, each as far as its thought reaches. The word emergency alone is none: many a customer asks for an
//! "emergency plumber".
//!
//! Guarantees: no text makes it panic; its time grows with the text's length; it keeps no state.
//!
//! # Layout
//!
//! `text` cuts and folds words → `lexicon` (with `spelling`) looks each up → `scan` finds phrases, `scopes` what takes them back → `weigh`
//! completes combinations → `reading` gives the verdict, also over several messages. `book` (with `words`) compiles `rules.toml` (shape in
//! `data`, notation in `notation`) once; `own` holds a business's own phrases.

mod bits;
mod book;
mod data;
mod features;
mod learned;
mod lexicon;
mod notation;
mod own;
mod reading;
mod scan;
mod scopes;
mod settings;
mod spelling;
mod text;
mod weigh;
mod words;

#[cfg(test)]
mod tests;

pub use data::RulesError;
pub use own::OwnPhrases;
pub use reading::{Language, LifeSafety, Reading, Reason, Verdict};
pub use settings::Settings;

/// Reads a text alone. The trade, by its slug, says what "the unit" or "the door" may be.
pub fn read(text: &str, trade: Option<&str>, own: &OwnPhrases) -> Reading {
    let book = *book::BOOK;
    let scan = look_through(text, book, trade, own);
    let mut reading = weigh::weigh(text, &scan, book);
    learned::judge(&mut reading, text, &scan, book, trade);
    reading
}

fn look_through(text: &str, book: &book::Book, trade: Option<&str>, own: &OwnPhrases) -> scan::Scan {
    let mut scan = scan::Scan::of(text, book, own);
    if let Some(concept) = trade.and_then(|trade| book.trade(trade)) {
        scan.alive.add(concept);
    }
    scan
}

/// The rules are there, whole and compiled: nothing else gives this, and no edge or worker is put together without it.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Loaded(());

/// Compiles the rules that come with the program, ahead of the first text, and looks at the learned weights.
///
/// # Errors
/// Where there is a mistake in either, or nothing in them. A service that would go on without them would take every emergency
/// for an ordinary text, and nobody would notice.
pub fn load() -> Result<Loaded, RulesError> {
    if crate::failpoint::is_set("no_emergency_rules") {
        check("", book::KNOWN_WORDS, learned::WEIGHTS)?;
    }
    book::COMPILED.as_ref().map_err(Clone::clone)?;
    learned::check(learned::WEIGHTS)?;
    Ok(Loaded(()))
}

/// Whether these could be the rules, the known words and the learned weights of a service.
///
/// # Errors
/// What is wrong with the first of them that cannot.
pub fn check(rules: &str, known_words: &str, weights: &[u8]) -> Result<(), RulesError> {
    book::Book::compile(rules, known_words)?;
    learned::check(weights)
}

/// The names of all rules, as they are shown to owners and counted.
pub fn rules() -> impl Iterator<Item = &'static str> {
    book::BOOK.hazards.iter().map(|hazard| hazard.id.as_str()).chain([book::LEARNED])
}

/// The places of a text's features, each once: what `scripts/train-emergencies` learns from.
pub fn features(text: &str, trade: Option<&str>) -> Vec<u32> {
    let book = *book::BOOK;
    let scan = look_through(text, book, trade, &OwnPhrases::default());
    let mut places = Vec::new();
    let reading = weigh::weigh(text, &scan, book);
    features::features(text, &scan, &reading.told, book, trade, false, |place, _, _| places.push(place));
    places.sort_unstable();
    places.dedup();
    places
}
