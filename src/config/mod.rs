//! Configuration, from the environment and an optional TOML file ([`Settings`]).
//!
//! A [`Config`] is complete and every value in it is valid. All missing or invalid variables are reported at once, by
//! name. No error or debug output shows a secret.

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
    /// How many connections the edge holds at once; `None`: as many as descriptors allow, at most 1,500.
    pub max_connections: Option<usize>,
    /// Whether `/docs` is shown.
    pub docs: bool,
    /// Base URL under which Twilio reaches the edge.
    pub public_url: PublicUrl,
    /// PostgreSQL, with its password.
    pub database_url: Secret,
    /// One or more NATS servers, separated by commas; may contain credentials, so never logged.
    pub nats_url: String,
    /// How many nodes of the cluster each stream is kept on.
    pub nats_replicas: u8,
    /// Redis, with its password.
    pub redis_url: Secret,
    /// The main Twilio account.
    pub twilio: TwilioConfig,
    /// The connection to DispatchBot.
    pub dispatchbot: DispatchBotConfig,
    /// Bootstrap keys of the App Server.
    pub api_keys: Vec<Secret>,
    /// When a window of customer messages closes.
    pub window: WindowConfig,
    /// How long a call rings at the business before it counts as missed; whole seconds.
    pub dial_timeout: Duration,
    /// SMS segments per sender number.
    pub send_rate: Rate,
    /// The most AI replies per conversation.
    pub ai_max: Rate,
    /// Accepted REST requests per API key.
    pub rate_limit: Rate,
    /// How long after an attempt with unknown outcome the message list may prove that nothing was sent.
    pub reconcile_after: Duration,
    /// How long each person alerted about an emergency has to take over before the next one is alerted.
    pub alert_every: Duration,
    /// Cooldown: at most one missed-call text per caller and business in this time.
    pub missed_call_cooldown: Duration,
    /// A text within this time after the end reopens the conversation.
    pub reopen_within: Duration,
    /// Conversations without activity for this time are deleted.
    pub keep: Duration,
    /// A message that fails this many times becomes a dead letter.
    pub max_deliveries: u64,
    /// Rate at which queued dead letters are replayed, across all processes.
    pub replay_rate: Rate,
    /// How many webhooks may wait to be processed before further ones are answered 503.
    pub max_backlog: u64,
    /// Whether to ask Twilio if the numbers of businesses are in their accounts.
    pub verify_numbers: bool,
    /// Encrypts the stored auth tokens of businesses; without it none can be stored.
    pub token_key: Option<SecretKey>,
}

/// The main Twilio account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TwilioConfig {
    /// `AC…`.
    pub account_sid: String,
    /// Signs webhooks and authenticates REST calls.
    pub auth_token: Secret,
    /// Also accepted while the token is rotated.
    pub auth_token_next: Option<Secret>,
    /// Base URL of the REST API, without trailing slash.
    pub api_url: String,
}

/// The connection to DispatchBot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DispatchBotConfig {
    /// Its base URL, without trailing slash.
    pub url: String,
    /// The key that authenticates us.
    pub api_key: Secret,
    /// The format of requests and answers.
    pub dialect: Dialect,
}

/// The format of DispatchBot's requests and answers.
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
    /// Debounce: the pause after the last message.
    pub quiet: Duration,
    /// The upper bound; at least `hold` and at least `quiet`.
    pub max: Duration,
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
