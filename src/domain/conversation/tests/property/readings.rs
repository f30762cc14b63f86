//! The readings of texts, cached: a run uses the same few texts again and again, and reading them took most of its
//! time.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::domain::conversation::words::{OptWord, opt_word};
use crate::domain::emergency::{self, OwnPhrases, Reading};

thread_local! {
    static EMERGENCIES: RefCell<HashMap<String, Reading>> = RefCell::default();
    static WORDS: RefCell<HashMap<(String, bool), Option<OptWord>>> = RefCell::default();
}

/// The emergency reading of a text.
pub fn emergency(body: &str) -> Reading {
    let read = || emergency::read(body, None, &OwnPhrases::default());
    EMERGENCIES.with_borrow_mut(|known| known.entry(body.to_owned()).or_insert_with(read).clone())
}

/// The opt-out reading of a text.
pub fn word(body: &str, was_out: bool) -> Option<OptWord> {
    let read = || opt_word(body, None, was_out);
    WORDS.with_borrow_mut(|known| *known.entry((body.to_owned(), was_out)).or_insert_with(read))
}
