//! The parties of the demo: a plumber, and a customer with a blocked sink.

use chrono::{SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

/// The business's id in the App Server.
pub(super) const ID: &str = "joes-plumbing";
/// The owner's id in the App Server.
pub(super) const USER_ID: &str = "user-joe";
/// The number that customers call.
pub(super) const PHONE: &str = "+15555551111";
/// The owner's phone.
pub(super) const OWNER_PHONE: &str = "+15555552222";
/// The emergency contacts that get alerts after the owner, in this order.
pub(super) const CONTACTS: [&str; 2] = ["+15555553333", "+15555554444"];
/// The customer's phone.
pub(super) const CUSTOMER_PHONE: &str = "+12125551234";

/// The document with which the App Server creates the business.
pub(super) fn document() -> Value {
    let open = |start: &str, end: &str| json!({"start": start, "end": end});
    let weekday = open("08:00", "18:00");
    let soon = |hours| (Utc::now() + TimeDelta::hours(hours)).to_rfc3339_opts(SecondsFormat::Secs, true);
    json!({
        "id": ID,
        "name": "Joe's Plumbing",
        "user_id": USER_ID,
        "phone_numbers": [PHONE],
        "forward_to": OWNER_PHONE,
        "timezone": "America/New_York",
        "trade": "plumbing",
        "business_hours": {
            "monday": weekday, "tuesday": weekday, "wednesday": weekday, "thursday": weekday, "friday": weekday,
            "saturday": open("09:00", "15:00"),
            "sunday": open("10:00", "14:00"),
        },
        "job_estimates": [
            {"job_type": "drain_cleaning", "min": 150, "max": 350, "hours": 2},
            {"job_type": "faucet_repair", "min": 120, "max": 250, "hours": 1},
            {"job_type": "water_heater_repair", "min": 250, "max": 900, "hours": 3},
            {"job_type": "plumbing_emergency", "min": 300, "max": 1200, "hours": 2},
        ],
        "user_settings": {"confidence_threshold": 0.5, "tone": "friendly"},
        "calendar": [
            {"title": "Water heater, 12 Elm Street", "starts_at": soon(0), "ends_at": soon(2)},
        ],
        "templates": {},
        "emergency_contacts": CONTACTS,
    })
}
