//! The results of checks, line by line.

use super::screen::{Screen, Tag};

/// The results, in the order of the checks.
#[derive(Default)]
pub(super) struct Findings(Vec<(bool, String, String)>);

impl Findings {
    /// Adds a result: whether `what` holds (`good`); if it does not, `saw` is printed.
    pub(super) fn add(&mut self, what: &str, good: bool, saw: impl ToString) {
        self.0.push((good, what.to_owned(), saw.to_string()));
    }

    /// Prints all results, and returns whether all of them are good.
    pub(super) fn print(&self, screen: &Screen) -> bool {
        for (good, what, saw) in &self.0 {
            let (tag, note) = if *good { (Tag::Good, String::new()) } else { (Tag::Missing, format!("saw: {saw}")) };
            screen.line(tag, what, &note);
        }
        self.0.iter().all(|(good, ..)| *good)
    }
}
