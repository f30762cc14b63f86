//! Reads variables from the settings and collects their problems.

use std::time::Duration;

use super::Config;
use super::error::{ConfigError, Problem};
use super::settings::Settings;
use super::variables::Variable;

/// Reads one variable after another and collects their problems.
pub(super) struct Reader<'a> {
    settings: &'a Settings,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(settings: &'a Settings) -> Self {
        Self { settings, problems: Vec::new() }
    }

    /// A complete [`Config`], or all problems.
    pub(super) fn read(self) -> Result<Config, ConfigError> {
        self.group(Config::read)
    }

    /// A complete group of variables, or all its problems.
    pub(super) fn group<T>(mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Result<T, ConfigError> {
        match read(&mut self) {
            Some(group) if self.problems.is_empty() => Ok(group),
            _ => Err(ConfigError::new(self.problems)),
        }
    }

    /// `None` if there is a problem, which is then added to the list.
    pub(super) fn take<T>(&mut self, variable: &Variable<T>) -> Option<T> {
        self.settings.value(variable).map_err(|problem| self.problems.push(problem)).ok()
    }

    /// The value of a variable that is also read for itself, where its problem is reported.
    pub(super) fn peek<T>(&self, variable: &Variable<T>) -> Option<T> {
        self.settings.value(variable).ok()
    }

    /// Adds a problem with a value that is valid for itself.
    pub(super) fn refuse<T>(&mut self, variable: &Variable<T>, reason: String) {
        self.problems.push(Problem::new(variable.name, reason, Some(variable.example)));
    }

    /// Adds a problem if a value exceeds that of another variable.
    pub(super) fn at_most(
        &mut self,
        variable: &Variable<Duration>,
        value: Duration,
        bound: &Variable<Duration>,
        max: Duration,
    ) {
        if value > max {
            self.refuse(variable, format!("must not be longer than {}", bound.name));
        }
    }
}
