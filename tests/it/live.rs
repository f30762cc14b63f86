//! The document's two service tests, run against the real services with test credentials: `make test-live`.

use std::time::Duration;

use nevermisscall::internals::{
    Account, AnalyzeRequest, BusinessProfile, DispatchBotClient, OutgoingSms, Priority, Secret, SendOutcome,
    SenderType, TwilioClient, WindowMessage, http_client,
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

#[tokio::test]
#[ignore = "needs test credentials: make test-live"]
async fn live_should_handle_dispatchbot_ai_integration() {
    let url = std::env::var("DISPATCHBOT_TEST_URL").unwrap_or_else(|_| "https://test-api.dispatchbot.ai".to_owned());
    let http = http_client::build().expect("an HTTP client");
    let client = DispatchBotClient::new(http, &url, Secret::new(variable("DISPATCHBOT_TEST_KEY")));
    let question = AnalyzeRequest {
        conversation_id: Uuid::now_v7(),
        window_id: Uuid::now_v7(),
        priority: Priority::Normal,
        bypass_timer: false,
        messages: vec![WindowMessage {
            sender_type: SenderType::Customer,
            body: "kitchen sink clogged need help".to_owned(),
            media: Vec::new(),
            sent_at: chrono::Utc::now(),
        }],
        customer_phone: "+12125551234".to_owned(),
        business: BusinessProfile {
            id: "integration-test".to_owned(),
            name: "Integration Test Plumbing".to_owned(),
            trade: "plumbing".to_owned(),
            timezone: "America/New_York".to_owned(),
        },
        user_settings: json!({}),
        business_settings: json!({}),
        business_hours: json!({ "monday": { "start": "08:00", "end": "18:00" } }),
        job_estimates: json!([]),
        calendar: json!([]),
    };
    // Only an answer with `success: true` counts.
    let analysis = client.analyze(&question, Duration::from_secs(10)).await.expect("success");
    assert!(analysis.job_type.is_some());
    assert!(!analysis.message_to_customer.trim().is_empty());
}
