//! Tests 1–7, 11 and 12 and integration test 1 of the user's document (8 and 9 are in takeover.rs and emergencies.rs, 10
//! in performance.rs, and the rate limit of 12 in keys.rs), its call flow and its customer journey, with their original
//! titles.

use chrono::DateTime;
use nmc_testbed::dispatchbot::Fault;
use nmc_testbed::servers::Signal;
use nmc_testbed::sim::Rule;
use nmc_testbed::twilio::TwilioOptions;
use nmc_testbed::twilio::webhooks::params;
use serde_json::{Value, json};

use crate::conversations::{TwilioRest, sid_of};
use crate::harness::{
    API_KEY, App, BUSINESS, CUSTOMER, Child, OUR_NUMBER, OWNER, PATIENCE, PUBLIC_URL, Rest, Servers, business,
    eventually, query, spawn_app, wait_for_stored,
};
use crate::missing::wait_for_health;

const CALL: &str = "CA123456789";
const TEXT: &str = "SM123456789";

/// `createTestConversation`: a missed call whose SMS has been delivered.
async fn create_test_conversation(app: &App) -> Value {
    app.miss_call(CUSTOMER).await;
    app.wait_for_event("message.delivered").await;
    app.conversation_of(CUSTOMER).await
}

fn id(conversation: &Value) -> &str {
    conversation["id"].as_str().expect("an id")
}

#[tokio::test]
async fn document_test_1_should_validate_twilio_signatures() {
    let app = spawn_app().await;
    let invalid = app.webhook().with_header("x-twilio-signature", "invalid-signature");
    let answer = invalid.incoming_call(CALL, CUSTOMER, OUR_NUMBER, "ringing").await.unwrap();
    assert_eq!(answer.status, 401);
    assert_eq!(answer.json()["error"]["code"], "INVALID_SIGNATURE");
}

