//! Handles to everything that takes part, for the journey, the watchers and the commands.

use std::sync::Arc;

use super::api::Api;
use super::phone::Phone;
use super::screen::Screen;
use super::servers::Servers;
use super::settings::Wiring;
use super::simulators::Simulators;
use super::watch::Events;
use crate::dispatchbot::DispatchBotSim;
use crate::servers::Binaries;
use crate::twilio::TwilioSim;

/// The addresses of the servers.
pub(super) struct Addresses {
    pub(super) service: String,
    /// Its port for health and metrics.
    pub(super) ops: String,
    pub(super) nats: String,
    pub(super) nats_monitor: String,
    pub(super) database: String,
    pub(super) redis: String,
}

/// All parts of the demo.
pub(super) struct Stage {
    pub(super) screen: Screen,
    pub(super) addresses: Addresses,
    pub(super) binaries: Binaries,
    pub(super) twilio: Arc<TwilioSim>,
    pub(super) dispatchbot: Arc<DispatchBotSim>,
    /// All events seen on JetStream or Redis.
    pub(super) events: Arc<Events>,
    pub(super) api: Api,
    pub(super) phone: Phone,
}

impl Stage {
    pub(super) fn new(
        screen: &Screen,
        servers: &Servers,
        simulators: &Simulators,
        wiring: &Wiring,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            screen: screen.clone(),
            addresses: Addresses {
                service: wiring.public_url(),
                ops: wiring.ops().to_owned(),
                nats: servers.nats_url(),
                nats_monitor: servers.nats_monitor_url(),
                database: servers.database_url().to_owned(),
                redis: servers.redis_url(),
            },
            binaries: servers.binaries.clone(),
            twilio: simulators.twilio.clone(),
            dispatchbot: simulators.dispatchbot.clone(),
            events: Arc::default(),
            api: Api::new(screen.clone(), wiring.public_url())?,
            phone: Phone::new(screen.clone(), simulators.twilio.clone()),
        })
    }
}
