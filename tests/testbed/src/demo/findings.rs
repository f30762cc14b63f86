//! What was looked for and found, line by line.

use super::screen::{Screen, Tag};

/// What was found, in the order in which it was looked for.
#[derive(Default)]
pub(super) struct Findings(Vec<(bool, String, String)>);

impl Findings {
    /// `what` is so if `good`; `saw` is told where it is not.
    pub(super) fn add(&mut self, what: &str, good: bool, saw: impl ToString) {
        self.0.push((good, what.to_owned(), saw.to_string()));
    }

    /// Prints all, and tells whether all is there.
    pub(super) fn print(&self, screen: &Screen) -> bool {
        for (good, what, saw) in &self.0 {
            let (tag, note) = if *good { (Tag::Good, String::new()) } else { (Tag::Missing, format!("saw: {saw}")) };
            screen.line(tag, what, &note);
        }
        self.0.iter().all(|(good, ..)| *good)
    }
}
