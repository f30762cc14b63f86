//! The configuration error: every missing or invalid variable, by name.
//!
//! Shown to the operator at start-up. A reason never repeats the value, which may contain a password.

use std::fmt;

/// What is missing or wrong about one variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The variable, or the file if the file itself is invalid.
    pub name: String,
    /// Why it was not accepted; never the value.
    pub reason: String,
    /// A valid value.
    pub example: Option<&'static str>,
}

impl Problem {
    pub(super) fn new(name: impl Into<String>, reason: impl Into<String>, example: Option<&'static str>) -> Self {
        Self { name: name.into(), reason: reason.into(), example }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.reason)?;
        match self.example {
            Some(example) => write!(f, "; for example: {example}"),
            None => Ok(()),
        }
    }
}

/// All problems of a configuration, displayed as one line each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

impl ConfigError {
    pub(super) fn new(problems: Vec<Problem>) -> Self {
        Self { problems }
    }

    /// The problems, in the order of the documentation.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self::new(vec![problem])
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.problems.iter().enumerate() {
            if position > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}
