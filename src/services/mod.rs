//! The services that ours rests on: how each fares, and what is told of it.
//!
//! Looked at once a second in every process ([`watch()`]), and whenever `/health` is asked. A change is logged once, and told
//! to everybody as `service.degraded` or `service.restored`. What an error says of them is in [`missing()`].

mod announce;
mod look;
mod missing;
mod watch;

pub use announce::AnnounceError;
pub use look::{Look, Probes};
pub use missing::missing;
pub use watch::watch;

use crate::text_enum;

text_enum! {
    /// A service that ours rests on, by the name that `/health` has for it (contract, section 6).
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

text_enum! {
    /// How a service fares.
    pub enum State {
        /// As it should.
        Healthy = "healthy",
        /// It answers, and not as it should.
        Degraded = "degraded",
        /// It does not answer.
        Down = "down",
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
