//! Attacks and accidents of the kind that silence somebody, or swallow something: each was a live fault once.

mod answers;
mod loops;
mod rule_book;
mod silence;
