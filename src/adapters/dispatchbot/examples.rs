//! A question, for the tests of the dialects and of the client.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::question::{Question, Said, Sender};
use crate::domain::business::Profile;
use crate::domain::conversation::{Media, Priority};

/// A question of a customer with a leaking sink, about a business with these job estimates.
pub(super) fn question(job_estimates: Value) -> Question {
    let media = vec![Media { url: "https://m.example/1".into(), content_type: "image/png".into(), is_foreign: false }];
    Question {
        conversation_id: Uuid::from_u128(1),
        window_id: Uuid::from_u128(2),
        priority: Priority::Normal,
        customer: "+15550001111".parse().unwrap(),
        business_phone: "+15555551111".parse().unwrap(),
        business: Arc::new(business(job_estimates)),
        messages: vec![Said { media, ..said("My sink leaks") }],
    }
}

fn business(job_estimates: Value) -> Profile {
    let document = json!({
        "id": "b1", "name": "Pipes", "user_id": "u1", "phone_numbers": ["+15555551111"], "forward_to": "+15555552222",
        "timezone": "America/New_York", "trade": "plumbing", "business_hours": { "monday": null },
        "job_estimates": job_estimates, "user_settings": {}, "calendar": [],
    });
    serde_json::from_value(document).unwrap()
}

/// A text of the customer that is to be answered.
pub(super) fn said(body: &str) -> Said {
    Said {
        sender: Sender::Customer,
        body: body.to_owned(),
        media: Vec::new(),
        sent_at: "2026-01-05T14:00:00Z".parse().unwrap(),
        in_window: true,
    }
}
