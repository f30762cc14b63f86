//! The table of configuration variables: each name with its default and an example of a valid value.
//!
//! [`super::settings`] accepts only these names in a file, and the reader of [`super::Config`] takes defaults and
//! examples from here.

/// What happens when a variable is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absent {
    /// Start-up fails.
    Missing,
    /// This text is used instead.
    Default(&'static str),
    /// The feature stays off.
    Off,
}

/// One configuration variable.
#[derive(Debug, Clone, Copy)]
pub(super) struct Variable {
    pub(super) name: &'static str,
    pub(super) absent: Absent,
    pub(super) example: &'static str,
}

const fn variable(name: &'static str, absent: Absent, example: &'static str) -> Variable {
    Variable { name, absent, example }
}

const fn required(name: &'static str, example: &'static str) -> Variable {
    variable(name, Absent::Missing, example)
}

const fn optional(name: &'static str, example: &'static str) -> Variable {
    variable(name, Absent::Off, example)
}

/// The default is also the example.
const fn default(name: &'static str, value: &'static str) -> Variable {
    variable(name, Absent::Default(value), value)
}

pub(super) const BIND: Variable = default("NMC_BIND", "0.0.0.0:3701");
pub(super) const MAX_CONNECTIONS: Variable = optional("NMC_MAX_CONNECTIONS", "2000");
pub(super) const DOCS: Variable = default("NMC_DOCS", "on");
pub(super) const PUBLIC_URL: Variable = required("NMC_PUBLIC_URL", "https://calls.example.com/twilio");
pub(super) const DATABASE_URL: Variable = required("DATABASE_URL", "postgres://nmc:password@localhost/nmc");
pub(super) const NATS_URL: Variable = required("NATS_URL", "nats://localhost:4222");
pub(super) const NATS_REPLICAS: Variable = default("NMC_NATS_REPLICAS", "1");
pub(super) const REDIS_URL: Variable = required("REDIS_URL", "redis://localhost:6379");
pub(super) const TWILIO_ACCOUNT_SID: Variable = required("TWILIO_ACCOUNT_SID", "AC followed by 32 hex digits");
pub(super) const TWILIO_AUTH_TOKEN: Variable =
    required("TWILIO_AUTH_TOKEN", "the 32 hex digits that the Twilio console shows");
pub(super) const TWILIO_AUTH_TOKEN_NEXT: Variable =
    optional("TWILIO_AUTH_TOKEN_NEXT", "the secondary token of the Twilio console, during a rotation");
pub(super) const TWILIO_API_URL: Variable = default("TWILIO_API_URL", "https://api.twilio.com");
pub(super) const DISPATCHBOT_URL: Variable = required("DISPATCHBOT_URL", "https://dispatchbot.example.com");
pub(super) const DISPATCHBOT_API_KEY: Variable = required("DISPATCHBOT_API_KEY", "the key that DispatchBot issued");
pub(super) const DISPATCHBOT_DIALECT: Variable = default("DISPATCHBOT_DIALECT", "v1");
pub(super) const API_KEYS: Variable = optional("NMC_API_KEYS", "nmc_first,nmc_second");
pub(super) const WINDOW_HOLD: Variable = default("NMC_WINDOW_HOLD", "60s");
pub(super) const WINDOW_QUIET: Variable = default("NMC_WINDOW_QUIET", "2s");
pub(super) const WINDOW_MAX: Variable = default("NMC_WINDOW_MAX", "90s");
pub(super) const DIAL_TIMEOUT: Variable = default("NMC_DIAL_TIMEOUT", "20s");
pub(super) const SEND_RATE: Variable = default("NMC_SEND_RATE", "1/s");
pub(super) const AI_MAX: Variable = default("NMC_AI_MAX", "30/h");
pub(super) const RATE_LIMIT: Variable = default("NMC_RATE_LIMIT", "1000/min");
pub(super) const ALERT_EVERY: Variable = default("NMC_ALERT_EVERY", "60s");
pub(super) const MISSED_CALL_COOLDOWN: Variable = default("NMC_MISSED_CALL_COOLDOWN", "30m");
pub(super) const REOPEN_WITHIN: Variable = default("NMC_REOPEN_WITHIN", "24h");
pub(super) const RECONCILE_AFTER: Variable = default("NMC_RECONCILE_AFTER", "30s");
pub(super) const KEEP: Variable = default("NMC_KEEP", "730d");
pub(super) const MAX_DELIVERIES: Variable = default("NMC_MAX_DELIVERIES", "1000");
pub(super) const REPLAY_RATE: Variable = default("NMC_REPLAY_RATE", "10/s");
pub(super) const MAX_BACKLOG: Variable = default("NMC_MAX_BACKLOG", "100000");
pub(super) const VERIFY_NUMBERS: Variable = default("NMC_VERIFY_NUMBERS", "on");
pub(super) const TOKEN_KEY: Variable = optional("NMC_TOKEN_KEY", "the output of `openssl rand -base64 32`");

/// All variables: the names that a configuration may have.
pub(super) const ALL: &[Variable] = &[
    BIND,
    MAX_CONNECTIONS,
    DOCS,
    PUBLIC_URL,
    DATABASE_URL,
    NATS_URL,
    NATS_REPLICAS,
    REDIS_URL,
    TWILIO_ACCOUNT_SID,
    TWILIO_AUTH_TOKEN,
    TWILIO_AUTH_TOKEN_NEXT,
    TWILIO_API_URL,
    DISPATCHBOT_URL,
    DISPATCHBOT_API_KEY,
    DISPATCHBOT_DIALECT,
    API_KEYS,
    WINDOW_HOLD,
    WINDOW_QUIET,
    WINDOW_MAX,
    DIAL_TIMEOUT,
    SEND_RATE,
    AI_MAX,
    RATE_LIMIT,
    RECONCILE_AFTER,
    ALERT_EVERY,
    MISSED_CALL_COOLDOWN,
    REOPEN_WITHIN,
    KEEP,
    MAX_DELIVERIES,
    REPLAY_RATE,
    MAX_BACKLOG,
    VERIFY_NUMBERS,
    TOKEN_KEY,
];
