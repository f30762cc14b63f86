//! Validation: every field that is wrong is named, all of them at once.

use std::fmt::Display;
use std::str::FromStr;

use crate::domain::phone::PhoneNumber;
use crate::http::problem::Problem;

/// How many items a page holds unless the request says otherwise (docs/contract.md, section 3).
pub(super) fn default_limit() -> u32 {
    50
}

/// Collects what is wrong with a request.
#[derive(Debug, Default)]
pub(super) struct Problems {
    fields: Vec<(String, String)>,
}

impl Problems {
    /// This field is wrong.
    pub(super) fn add(&mut self, field: impl Into<String>, reason: impl Display) {
        self.fields.push((field.into(), reason.to_string()));
    }

    /// What a field says, if it can be read.
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

    /// A phone number to look for; one that is none is not looked for, but told.
    pub(super) fn phone(&mut self, field: &str, text: Option<String>) -> Option<String> {
        self.parsed::<PhoneNumber>(field, text.as_deref()).map(String::from)
    }

    /// That text has to say something, and not too much.
    pub(super) fn text(&mut self, field: &str, text: &str, most: usize) {
        if text.trim().is_empty() {
            self.add(field, "must not be empty");
        } else if text.chars().count() > most {
            self.add(field, format!("must not be longer than {most} characters"));
        } else if text.contains('\0') {
            self.add(field, "must not contain NUL");
        }
    }

    /// Fails if anything is wrong.
    pub(super) fn into_result(self) -> Result<(), Problem> {
        if self.fields.is_empty() { Ok(()) } else { Err(Problem::invalid(self.fields)) }
    }
}
