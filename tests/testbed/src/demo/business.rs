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
            estimate("drain_cleaning", "Clears a blocked drain", (150, 350), 2),
            estimate("faucet_repair", "Repairs a faucet", (120, 250), 1),
            estimate("water_heater_repair", "Repairs a water heater", (250, 900), 3),
            estimate("plumbing_emergency", "Comes at once", (300, 1200), 2),
        ],
        "user_settings": {
            "confidence_threshold": 0.5,
            "tone": "friendly",
            "business_address": {
                "street_address": "350 5th Avenue", "city": "New York", "state": "NY", "postal_code": "10118",
            },
        },
        "calendar": [
            {"title": "Water heater, 12 Elm Street", "starts_at": soon(0), "ends_at": soon(2)},
        ],
        "templates": {},
        "emergency_contacts": CONTACTS,
    })
}

/// The estimate of a job, in the words of both dialects of DispatchBot.
fn estimate(job_type: &str, description: &str, (min, max): (u32, u32), hours: u32) -> Value {
    json!({
        "job_type": job_type, "min": min, "max": max, "hours": hours,
        "description": description, "estimated_hours": hours, "estimated_cost_min": min, "estimated_cost_max": max,
        "requires_parts": false,
    })
}
