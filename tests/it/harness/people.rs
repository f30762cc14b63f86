//! The document's customer and business, and further customers as needed.

use serde_json::{Value, json};

pub const BUSINESS: &str = "joes-plumbing";
/// The number that customers call and write to.
pub const OUR_NUMBER: &str = "+15555551111";
/// The owner's phone, to which calls are forwarded.
pub const OWNER: &str = "+15555552222";
/// The document's customer.
pub const CUSTOMER: &str = "+12125551234";

/// Another customer.
pub fn customer(number: u32) -> String {
    format!("+1212666{number:04}")
}

/// The business, as the App Server puts it.
pub fn business() -> Value {
    let day = json!({ "start": "08:00", "end": "18:00" });
    json!({
        "name": "Joe's Plumbing",
        "user_id": "user-joe",
        "phone_numbers": [OUR_NUMBER],
        "forward_to": OWNER,
        "timezone": "America/New_York",
        "trade": "plumbing",
        "business_hours": {
            "monday": day, "tuesday": day, "wednesday": day, "thursday": day, "friday": day,
            "saturday": day, "sunday": day, // so that no test depends on the day
        },
        "job_estimates": [{ "job_type": "drain_cleaning", "min": 120, "max": 250 }],
        "user_settings": {},
        "calendar": [],
        "templates": {},
        // Tests compare what the AI says; tests/it/disclosure.rs has what stands before it.
        "policy": { "ai_disclosure": "off" },
    })
}

/// The same with what the dialect dispatch-bot-ai needs: an address, and an estimate in its words.
pub fn business_of_dispatch_bot_ai() -> Value {
    let mut business = business();
    business["user_settings"]["business_address"] =
        json!({ "street_address": "350 5th Avenue", "city": "New York", "state": "NY", "postal_code": "10118" });
    business["job_estimates"] = json!([{
        "job_type": "drain_cleaning", "description": "Clears a blocked drain", "estimated_hours": 2,
        "estimated_cost_min": 120, "estimated_cost_max": 250, "requires_parts": false,
    }]);
    business
}
