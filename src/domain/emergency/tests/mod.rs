//! The reader from outside: what is an emergency and what is not, and that nothing breaks it.

mod cancellers;
mod hazards;
mod robustness;
mod rules_file;
mod windows;

use super::{OwnPhrases, Reading, read};

/// Reads without a trade and without phrases of a business.
fn alone(text: &str) -> Reading {
    read(text, None, &OwnPhrases::default())
}

/// The strongest rule a text meets.
fn rule(text: &str) -> Option<String> {
    alone(text).verdict().map(|verdict| verdict.rule)
}
