//! The external services: the state of each, and the events about it.
//!
//! Probed once a second in every process ([`watch()`]), and whenever `/health` is requested. A change is logged once, and
//! published as `service.degraded` or `service.restored`. Which service an error is about:
//! [`crate::adapters::outage::missing`]. What `/metrics` shows of them besides is read by [`measure()`].

mod announce;
mod measure;
mod probes;
mod vitals;
mod watch;

pub use measure::{Gauges, measure};
pub use probes::{Look, Probes};
pub use vitals::Vitals;
pub use watch::watch;

use crate::text_enum;

text_enum! {
    /// The state of a service.
    pub enum State {
        Healthy = "healthy",
        /// It answers, but does not work as it should.
        Degraded = "degraded",
        /// It does not answer.
        Down = "down",
    }
}
