//! Validation: all invalid fields are reported together.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use chrono::{DateTime, Datelike, Utc};

use crate::domain::invisible::{controls_a_line, is_blank};
use crate::domain::phone::PhoneNumber;
use crate::http::problem::Problem;

/// The default page size (docs/contract.md, section 3).
pub(super) fn default_limit() -> u32 {
    50
}

/// The years that a time may have, as RFC 3339 writes them. PostgreSQL keeps times from 4713 BC on, so it would refuse some
/// that can be parsed.
const YEARS: RangeInclusive<i32> = 1..=9999;

/// Whether PostgreSQL can compare a time with those in its tables.
pub(super) fn is_in_range(at: DateTime<Utc>) -> bool {
    YEARS.contains(&at.year())
}

/// Collects the errors of a request.
#[derive(Debug, Default)]
pub(super) struct Problems {
    fields: Vec<(String, String)>,
}

impl Problems {
    /// Adds an error in a field.
    pub(super) fn add(&mut self, field: impl Into<String>, reason: impl Display) {
        self.fields.push((field.into(), reason.to_string()));
    }

    /// Parses a field; adds an error if that fails.
    pub(super) fn parsed<T>(&mut self, field: &str, text: Option<&str>) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        match text?.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.add(field, error);
                None
            }
        }
    }

    /// Parses each of several texts of a field; adds an error for each that fails, and leaves it out.
    pub(super) fn parsed_each<T>(&mut self, field: &str, texts: &[String]) -> Vec<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let parse = |(n, text): (usize, &String)| self.parsed(&format!("{field}[{n}]"), Some(text));
        texts.iter().enumerate().filter_map(parse).collect()
    }

    /// A person's phone number to filter by; adds an error if it is invalid.
    pub(super) fn phone(&mut self, field: &str, text: Option<String>) -> Option<String> {
        self.parsed::<PhoneNumber>(field, text.as_deref()).map(PhoneNumber::of_person).map(String::from)
    }

    /// A time to filter by; adds an error if PostgreSQL has no such time.
    pub(super) fn time(&mut self, field: &str, at: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
        if at.is_some_and(|at| !is_in_range(at)) {
            self.add(field, format!("must be in the years {} to {}", YEARS.start(), YEARS.end()));
        }
        at
    }

    /// Checks that a text is neither empty nor too long.
    pub(super) fn text(&mut self, field: &str, text: &str, most: usize) {
        if is_blank(text) {
            self.add(field, "must not be empty");
        } else if text.chars().count() > most {
            self.add(field, format!("must not be longer than {most} characters"));
        } else if text.contains('\0') {
            self.add(field, "must not contain the character NUL");
        }
    }

    /// Checks a text of one line: without characters that control a terminal, break a line or turn what follows around.
    pub(super) fn name(&mut self, field: &str, text: &str, most: usize) {
        if text.chars().any(controls_a_line) {
            self.add(field, "must not contain control characters");
        } else {
            self.text(field, text, most);
        }
    }

    /// Fails if there are any errors.
    pub(super) fn into_result(self) -> Result<(), Problem> {
        if self.fields.is_empty() { Ok(()) } else { Err(Problem::invalid(self.fields)) }
    }
}
