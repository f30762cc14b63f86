//! Configuration: what the process is told before it starts.
//!
//! Fed by the environment and an optional TOML file ([`Settings`]); feeds everything that is wired at start-up
//! ([`Config`]). Guarantees that a `Config` is complete and every value in it sound, that whatever is missing or wrong is
//! reported at once and by name, and that no error or debug output shows a secret.

mod error;
mod parse;
mod public_url;
mod rate;
mod reader;
mod secret;
mod settings;
mod variables;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

pub use error::ConfigError;
pub use public_url::{PublicUrl, PublicUrlError};
pub use rate::{Rate, RateError};
pub use secret::{Secret, SecretKey};
pub use settings::{Settings, process_env};

use reader::Reader;

/// The whole configuration, complete and checked.
#[derive(Clone)]
pub struct Config {
    /// Address of the HTTP edge.
    pub bind: SocketAddr,
    /// How many connections the edge holds at once; none: as many as descriptors allow, 1,500 at the most.
    pub max_connections: Option<usize>,
    /// Whether `/docs` is shown.
    pub docs: bool,
    /// Base URL under which Twilio reaches the edge.
    pub public_url: PublicUrl,
    /// PostgreSQL, with its password.
    pub database_url: Secret,
    /// One or several NATS servers, separated by commas; may carry credentials, so never logged.
    pub nats_url: String,
    /// How many nodes of the cluster each stream is kept on.
    pub nats_replicas: u8,
    /// Redis, with its password.
    pub redis_url: Secret,
    /// The main Twilio account.
    pub twilio: TwilioConfig,
    /// The AI that answers.
    pub dispatchbot: DispatchBotConfig,
    /// Bootstrap keys of the App Server.
    pub api_keys: Vec<Secret>,
    /// When a window of customer messages closes.
    pub window: WindowConfig,
    /// How long a call rings at the business before it counts as missed; whole seconds.
    pub dial_timeout: Duration,
    /// Segments per sender number.
    pub send_rate: Rate,
    /// AI replies per conversation.
    pub ai_max: Rate,
    /// Accepted REST requests per API key.
    pub rate_limit: Rate,
    /// How long after an attempt with unknown outcome the message list may prove that nothing was sent.
    pub reconcile_after: Duration,
    /// How long each of those who are told of an emergency has to take over, before the next one is told.
    pub alert_every: Duration,
    /// At most one missed-call text per caller and business in this time.
    pub missed_call_cooldown: Duration,
    /// A text after the end opens the conversation again within this time.
    pub reopen_within: Duration,
    /// Conversations in which nothing has happened for so long are deleted.
    pub keep: Duration,
    /// What fails so often is put aside as a dead letter.
    pub max_deliveries: u64,
    /// Queued dead letters that are put back, by all processes together.
    pub replay_rate: Rate,
    /// How many webhooks may wait to be processed before further ones are answered 503.
    pub max_backlog: u64,
    /// Whether Twilio is asked if the numbers of businesses are in their accounts.
    pub verify_numbers: bool,
    /// Encrypts the auth tokens of businesses at rest; without it none can be stored.
    pub token_key: Option<SecretKey>,
}

/// The main Twilio account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TwilioConfig {
    /// `AC…`.
    pub account_sid: String,
    /// Signs webhooks and authenticates REST calls.
    pub auth_token: Secret,
    /// Accepted beside it while the token is rotated.
    pub auth_token_next: Option<Secret>,
    /// Base of the REST API, without trailing slash.
    pub api_url: String,
}

/// The AI that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DispatchBotConfig {
    /// Its base URL, without trailing slash.
    pub url: String,
    /// The key it knows us by.
    pub api_key: Secret,
    /// How requests and answers are written.
    pub dialect: Dialect,
}

/// The form of DispatchBot's requests and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `POST /v1/conversations/analyze`.
    V1,
}

/// When a window closes: `max(last message + quiet, opened + hold)`, never after `opened + max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowConfig {
    /// How long a person has to answer before the AI does.
    pub hold: Duration,
    /// Debounce: how long nothing must have come.
    pub quiet: Duration,
    /// The bound on it all; at least `hold` and at least `quiet`.
    pub max: Duration,
}

impl Config {
    /// Judges the settings.
    ///
    /// # Errors
    /// With every missing and every bad variable, by name.
    pub fn from_settings(settings: &Settings) -> Result<Self, ConfigError> {
        Reader::new(settings).read()
    }
}

/// Shows addresses only: several values are, or may carry, secrets.
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
