//! The external services that this one depends on; each may be unavailable.

use crate::text_enum;

text_enum! {
    /// An external service, by its name in `/health` (docs/contract.md, section 6).
    pub enum Service {
        /// JetStream.
        Nats = "nats",
        Postgres = "postgres",
        Redis = "redis",
        /// Twilio's REST API.
        Twilio = "twilio",
        DispatchBot = "dispatchbot_ai",
    }
}

impl Service {
    /// What waiting code waits for while the service is unavailable, as text for a log message.
    pub fn until_it_is_back(self) -> &'static str {
        match self {
            Self::Nats => "JetStream is available",
            Self::Postgres => "PostgreSQL is available",
            Self::Redis => "Redis is available",
            Self::Twilio => "Twilio is available",
            Self::DispatchBot => "DispatchBot is available",
        }
    }
}
