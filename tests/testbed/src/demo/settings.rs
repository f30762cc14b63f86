//! How the demo sets the service up: short windows, fixed credentials, and the addresses of what was started.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use anyhow::Context;

use super::place::Place;
use super::servers::Servers;
use super::simulators::Simulators;

/// The main Twilio account.
pub(super) const ACCOUNT_SID: &str = "AC00000000000000000000000000000001";
/// Its token.
pub(super) const AUTH_TOKEN: &str = "demo-auth-token";
/// What DispatchBot is called with.
pub(super) const DISPATCHBOT_KEY: &str = "demo-dispatchbot-key";
/// What the App Server calls us with.
pub(super) const API_KEY: &str = "demo-key-for-loopback-only";

/// How long a person has to answer.
pub(super) const HOLD: Duration = Duration::from_secs(6);
/// Debounce.
pub(super) const QUIET: Duration = Duration::from_millis(1500);
/// The longest window.
pub(super) const MAX: Duration = Duration::from_secs(15);

/// From one alert of an emergency to the next.
pub(super) const ALERT_EVERY: Duration = Duration::from_secs(3);

/// The service's own port where that is free, for addresses that can be remembered.
const USUAL_PORT: u16 = 3701;
/// Variables of these names come from us or not at all.
const OURS: [&str; 6] = ["NMC_", "TWILIO_", "DISPATCHBOT_", "DATABASE_URL", "NATS_URL", "REDIS_URL"];

/// The service's environment.
pub(super) struct Wiring {
    address: String,
    variables: Vec<(&'static str, String)>,
}

impl Wiring {
    pub(super) fn new(place: &Place, servers: &Servers, simulators: &Simulators) -> anyhow::Result<Self> {
        let address = format!("127.0.0.1:{}", free_port(place.is_first())?);
        let variables = vec![
            ("NMC_BIND", address.clone()),
            ("NMC_PUBLIC_URL", format!("http://{address}")),
            ("DATABASE_URL", servers.database_url().to_owned()),
            ("NATS_URL", servers.nats_url()),
            ("REDIS_URL", servers.redis_url()),
            ("TWILIO_ACCOUNT_SID", ACCOUNT_SID.to_owned()),
            ("TWILIO_AUTH_TOKEN", AUTH_TOKEN.to_owned()),
            ("TWILIO_API_URL", simulators.twilio.base_url()),
            ("DISPATCHBOT_URL", simulators.dispatchbot.base_url()),
            ("DISPATCHBOT_API_KEY", DISPATCHBOT_KEY.to_owned()),
            ("NMC_API_KEYS", API_KEY.to_owned()),
            ("NMC_WINDOW_HOLD", format!("{}ms", HOLD.as_millis())),
            ("NMC_WINDOW_QUIET", format!("{}ms", QUIET.as_millis())),
            ("NMC_WINDOW_MAX", format!("{}ms", MAX.as_millis())),
            ("NMC_ALERT_EVERY", format!("{}ms", ALERT_EVERY.as_millis())),
            ("NMC_SEND_RATE", "10/s".to_owned()),
            ("RUST_LOG", std::env::var("RUST_LOG").unwrap_or_else(|_| "warn".to_owned())),
            ("NO_COLOR", "1".to_owned()), // its output is a file
        ];
        Ok(Self { address, variables })
    }

    /// What Twilio and the App Server know the service by.
    pub(super) fn public_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sets a command's environment: ours, and nothing of the same kind from around us.
    pub(super) fn apply(&self, command: &mut tokio::process::Command) {
        for (name, _) in std::env::vars_os() {
            if OURS.iter().any(|ours| name.to_string_lossy().starts_with(ours)) {
                command.env_remove(name);
            }
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
    }
}

/// The usual port goes to the first demo only: two that start together would both find it free.
fn free_port(first: bool) -> anyhow::Result<u16> {
    // Otherwise from below the ephemeral range, as the other servers.
    let others = std::iter::repeat_with(|| rand::random_range(11_000..=31_999)).take(100);
    first
        .then_some(USUAL_PORT)
        .into_iter()
        .chain(others)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .context("no free loopback port for the service")
}
