//! The document's two service tests, run against the real services with test credentials: `make test-live`. Twilio's test
//! credentials do not reach Conversations, so the tests of Conversations need an account and one of its numbers.

use std::sync::Arc;
use std::time::Duration;

use nevermisscall::internals::{
    Account, Binding, Dialect, DispatchBotClient, Endpoint, OpenedConversation, OutgoingMessage, OutgoingSms, Priority,
    Question, Said, Secret, SendOutcome, Sender, TwilioClient, http_client,
};
use nmc_testbed::twilio::TwilioOptions;
use serde_json::json;
use uuid::Uuid;

use crate::conversations::{TwilioRest, sid_of};
use crate::harness::{App, BUSINESS, CUSTOMER, OUR_NUMBER, PUBLIC_URL, business, query, spawn_app};

const TWILIO: &str = "https://api.twilio.com";
const CONVERSATIONS: &str = "https://conversations.twilio.com";
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
async fn live_sms_are_accepted_or_refused_as_documented() {
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

/// An account that has Conversations, and one of its numbers.
struct Conversing {
    account: Account,
    number: String,
    /// Who gets the texts.
    customer: String,
}

impl Conversing {
    fn from_variables() -> Self {
        let sid = variable("TWILIO_TEST_CONVERSATIONS_SID");
        let token = Secret::new(variable("TWILIO_TEST_CONVERSATIONS_TOKEN"));
        // The document's participant, unless another is named.
        let customer = std::env::var("TWILIO_TEST_CONVERSATIONS_CUSTOMER").unwrap_or_else(|_| SENDER.to_owned());
        let number = variable("TWILIO_TEST_CONVERSATIONS_NUMBER");
        Self { account: Account { sid, token }, number, customer }
    }

    fn rest(&self, base: &str) -> TwilioRest {
        TwilioRest::at(base, &self.account.sid, self.account.token.expose())
    }
}

/// What sending by Conversations relies on: a pair of numbers has one conversation, which a refusal names; the participant's
/// numbers can be read; and what was posted is found by our id of it.
async fn conversations_are_opened_found_and_posted_to(base: &str, of: &Conversing) {
    let http = http_client::build().expect("an HTTP client");
    let client = TwilioClient::new(http, TWILIO.to_owned(), Duration::from_secs(30)).with_conversations(base, base);
    let (account, began) = (&of.account, chrono::Utc::now());
    let OpenedConversation::Open { conversation_sid, participant_sid } =
        client.open_conversation(account, &of.number, &of.customer).await
    else {
        panic!("no conversation was opened")
    };
    let again = client.open_conversation(account, &of.number, &of.customer).await;
    let participant = participant_sid.clone().unwrap_or_default();
    let binding = client.binding(account, &conversation_sid, &participant).await;
    let message_id = Uuid::now_v7();
    let body = "Integration test message".to_owned();
    let message = OutgoingMessage { message_id, author: of.number.clone(), body };
    let posted = client.post(account, &conversation_sid, &message).await;
    let found = client.posted(account, &conversation_sid, message_id, began).await;
    let was_open = client.is_open(account, &conversation_sid).await;
    of.rest(base).delete(&format!("Conversations/{conversation_sid}")).await;

    assert!(participant_sid.is_some(), "a conversation of an earlier run was there; it is deleted now: run it again");
    assert_eq!(again, OpenedConversation::Open { conversation_sid: conversation_sid.clone(), participant_sid: None });
    let expected = Binding { business_phone: of.number.clone(), customer_phone: of.customer.clone() };
    assert!(binding.expect("a participant") == Some(expected));
    let SendOutcome::Accepted { sid, .. } = posted else { panic!("{posted:?}") };
    assert_eq!(found.expect("a list"), Some(sid));
    assert!(was_open.expect("a conversation"));
    assert!(!client.is_open(account, &conversation_sid).await.expect("an answer"), "it is deleted");
}

/// The document's test, step by step. Twilio cannot reach the service, so its webhook, which names only what Twilio has, is
/// delivered here; the service asks Twilio for the participant.
async fn a_message_of_a_conversation_is_processed(app: &App, base: &str, of: &Conversing) {
    let mut document = business();
    document["phone_numbers"] = json!([of.number]);
    app.put_business(BUSINESS, &document).await;
    let twilio = of.rest(base);
    // Create actual conversation
    let conversation = twilio.post("Conversations", &[("FriendlyName", "Integration Test Conversation")]).await;
    let path = format!("Conversations/{}", sid_of(&conversation));
    // Add participants
    let binding = [("MessagingBinding.Address", &*of.customer), ("MessagingBinding.ProxyAddress", &*of.number)];
    let participant = twilio.post(&format!("{path}/Participants"), &binding).await;
    // Send message and verify webhook received
    let message = [("Author", &*of.customer), ("Body", "Integration test message")];
    let message = twilio.post(&format!("{path}/Messages"), &message).await;
    let webhook = [
        ("EventType", "onMessageAdded"),
        ("AccountSid", &of.account.sid),
        ("ConversationSid", sid_of(&conversation)),
        ("ParticipantSid", sid_of(&participant)),
        ("MessageSid", sid_of(&message)),
        ("Author", &of.customer),
        ("Body", "Integration test message"),
        ("Source", "API"),
    ];
    let client = app.webhook_as(PUBLIC_URL, &of.account.sid, of.account.token.expose());
    let answer = client.post("/webhooks/twilio/conversations", &webhook).await.expect("an answer");
    assert_eq!(answer.status, 204);
    // Verify webhook processing
    app.wait_for_event_of(&of.customer, 1, "message.received").await;
    let processed = app.rest.get(&query("/messages", &[("twilio_sid", sid_of(&message))])).await.ok();
    twilio.delete(&path).await;
    assert_eq!(
        (&processed["body"], &processed["sender_type"]),
        (&json!("Integration test message"), &json!("customer"))
    );
}

#[tokio::test]
#[ignore = "needs an account with Conversations: make test-live"]
async fn live_conversations_are_opened_found_and_posted_to() {
    conversations_are_opened_found_and_posted_to(CONVERSATIONS, &Conversing::from_variables()).await;
}

#[tokio::test]
#[ignore = "needs an account with Conversations: make test-live"]
async fn live_should_handle_twilio_service_integration_end_to_end() {
    let of = Conversing::from_variables();
    let app = App::setup()
        .set("TWILIO_ACCOUNT_SID", &of.account.sid)
        .set("TWILIO_AUTH_TOKEN", of.account.token.expose())
        .set("TWILIO_CONVERSATIONS_URL", CONVERSATIONS)
        .start()
        .await;
    a_message_of_a_conversation_is_processed(&app, CONVERSATIONS, &of).await;
}

/// The live tests themselves work: Twilio is the only difference.
#[tokio::test]
async fn the_tests_of_conversations_pass_with_the_simulator() {
    let app = spawn_app().await;
    let TwilioOptions { account_sid, auth_token, .. } = TwilioOptions::default();
    let account = Account { sid: account_sid, token: Secret::new(auth_token) };
    let of = Conversing { account, number: OUR_NUMBER.to_owned(), customer: CUSTOMER.to_owned() };
    let base = app.servers.twilio.base_url();
    conversations_are_opened_found_and_posted_to(&base, &of).await;
    a_message_of_a_conversation_is_processed(&app, &base, &of).await;
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