#[tokio::test]
async fn document_test_2_should_forward_incoming_calls_with_twiml() {
    let app = spawn_app().await;
    let call = [("CallSid", CALL), ("From", CUSTOMER), ("To", OUR_NUMBER), ("CallStatus", "ringing")];
    let answer = app.webhook().post("/webhooks/twilio/call", &call).await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("<Dial"), "{}", answer.body);
    assert_eq!(answer.dial_number().as_deref(), Some(OWNER));
    assert_eq!(OWNER, "+15555552222");
    assert!(answer.body.contains(r#"timeout="20""#), "{}", answer.body);
}

#[tokio::test]
async fn document_test_3_should_send_auto_sms_when_call_is_not_answered() {
    let app = spawn_app().await;
    let ringing = app.webhook().incoming_call(CALL, CUSTOMER, OUR_NUMBER, "ringing").await.unwrap();
    assert_eq!(ringing.status, 200);
    let status =
        [("CallSid", CALL), ("CallStatus", "completed"), ("DialCallStatus", "no-answer"), ("CallDuration", "0")];
    let answer = app.webhook().post(&format!("/webhooks/twilio/call/status/{CALL}"), &status).await.unwrap();
    assert_eq!(answer.status, 200);
    let sms = &app.wait_for_sms("+12125551234", 1).await[0];
    assert_eq!((sms.to.as_str(), sms.from.as_str()), ("+12125551234", "+15555551111"));
    assert!(sms.body.contains("Hi! I missed your call"), "{}", sms.body);
}

#[tokio::test]
async fn document_test_4_should_thread_sms_to_existing_conversation() {
    let app = spawn_app().await;
    let conversation = create_test_conversation(&app).await;
    let body = "Yes, I need emergency plumbing help!";
    let answer = app.webhook().sms(TEXT, CUSTOMER, OUR_NUMBER, body).await.unwrap();
    assert_eq!(answer.status, 200);
    app.wait_for_event("message.received").await;
    // The AI may answer at any time; later messages are appended.
    let messages = app.messages(id(&conversation)).await;
    assert!(messages.len() >= 2);
    assert_eq!(messages[1]["body"], body);
    assert_eq!(messages[1]["sender_type"], "customer");
    assert_eq!(app.conversations_of(CUSTOMER).await.len(), 1);
}

#[tokio::test]
async fn document_test_4_should_thread_sms_to_existing_conversation_of_two_messages() {
    let app = App::setup().set("NMC_WINDOW_HOLD", "60s").set("NMC_WINDOW_MAX", "90s").start().await;
    let conversation = create_test_conversation(&app).await;
    app.text(CUSTOMER, "Yes, I need emergency plumbing help!").await;
    app.wait_for_event("message.received").await;
    let messages = app.messages(id(&conversation)).await;
    assert_eq!(messages.len(), 2); // Auto-SMS + customer reply
    assert_eq!(messages[0]["sender_type"], "ai");
    assert_eq!(messages[1]["sender_type"], "customer");
}

#[tokio::test]
async fn document_test_5_should_start_ai_timer_on_first_customer_message() {
    let app = spawn_app().await;
    let conversation = create_test_conversation(&app).await;
    assert_eq!(conversation["ai_timer_started"], false);
    app.text(CUSTOMER, "Emergency: basement flooding!").await;
    app.wait_for_event("conversation.ai_timer_started").await;
    let updated = app.conversation(id(&conversation)).await;
    assert_eq!(updated["ai_timer_started"], true);
    let started_at = updated["ai_timer_started_at"].as_str().expect("a time");
    DateTime::parse_from_rfc3339(started_at).expect("RFC 3339");
}

#[tokio::test]
async fn document_test_5_should_trigger_ai_takeover_after_60_seconds() {
    // The window is short here; a test of the configuration checks the default of 60 s.
    let app = spawn_app().await;
    let conversation = create_test_conversation(&app).await;
    app.servers.dispatchbot.script([json!({
        "success": true, "job_type": "plumbing_service", "urgency_level": "normal", "emergency_detected": false,
        "message_to_customer": "AI generated response", "confidence": 0.9,
    })]);
    app.text(CUSTOMER, "The sink is blocked").await;
    let asked = app.wait_for_questions(1).await;
    assert_eq!(asked[0]["conversation_id"], conversation["id"]);
    let sms = app.wait_for_sms(CUSTOMER, 2).await;
    assert!(sms[1].body.contains("AI generated response"), "{}", sms[1].body);
    let taken = app.wait_for_event("conversation.ai_taken").await;
    assert_eq!(taken["conversation_id"], conversation["id"]);
    let updated = app.conversation(id(&conversation)).await;
    assert_eq!((&updated["status"], &updated["ownership"]), (&json!("ai_handling"), &json!("ai")));
}

#[tokio::test]
async fn document_test_6_should_publish_conversation_events_to_redis() {
    let app = spawn_app().await;
    let conversation = create_test_conversation(&app).await;
    let event = app.wait_for_event("conversation.created").await;
    assert_eq!(event["conversation_id"], conversation["id"]);
    assert_eq!(event["user_id"], conversation["user_id"]);
    assert_eq!(event["customer_phone"], conversation["customer_phone"]);
}

#[tokio::test]
async fn document_test_7_should_send_conversation_context_to_dispatchbot() {
    let app = spawn_app().await;
    let mut ours = business();
    ours["templates"] = json!({ "missed_call": "Hi! I missed your call. How can I help?" });
    ours["user_settings"] = json!({ "tone": "friendly" });
    ours["job_estimates"] = json!([{ "job_type": "plumbing_emergency", "min": 300, "max": 1200 }]);
    ours["calendar"] = json!([{ "starts_at": "2026-12-01T09:00:00-05:00", "title": "Boiler at the school" }]);
    app.put_business(BUSINESS, &ours).await;
    let conversation = create_test_conversation(&app).await;
    app.text(CUSTOMER, "Water heater burst in basement!").await;
    let asked = app.wait_for_questions(1).await[0].clone();
    assert_eq!(asked["conversation_id"], conversation["id"]);
    let said = |at: usize| (asked["messages"][at]["sender_type"].clone(), asked["messages"][at]["body"].clone());
    assert_eq!(said(0), (json!("ai"), json!("Hi! I missed your call. How can I help?")));
    assert_eq!(said(1), (json!("customer"), json!("Water heater burst in basement!")));
    assert_eq!(asked["messages"].as_array().map(Vec::len), Some(2));
    for field in ["user_settings", "business_hours", "job_estimates", "calendar"] {
        assert_eq!(asked[field], ours[field], "{field}");
    }
    assert_eq!(asked["business_settings"], ours["user_settings"]);
    // DispatchBot's answer decides the result.
    let sms = app.wait_for_sms(CUSTOMER, 2).await;
    assert!(sms[1].body.contains("emergency"), "{}", sms[1].body);
    app.wait_for_event_of(CUSTOMER, 2, "message.delivered").await;
    let updated = app.conversation(id(&conversation)).await;
    assert_eq!((&updated["job_type"], &updated["urgency_level"]), (&json!("plumbing_emergency"), &json!("emergency")));
}

#[tokio::test]
async fn document_integration_should_handle_missed_call_and_send_sms() {
    let app = spawn_app().await;
    // Step 1: Incoming call
    let account = app.webhook().account_sid().to_owned();
    let incoming = params::incoming_call(&account, CALL, CUSTOMER, OUR_NUMBER, "ringing");
    assert_eq!(app.webhook().post("/webhooks/twilio/call", &incoming).await.unwrap().status, 200);
    // Step 2: Call status (missed)
    let ended = app.webhook().call_status(CALL, "no-answer", Some(CUSTOMER), Some(OUR_NUMBER), 0).await;
    assert_eq!(ended.unwrap().status, 200);
    // Step 3: Verify auto-SMS sent
    app.wait_for_sms(CUSTOMER, 1).await;
    // Step 4: Verify database records
    let call = app.call(CALL).await;
    let call_id: uuid::Uuid = call["id"].as_str().expect("an id").parse().expect("a UUID");
    let mut sql = app.servers.sql().await;
    let found: Vec<uuid::Uuid> = sqlx::query_scalar("SELECT id FROM conversations WHERE call_id = $1")
        .bind(call_id)
        .fetch_all(&mut sql)
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(call["conversation_id"], found[0].to_string());
}

#[tokio::test]
async fn document_system_integration_should_handle_complete_missed_call_to_appointment_booking_flow() {
    let app = spawn_app().await;
    // Steps 1 and 2: Incoming call, missed
    let call = app.servers.twilio.call("+12125551234", OUR_NUMBER, "no-answer").await.unwrap();
    assert_eq!(call.ringing.status, 200);
    assert_eq!(call.action.expect("a dial").status, 200);
    app.wait_for_sms("+12125551234", 1).await;
    // Step 3: Customer response
    app.text("+12125551234", "Yes, kitchen sink is completely blocked. Need help today!").await;
    // Step 4: AI analysis and response
    app.wait_for_questions(1).await;
    let sms = app.wait_for_sms("+12125551234", 2).await;
    assert!(sms[1].body.contains("plumbing"), "{}", sms[1].body);
    app.wait_for_event_of("+12125551234", 2, "message.delivered").await;
    // Step 5: Appointment booking
    app.text("+12125551234", "Yes, 3pm today works perfectly").await;
    // Step 6: Verify complete flow
    app.wait_for_event("conversation.completed").await;
    let conversation = app.conversation_of("+12125551234").await;
    assert_eq!(conversation["status"], "completed");
    let of_it = |event: &Value| {
        event["event_type"] == "appointment.requested" && event["conversation_id"] == conversation["id"]
    };
    assert_eq!(app.events.log().await.iter().filter(|event| of_it(event)).count(), 1);
}

/// Of the user's document's two service integration tests, the one with Twilio; here Twilio is simulated.
#[tokio::test]
async fn document_integration_should_handle_twilio_service_integration_end_to_end() {
    let app = spawn_app().await;
    let twilio = TwilioRest::new(&app);
    // Create actual conversation
    let conversation = twilio.post("Conversations", &[("FriendlyName", "Integration Test Conversation")]).await;
    let conversation = format!("Conversations/{}", sid_of(&conversation));
    // Add participants
    let binding = [("MessagingBinding.Address", "+15005550006"), ("MessagingBinding.ProxyAddress", OUR_NUMBER)];
    twilio.post(&format!("{conversation}/Participants"), &binding).await;
    // Send message and verify webhook received
    let message = [("Author", "+15005550006"), ("Body", "Integration test message")];
    let message = twilio.post(&format!("{conversation}/Messages"), &message).await;
    // Verify webhook processing
    app.wait_for_event("message.received").await;
    let processed = app.rest.get(&query("/messages", &[("twilio_sid", sid_of(&message))])).await.ok();
    assert_eq!((&processed["body"], &processed["sender_type"]), (&message["body"], &json!("customer")));
}

#[tokio::test]
async fn document_test_11_should_track_webhook_processing_metrics() {
    let app = spawn_app().await;
    app.webhook().incoming_call(CALL, CUSTOMER, OUR_NUMBER, "ringing").await.unwrap();
    let metrics = app.rest.get("/metrics").await.ok();
    let processing = &metrics["webhook_processing"];
    assert!(processing["calls_per_hour"].as_f64().is_some_and(|calls| calls > 0.0), "{processing}");
    assert!(processing["avg_processing_time_ms"].as_f64().is_some_and(|ms| ms > 0.0 && ms < 500.0), "{processing}");
}

#[tokio::test]
async fn document_test_11_should_detect_and_alert_on_service_degradation() {
    let app = spawn_app().await;
    app.servers.dispatchbot.add_rule(Rule::always(Fault::Respond(503)));
    app.text(CUSTOMER, "test message for degradation").await;
    let sms = app.wait_for_sms(CUSTOMER, 1).await;
    assert!(sms[0].body.contains("received your message"), "{}", sms[0].body);
    app.wait_for_event("conversation.needs_attention").await;
    wait_for_health(&app, "dispatchbot_ai", "degraded").await;
}

#[tokio::test]
async fn document_test_12_should_validate_all_webhook_signatures() {
    let app = spawn_app().await;
    let invalid = app.webhook().with_header("x-twilio-signature", "invalid-signature");
    for path in [
        "call",
        "call/status/CA123456789",
        "sms",
        "message-status",
        "ladder/x/digit",
        "ladder/x/status",
        "ladder/x",
        "conversations",
    ] {
        let answer = invalid.post(&format!("/webhooks/twilio/{path}"), &[("CallSid", CALL)]).await.unwrap();
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (401, &json!("INVALID_SIGNATURE")), "{path}");
    }
}

