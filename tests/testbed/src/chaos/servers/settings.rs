//! The settings of the programs, and the businesses of a run.

use super::Addresses;
use crate::chaos::BUSINESSES;
use crate::chaos::surroundings::{API_KEY, PUBLIC_URL};
use crate::dispatchbot::DispatchBotOptions;
use crate::twilio::TwilioOptions;

/// DispatchBot's settings.
pub(super) fn of_dispatchbot() -> Vec<(String, String)> {
    vec![("DISPATCHBOT_API_KEY".to_owned(), DispatchBotOptions::default().api_key)]
}

/// The service's settings. Windows are short, so that much happens between two kills. The time until absence is proven
/// is short too; the simulator accepts messages within half of it.
pub(super) fn of_the_service(
    addresses: &Addresses,
    nodes: usize,
    twilio_url: &str,
    bot_url: &str,
) -> Vec<(String, String)> {
    let (twilio, bot) = (TwilioOptions::default(), DispatchBotOptions::default());
    let settings = [
        ("NMC_PUBLIC_URL", PUBLIC_URL.to_owned()),
        ("DATABASE_URL", addresses.database.clone()),
        ("NATS_URL", addresses.nats.clone()),
        ("NMC_NATS_REPLICAS", nodes.to_string()),
        ("REDIS_URL", addresses.redis.clone()),
        ("TWILIO_ACCOUNT_SID", twilio.account_sid),
        ("TWILIO_AUTH_TOKEN", twilio.auth_token),
        ("TWILIO_API_URL", twilio_url.to_owned()),
        ("DISPATCHBOT_URL", bot_url.to_owned()),
        ("DISPATCHBOT_API_KEY", bot.api_key),
        ("NMC_API_KEYS", API_KEY.to_owned()),
        ("NMC_WINDOW_HOLD", "1500ms".to_owned()),
        ("NMC_WINDOW_QUIET", "300ms".to_owned()),
        ("NMC_WINDOW_MAX", "4s".to_owned()),
        ("NMC_SEND_RATE", "1000/s".to_owned()),
        ("NMC_RATE_LIMIT", "1000000/min".to_owned()),
        ("NMC_RECONCILE_AFTER", "2s".to_owned()),
        ("NMC_ALERT_EVERY", "3s".to_owned()),
        ("RUST_LOG", "warn".to_owned()),
        ("NO_COLOR", "1".to_owned()),
    ];
    settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The businesses' documents, as the App Server sends them.
pub(in crate::chaos) fn businesses() -> Vec<(&'static str, serde_json::Value)> {
    let business = |number: usize| {
        serde_json::json!({
            "name": format!("Joe's Plumbing {number}"), "user_id": "user-joe", "phone_numbers": [BUSINESSES[number].1],
            "forward_to": format!("+1555555222{number}"), "timezone": "America/New_York", "trade": "plumbing",
            "job_estimates": [{ "job_type": "drain_cleaning", "min": 120, "max": 250 }],
            "emergency_contacts": [format!("+1555555333{number}")],
        })
    };
    BUSINESSES.iter().enumerate().map(|(number, (id, _))| (*id, business(number))).collect()
}
