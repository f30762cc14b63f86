//! Configuration, from the environment and an optional TOML file ([`Settings`]).
//!
//! A [`Config`] is complete and every value in it is valid. All missing or invalid variables are reported at once, by
//! name. No error or debug output shows a secret.

mod cleartext;
mod error;
mod nats;
mod parse;
mod postgres_url;
mod public_url;
mod rate;
mod reader;
mod secret;
mod settings;
mod variables;

use std::fmt;

pub use error::ConfigError;
pub use nats::NatsLogin;
pub use parse::IDLE_AFTER;
pub use postgres_url::{PostgresUrl, TargetSession};
pub use public_url::{PublicUrl, PublicUrlError};
pub use rate::{Rate, RateError};
pub use secret::{Secret, SecretKey};
pub use settings::{Settings, process_env, secret_in_env};
pub use variables::{Config, DispatchBotConfig, NatsConfig, RedisConfig, TwilioConfig};

use reader::Reader;

crate::text_enum! {
    /// The format of DispatchBot's requests and answers.
    pub enum Dialect {
        /// `POST /v1/conversations/analyze` (docs/contract.md, section 4).
        V1 = "v1",
        /// `POST /dispatch/process` of the open dispatch-bot-ai.
        DispatchBotAi = "dispatch-bot-ai",
    }
}

impl Config {
    /// Parses and validates the settings.
    ///
    /// # Errors
    /// Lists every missing and every invalid variable, by name.
    pub fn from_settings(settings: &Settings) -> Result<Self, ConfigError> {
        Reader::new(settings).read()
    }
}

/// Shows no value that is or may contain a secret.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("bind", &self.bind)
            .field("public_url", &self.public_url)
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
