//! Detects emergencies in a text: at once, in this process, without asking any service.
//!
//! The webhook pipeline calls it before any rule of the conversation sees the text; its verdict is kept with the
//! message. It works on concepts, not on sentences: word lists in `rules.toml` name what a text may mention ("water",
//! "everywhere", "not any more"), hazards combine them, and cancellers take back what is denied, over, supposed,
//! somebody else's or the name of a product, each within its scope. The word "emergency" alone does not count: many
//! customers ask for an "emergency plumber".
//!
//! Guarantees: no text makes it panic; its time grows linearly with the text's length; it keeps no state.
//!
//! # Layout
//!
//! `text` cuts and folds words → `lexicon` (with `spelling`) looks up each one → `scan` finds phrases, `scopes` what
//! takes them back → `weigh` completes combinations → `reading` gives the verdict, also over several messages. `book`
//! (with `words`) compiles `rules.toml` (format in `data`, notation in `notation`) once; `own` holds a business's own
//! phrases.

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

/// Reads a single text. The trade, by its slug, decides what "the unit" or "the door" may be.
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

/// Proof that the rules are complete and compiled: only [`load`] returns it, and no edge or worker starts without it.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Loaded(());

/// Compiles the built-in rules before the first text arrives, and checks the learned weights.
///
/// # Errors
/// When there is a mistake in either, or one of them is empty. A service without them would take every emergency for an
/// ordinary text, and nobody would notice.
pub fn load() -> Result<Loaded, RulesError> {
    if crate::failpoint::is_set("no_emergency_rules") {
        check("", book::KNOWN_WORDS, learned::WEIGHTS)?;
    }
    book::COMPILED.as_ref().map_err(Clone::clone)?;
    learned::check(learned::WEIGHTS)?;
    Ok(Loaded(()))
}

/// Checks that these could be the rules, the known words and the learned weights of a service.
///
/// # Errors
/// The first mistake found.
pub fn check(rules: &str, known_words: &str, weights: &[u8]) -> Result<(), RulesError> {
    book::Book::compile(rules, known_words)?;
    learned::check(weights)
}

/// The names of all rules, as shown to owners and counted in metrics.
pub fn rules() -> impl Iterator<Item = &'static str> {
    book::BOOK.hazards.iter().map(|hazard| hazard.id.as_str()).chain([book::LEARNED])
}

/// The places of a text's features, each once: the input of `scripts/train-emergencies`.
pub fn features(text: &str, trade: Option<&str>) -> Vec<u32> {
    let book = *book::BOOK;
    let scan = look_through(text, book, trade, &OwnPhrases::default());
    let mut places = Vec::new();
    let reading = weigh::weigh(text, &scan, book);
    let look = features::Look { text, scan: &scan, told: &reading.told, book, trade, without_muted: false };
    look.features(|place, _, _| places.push(place));
    places.sort_unstable();
    places.dedup();
    places
}
