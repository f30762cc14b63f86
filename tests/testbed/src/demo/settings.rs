//! The demo's configuration of the service: short windows, fixed credentials, and the addresses of the servers.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use anyhow::Context;

use super::place::Place;
use super::servers::Servers;
use super::simulators::Simulators;

/// The main Twilio account.
pub(super) const ACCOUNT_SID: &str = "AC00000000000000000000000000000001";
/// The account's token.
pub(super) const AUTH_TOKEN: &str = "demo-auth-token";
/// The API key for calls to DispatchBot.
pub(super) const DISPATCHBOT_KEY: &str = "demo-dispatchbot-key";
/// The App Server's API key: short, because it is typed; the service accepts it only as a demo (`NMC_DEMO`).
pub(super) const API_KEY: &str = "demo-key-for-loopback-only";

/// The time in which a person can answer.
pub(super) const HOLD: Duration = Duration::from_secs(6);
/// The debounce time.
pub(super) const QUIET: Duration = Duration::from_millis(1500);
/// The maximum length of a window.
pub(super) const MAX: Duration = Duration::from_secs(15);

/// The time between two alerts of an emergency.
pub(super) const ALERT_EVERY: Duration = Duration::from_secs(3);

/// The service's default port, used if it is free, so that addresses are easy to remember.
const USUAL_PORT: u16 = 3701;
/// The usual port for health and metrics, likewise.
const USUAL_OPS_PORT: u16 = 9464;
/// Variables with these names or prefixes are set by us or removed.
const OURS: [&str; 6] = ["NMC_", "TWILIO_", "DISPATCHBOT_", "DATABASE_URL", "NATS_URL", "REDIS_URL"];

/// The environment of the service.
pub(super) struct Wiring {
    address: String,
    ops: String,
    variables: Vec<(&'static str, String)>,
}

impl Wiring {
    pub(super) fn new(
        place: &Place,
        servers: &Servers,
        simulators: &Simulators,
        dialect: &str,
    ) -> anyhow::Result<Self> {
        let address = format!("127.0.0.1:{}", free_port(USUAL_PORT, place.is_first())?);
        let ops = format!("127.0.0.1:{}", free_port(USUAL_OPS_PORT, place.is_first())?);
        let variables = vec![
            ("NMC_BIND", address.clone()),
            ("NMC_OPS_BIND", ops.clone()),
            ("NMC_PUBLIC_URL", format!("http://{address}")),
            ("DATABASE_URL", servers.database_url().to_owned()),
            ("NATS_URL", servers.nats_url()),
            ("REDIS_URL", servers.redis_url()),
            ("TWILIO_ACCOUNT_SID", ACCOUNT_SID.to_owned()),
            ("TWILIO_AUTH_TOKEN", AUTH_TOKEN.to_owned()),
            ("TWILIO_API_URL", simulators.twilio.base_url()),
            ("TWILIO_MESSAGING_URL", simulators.twilio.base_url()),
            ("TWILIO_CONVERSATIONS_URL", simulators.twilio.base_url()),
            ("TWILIO_MEDIA_URL", simulators.twilio.base_url()),
            ("DISPATCHBOT_URL", simulators.dispatchbot.base_url()),
            ("DISPATCHBOT_API_KEY", DISPATCHBOT_KEY.to_owned()),
            ("DISPATCHBOT_DIALECT", dialect.to_owned()),
            ("NMC_API_KEYS", API_KEY.to_owned()),
            ("NMC_DEMO", "1".to_owned()),
            ("NMC_WINDOW_HOLD", format!("{}ms", HOLD.as_millis())),
            ("NMC_WINDOW_QUIET", format!("{}ms", QUIET.as_millis())),
            ("NMC_WINDOW_MAX", format!("{}ms", MAX.as_millis())),
            ("NMC_ALERT_EVERY", format!("{}ms", ALERT_EVERY.as_millis())),
            ("NMC_SEND_RATE", "10/s".to_owned()),
            ("RUST_LOG", std::env::var("RUST_LOG").unwrap_or_else(|_| "warn".to_owned())),
            ("NO_COLOR", "1".to_owned()), // its output is a file
        ];
        Ok(Self { address, ops, variables })
    }

    /// The URL at which Twilio and the App Server reach the service.
    pub(super) fn public_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address of the service's port for health and metrics.
    pub(super) fn ops(&self) -> &str {
        &self.ops
    }

    /// Sets a command's environment: our variables, and none of the same kind from the outer environment.
    pub(super) fn apply(&self, command: &mut tokio::process::Command) {
        for (name, _) in std::env::vars_os() {
            if OURS.iter().any(|ours| name.to_string_lossy().starts_with(ours)) {
                command.env_remove(name);
            }
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
    }
}

/// Only the first demo uses the usual ports: two that start together would both find them free.
fn free_port(usual: u16, first: bool) -> anyhow::Result<u16> {
    // Otherwise a port below the ephemeral range, as for the other servers.
    let others = std::iter::repeat_with(|| rand::random_range(11_000..=31_999)).take(100);
    first
        .then_some(usual)
        .into_iter()
        .chain(others)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .context("no free loopback port for the service")
}
