//! The document's two service tests, run against the real services with test credentials: `make test-live`.

use std::sync::Arc;
use std::time::Duration;

use nevermisscall::internals::{
    Account, Dialect, DispatchBotClient, Endpoint, OutgoingSms, Priority, Question, Said, Secret, SendOutcome, Sender,
    TwilioClient, http_client,
};
use serde_json::json;
use uuid::Uuid;

const TWILIO: &str = "https://api.twilio.com";
/// Twilio's magic numbers: the sender that works with test credentials.
const SENDER: &str = "+15005550006";

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

async fn send(to: &str) -> SendOutcome {
    let account = Account { sid: variable("TWILIO_TEST_SID"), token: Secret::new(variable("TWILIO_TEST_TOKEN")) };
    let http = http_client::build().expect("an HTTP client");
    let client = TwilioClient::new(http, TWILIO.to_owned(), Duration::from_secs(30));
    let sms = OutgoingSms {
        to: to.to_owned(),
        from: SENDER.to_owned(),
        body: "Integration test message".to_owned(),
        status_callback: "https://calls.example.com/twilio/webhooks/twilio/message-status".to_owned(),
        validity: Duration::from_secs(600),
    };
    client.send(&account, &sms).await
}

#[tokio::test]
#[ignore = "needs test credentials: make test-live"]
async fn live_should_handle_twilio_service_integration_end_to_end() {
    let accepted = send("+14108675310").await;
    assert!(matches!(accepted, SendOutcome::Accepted { .. }), "{accepted:?}");
    for (to, code) in [
        ("+15005550001", 21211),
        ("+15005550002", 21612),
        ("+15005550003", 21408),
        ("+15005550004", 21610),
        ("+15005550009", 21614),
    ] {
        match send(to).await {
            SendOutcome::Rejected { code: Some(told), .. } => assert_eq!(told, code, "{to}"),
            other => panic!("{to}: {other:?}"),
        }
    }
}

/// Asks the real DispatchBot, in the dialect of `DISPATCHBOT_TEST_DIALECT`.
#[tokio::test]
#[ignore = "needs test credentials: make test-live"]
async fn live_should_handle_dispatchbot_ai_integration() {
    let url = std::env::var("DISPATCHBOT_TEST_URL").unwrap_or_else(|_| "https://test-api.dispatchbot.ai".to_owned());
    let dialect = std::env::var("DISPATCHBOT_TEST_DIALECT").unwrap_or_else(|_| "v1".to_owned());
    let dialect: Dialect = dialect.parse().expect("v1 or dispatch-bot-ai");
    let api_key = Secret::new(variable("DISPATCHBOT_TEST_KEY"));
    let http = http_client::build().expect("an HTTP client");
    let client = DispatchBotClient::new(http, Endpoint { url, dialect, api_key });
    let document = json!({
        "id": "integration-test",
        "name": "Integration Test Plumbing",
        "user_id": "integration-test",
        "phone_numbers": ["+12125550100"],
        "forward_to": "+12125550101",
        "timezone": "America/New_York",
        "trade": "plumbing",
        "business_hours": { "monday": { "start": "08:00", "end": "18:00" } },
        "job_estimates": [{
            "job_type": "drain_cleaning", "description": "Clears a blocked drain", "estimated_hours": 2,
            "estimated_cost_min": 120, "estimated_cost_max": 250, "requires_parts": false,
        }],
        "user_settings": { "business_address": {
            "street_address": "350 5th Avenue", "city": "New York", "state": "NY", "postal_code": "10118",
        } },
        "calendar": [],
    });
    let now = chrono::Utc::now();
    let said = |sender, body: &str, in_window| Said {
        sender,
        body: body.to_owned(),
        media: Vec::new(),
        sent_at: now,
        in_window,
    };
    let question = Question {
        conversation_id: Uuid::now_v7(),
        window_id: Uuid::now_v7(),
        priority: Priority::Normal,
        customer: "+12125551234".parse().expect("a number"),
        business_phone: "+12125550100".parse().expect("a number"),
        business: Arc::new(serde_json::from_value(document).expect("a business")),
        messages: vec![
            said(Sender::Service, "Hi! I missed your call. How can I help?", false),
            said(Sender::Customer, "kitchen sink clogged need help", true),
        ],
    };
    // Only an answer that can be read counts.
    let answer = client.analyze(&question, Duration::from_secs(10)).await.expect("an answer");
    assert!(!answer.text.trim().is_empty());
    if dialect == Dialect::V1 {
        assert!(answer.job_type.is_some());
    }
}
