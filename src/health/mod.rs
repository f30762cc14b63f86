//! The services that ours rests on: how each fares, and what is told of it.
//!
//! Looked at once a second in every process ([`watch()`]), and whenever `/health` is asked. A change is logged once, and told
//! to everybody as `service.degraded` or `service.restored`. What an error says of them is in [`crate::adapters::outage::missing`].

mod announce;
mod look;
mod vitals;
mod watch;

pub use announce::AnnounceError;
pub use look::{Look, Probes};
pub use vitals::Vitals;
pub use watch::watch;

use crate::text_enum;

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
