//! The service's settings on private servers and simulators, wherever it is run here.

use crate::dispatchbot::DispatchBotOptions;
use crate::twilio::TwilioOptions;

/// The URL at which Twilio reaches the service; the proxy in front of it strips the prefix.
pub const PUBLIC_URL: &str = "https://calls.example.com/twilio";
/// The App Server's key.
pub const API_KEY: &str = "a-key-for-the-app-server-of-tests";

/// Where the servers and simulators are.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// PostgreSQL's URL.
    pub database: String,
    /// The URL of NATS, or several, separated by commas.
    pub nats: String,
    /// Redis's URL.
    pub redis: String,
    /// The URL of Twilio's REST API.
    pub twilio: String,
    /// DispatchBot's URL.
    pub dispatchbot: String,
}

impl Surroundings {
    /// The addresses and the simulators' credentials. Later settings of the same name replace them.
    pub fn settings(self) -> Vec<(String, String)> {
        let (twilio, dispatchbot) = (TwilioOptions::default(), DispatchBotOptions::default());
        owned([
            ("NMC_PUBLIC_URL", PUBLIC_URL.to_owned()),
            ("DATABASE_URL", self.database),
            ("NATS_URL", self.nats),
            ("REDIS_URL", self.redis),
            ("TWILIO_ACCOUNT_SID", twilio.account_sid),
            ("TWILIO_AUTH_TOKEN", twilio.auth_token),
            ("TWILIO_MESSAGING_URL", self.twilio.clone()),
            ("TWILIO_CONVERSATIONS_URL", self.twilio.clone()),
            ("TWILIO_MEDIA_URL", self.twilio.clone()),
            ("TWILIO_API_URL", self.twilio),
            ("DISPATCHBOT_URL", self.dispatchbot),
            ("DISPATCHBOT_API_KEY", dispatchbot.api_key),
            ("NMC_API_KEYS", API_KEY.to_owned()),
        ])
    }
}

/// Windows that close at once, and limits that a test does not reach.
pub fn hurried() -> Vec<(String, String)> {
    owned([
        ("NMC_WINDOW_HOLD", "300ms"),
        ("NMC_WINDOW_QUIET", "100ms"),
        ("NMC_WINDOW_MAX", "1s"),
        ("NMC_SEND_RATE", "1000/s"),
        ("NMC_RATE_LIMIT", "1000000/min"),
        ("NMC_RECONCILE_AFTER", "2s"),
    ])
}

/// For a program whose log is a file that is read after a failure.
pub fn brief_log() -> Vec<(String, String)> {
    owned([("RUST_LOG", "warn"), ("NO_COLOR", "1")])
}

/// Settings as pairs of strings.
pub fn owned<V: Into<String>>(settings: impl IntoIterator<Item = (&'static str, V)>) -> Vec<(String, String)> {
    settings.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}