#[tokio::test]
async fn document_test_12_should_handle_database_failures_gracefully() {
    let servers = Servers::start(TwilioOptions::default()).await;
    let mut service = Child::start(&servers, "service", &["serve"], &servers.settings(&[]));
    let address = format!("http://{}", service.address().await);
    let rest = Rest::new(&address, API_KEY);
    rest.ready().await;
    rest.put("/businesses/joe", &business()).await.ok();
    wait_for_stored(&servers, "KV_NMC_BUSINESSES", 1).await;
    servers.twilio.set_webhook_url(PUBLIC_URL, Some(&address));

    servers.database.take_away().await.unwrap();
    let call = servers.twilio.call(CUSTOMER, OUR_NUMBER, "no-answer").await.unwrap();
    assert_eq!((call.ringing.status, call.dialled.as_deref()), (200, Some(OWNER)), "still forwarded");
    servers.twilio.text(CUSTOMER, OUR_NUMBER, "My sink is blocked").await.unwrap();
    let errors = async || {
        let log = service.log();
        assert!(!log.contains("postgres://"), "{log}");
        let errors = log.lines().filter(|line| line.contains("ERROR") && line.contains("Database connection failed"));
        Some(errors.count()).filter(|count| *count > 0)
    };
    assert_eq!(eventually("the error in the log", errors).await, 1, "once, however many were held up");

    servers.database.give_back().await.unwrap();
    let path = query("/conversations", &[("customer_phone", CUSTOMER)]);
    eventually("what came meanwhile", async || {
        let list = rest.try_send(reqwest::Method::GET, &path, None).await.ok()?;
        (list.body["conversations"].as_array()?.len() == 1).then_some(())
    })
    .await;
    let sent = servers.twilio.wait_for(|all| all.len() == 2, PATIENCE).await.unwrap();
    assert!(sent.iter().all(|sms| sms.to == CUSTOMER), "the missed-call text and an answer: {sent:?}");
    service.signal(Signal::Term);
    service.end().await;
    let log = service.log();
    let told: Vec<_> = log.lines().filter(|line| line.contains("Database connection failed")).collect();
    assert_eq!(told.len(), 1, "once for the outage, at any level: {told:#?}");
}

/// A process that starts while PostgreSQL is unavailable reads the businesses from the bucket.
#[tokio::test]
async fn a_call_is_forwarded_by_an_edge_that_starts_while_postgresql_is_away() {
    let mut app = spawn_app().await;
    wait_for_stored(&app.servers, "KV_NMC_BUSINESSES", 1).await;
    app.stop().await;
    app.servers.database.take_away().await.unwrap();
    let mut edge = Child::start(&app.servers, "edge", &["edge"], &app.servers.settings(&[]));
    let address = format!("http://{}", edge.address().await);
    app.servers.twilio.set_webhook_url(PUBLIC_URL, Some(&address));
    eventually("the mirror", async || {
        let call = app.servers.twilio.call(CUSTOMER, OUR_NUMBER, "no-answer").await.ok()?;
        (call.dialled.as_deref() == Some(OWNER)).then_some(())
    })
    .await;
    app.servers.database.give_back().await.unwrap();
}
