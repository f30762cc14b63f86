//! Tests from outside: what is an emergency and what is not, and that no input makes the reader fail.

mod cancellers;
mod everyday;
mod hazards;
mod robustness;
mod rules_file;
mod small_talk;
mod told_quietly;
mod windows;

use super::{OwnPhrases, Reading, read};

/// Reads without a trade and without own phrases.
fn alone(text: &str) -> Reading {
    read(text, None, &OwnPhrases::default())
}

/// The strongest rule that a text matches.
fn rule(text: &str) -> Option<String> {
    alone(text).verdict().map(|verdict| verdict.rule)
}
