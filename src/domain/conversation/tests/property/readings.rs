//! What texts mean, each read once: a run says the same few things again and again, and reading them took most of its time.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::domain::conversation::words::{OptWord, opt_word};
use crate::domain::emergency::{self, OwnPhrases, Reading};

thread_local! {
    static EMERGENCIES: RefCell<HashMap<String, Reading>> = RefCell::default();
    static WORDS: RefCell<HashMap<(String, bool), Option<OptWord>>> = RefCell::default();
}

/// What a text tells of an emergency.
pub fn emergency(body: &str) -> Reading {
    let read = || emergency::read(body, None, &OwnPhrases::default());
    EMERGENCIES.with_borrow_mut(|known| known.entry(body.to_owned()).or_insert_with(read).clone())
}

/// What a text says of our texts.
pub fn word(body: &str, was_out: bool) -> Option<OptWord> {
    let read = || opt_word(body, None, was_out);
    WORDS.with_borrow_mut(|known| *known.entry((body.to_owned(), was_out)).or_insert_with(read))
}
