//! The services that ours rests on, any of which may be away.

use crate::text_enum;

text_enum! {
    /// A service that ours rests on, by the name that `/health` has for it (docs/contract.md, section 6).
    pub enum Service {
        /// JetStream.
        Nats = "nats",
        /// PostgreSQL.
        Postgres = "postgres",
        /// Redis.
        Redis = "redis",
        /// Twilio's REST API.
        Twilio = "twilio",
        /// DispatchBot.
        DispatchBot = "dispatchbot_ai",
    }
}

impl Service {
    /// What is waited for where the service is missing, for a log.
    pub fn until_it_is_back(self) -> &'static str {
        match self {
            Self::Nats => "JetStream is back",
            Self::Postgres => "PostgreSQL is back",
            Self::Redis => "Redis is back",
            Self::Twilio => "Twilio is back",
            Self::DispatchBot => "DispatchBot is back",
        }
    }
}
