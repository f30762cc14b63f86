//! The settings of the programs, and the businesses of a run.

use super::Addresses;
use crate::chaos::BUSINESSES;
use crate::dispatchbot::DispatchBotOptions;
use crate::settings::{Surroundings, brief_log, hurried, owned};

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
    let surroundings = Surroundings {
        database: addresses.service_database.clone(),
        nats: addresses.nats.clone(),
        redis: addresses.redis.clone(),
        twilio: twilio_url.to_owned(),
        dispatchbot: bot_url.to_owned(),
    };
    let more = owned([
        ("NMC_NATS_REPLICAS", nodes.to_string().as_str()),
        ("NMC_ALERT_EVERY", "3s"),
        ("NMC_WINDOW_HOLD", "1500ms"),
        ("NMC_WINDOW_QUIET", "300ms"),
        ("NMC_WINDOW_MAX", "4s"),
    ]);
    [surroundings.settings(), hurried(), brief_log(), more].concat()
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
