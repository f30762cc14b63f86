//! The whole journey over HTTP, from a missed call to an appointment, and everything that shows it.

use chrono::DateTime;
use rstest::rstest;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{App, BUSINESS, CUSTOMER, OUR_NUMBER, OWNER, PUBLIC_URL, query, spawn_app};

const V1: &str = "v1";
const DISPATCH_BOT_AI: &str = "dispatch-bot-ai";

const PROBLEM: &str = "Yes, kitchen sink is completely blocked. Need help today!";
const AGREED: &str = "Yes, 3pm today works perfectly";

/// The events of a conversation from the missed call to the appointment, in order.
pub const EVENTS: [&str; 14] = [
    "conversation.created",
    "call.missed",
    "message.sent",
    "message.delivered",
    "message.received",
    "conversation.ai_timer_started",
    "conversation.ai_taken",
    "message.sent",
    "message.delivered",
    "message.received",
    "appointment.requested",
    "conversation.completed",
    "message.sent",
    "message.delivered",
];

/// A completed journey.
struct Journey {
    app: App,
    call_sid: String,
    conversation: Value,
}

impl Journey {
    async fn play() -> Self {
        Self::play_in(V1).await
    }

    async fn play_in(dialect: &str) -> Self {
        let app = App::setup().dialect(dialect).start().await;
        let call = app.servers.twilio.call(CUSTOMER, OUR_NUMBER, "no-answer").await.unwrap();
        assert_eq!(call.dialled.as_deref(), Some(OWNER));
        let action = call.action.expect("the dial's action");
        assert_eq!(action.url, format!("{PUBLIC_URL}/webhooks/twilio/call/status/{}", call.call_sid));
        assert_eq!((action.status, action.twilio_error, call.ringing.twilio_error), (200, None, None));
        app.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
        app.text(CUSTOMER, PROBLEM).await;
        app.wait_for_event_of(CUSTOMER, 2, "message.delivered").await;
        app.text(CUSTOMER, AGREED).await;
        app.wait_for_event_of(CUSTOMER, 3, "message.delivered").await;
        app.settled().await;
        let conversation = app.conversation_of(CUSTOMER).await;
        Self { app, call_sid: call.call_sid, conversation }
    }

    fn id(&self) -> &str {
        self.conversation["id"].as_str().expect("an id")
    }
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["event_type"].as_str()).collect()
}

#[rstest]
#[case::in_v1(V1)]
#[case::in_dispatch_bot_ai(DISPATCH_BOT_AI)]
#[tokio::test]
async fn a_missed_call_becomes_a_conversation_that_ends_with_an_appointment(#[case] dialect: &str) {
    let journey = Journey::play_in(dialect).await;
    let conversation = &journey.conversation;
    for (field, expected) in [
        ("business_id", json!(BUSINESS)),
        ("user_id", json!("user-joe")),
        ("customer_phone", json!(CUSTOMER)),
        ("business_phone", json!(OUR_NUMBER)),
        ("status", json!("completed")),
        ("ownership", json!("ai")),
        ("ai_timer_started", json!(true)),
        ("emergency_detected", json!(false)),
        ("job_type", json!("drain_cleaning")),
        ("urgency_level", json!("urgent")),
        ("outcome", json!("appointment_requested")),
        ("opted_out", json!(false)),
        ("user_takeover_at", Value::Null),
    ] {
        assert_eq!(conversation[field], expected, "{field}");
    }
    match dialect {
        V1 => assert!(conversation["summary"].as_str().is_some_and(|summary| summary.contains("appointment"))),
        _ => assert_eq!(conversation["summary"], Value::Null, "the dialect has none"),
    }
    for time in ["created_at", "last_activity", "ai_timer_started_at"] {
        let text = conversation[time].as_str().unwrap_or_default();
        let parsed = DateTime::parse_from_rfc3339(text).unwrap_or_else(|error| panic!("{time} {text}: {error}"));
        assert_eq!(parsed.offset().local_minus_utc(), 0, "{time} is in UTC");
    }
    let listed = journey.app.rest.get(&query("/conversations", &[("business_id", BUSINESS)])).await.ok();
    assert_eq!(listed["conversations"], json!([conversation]));
    assert_eq!(listed["next_cursor"], Value::Null);
}

#[rstest]
#[case::in_v1(V1)]
#[case::in_dispatch_bot_ai(DISPATCH_BOT_AI)]
#[tokio::test]
async fn its_messages_stand_in_their_order_and_ours_are_delivered(#[case] dialect: &str) {
    let journey = Journey::play_in(dialect).await;
    let messages = journey.app.messages(journey.id()).await;
    let shape: Vec<_> = messages
        .iter()
        .map(|m| ["sender_type", "direction", "status"].map(|field| m[field].as_str().unwrap_or_default()))
        .collect();
    let (ours, theirs) = (["ai", "outbound", "delivered"], ["customer", "inbound", "received"]);
    assert_eq!(shape, [ours, theirs, ours, theirs, ours]);
    assert!(messages[0]["body"].as_str().is_some_and(|body| body.starts_with("Hi! I missed your call")));
    assert_eq!((&messages[1]["body"], &messages[3]["body"]), (&json!(PROBLEM), &json!(AGREED)));
    let sent = journey.app.sms_to(CUSTOMER);
    let at_twilio: Vec<_> = sent.iter().map(|sms| (sms.sid.as_str(), sms.body.as_str())).collect();
    let ours: Vec<_> = messages.iter().filter(|m| m["sender_type"] == "ai").collect();
    let known: Vec<_> = ours.iter().map(|m| (m["twilio_sid"].as_str().unwrap(), m["body"].as_str().unwrap())).collect();
    assert_eq!(known, at_twilio);
    for (message, sms) in ours.iter().zip(&sent) {
        let callback =
            format!("{PUBLIC_URL}/webhooks/twilio/message-status?message_id={}", message["id"].as_str().unwrap());
        assert_eq!(sms.status_callback.as_deref(), Some(callback.as_str()));
        assert_eq!((sms.from.as_str(), &message["error_code"]), (OUR_NUMBER, &Value::Null));
        let found = query("/messages", &[("twilio_sid", &sms.sid)]);
        assert_eq!(journey.app.rest.get(&found).await.ok()["id"], message["id"]);
    }
    let callbacks = journey.app.servers.twilio.callbacks();
    assert_eq!(callbacks.len(), 6);
    assert!(callbacks.iter().all(|callback| callback.http_status == Some(204)), "{callbacks:?}");
}

#[tokio::test]
async fn the_call_is_on_record() {
    let journey = Journey::play().await;
    let call = journey.app.call(&journey.call_sid).await;
    for (field, expected) in [
        ("call_sid", json!(journey.call_sid)),
        ("business_id", json!(BUSINESS)),
        ("conversation_id", json!(journey.id())),
        ("customer_phone", json!(CUSTOMER)),
        ("business_phone", json!(OUR_NUMBER)),
        ("status", json!("missed")),
        ("dial_status", json!("no-answer")),
    ] {
        assert_eq!(call[field], expected, "{field}");
    }
    assert_eq!(call["id"], journey.conversation["call_id"]);
    assert!(call["ended_at"].is_string());
    let list = journey.app.rest.get(&query("/calls", &[("customer_phone", CUSTOMER)])).await.ok();
    assert_eq!(list["calls"], json!([call]));
}

#[rstest]
#[case::in_v1(V1)]
#[case::in_dispatch_bot_ai(DISPATCH_BOT_AI)]
#[tokio::test]
async fn every_event_is_told_once_in_order_on_the_channel_and_in_the_log(#[case] dialect: &str) {
    let journey = Journey::play_in(dialect).await;
    let log = journey.app.events.log().await;
    let (of_call, of_conversation): (Vec<_>, Vec<_>) =
        log.iter().cloned().partition(|event| event["conversation_id"].is_null());
    assert_eq!(types(&of_call), ["call.received"]);
    assert_eq!(types(&of_conversation), EVENTS);
    let sequences: Vec<_> = of_conversation.iter().filter_map(|event| event["sequence"].as_u64()).collect();
    assert_eq!(sequences, (1..=EVENTS.len() as u64).collect::<Vec<_>>());
    assert_eq!(journey.app.events.seen(), log);
    for event in &of_conversation {
        assert_eq!(event["conversation_id"], journey.id());
        assert_eq!(event["customer_phone"], CUSTOMER);
    }
    for event in &log {
        assert_eq!((&event["business_id"], &event["user_id"]), (&json!(BUSINESS), &json!("user-joe")));
        assert!(event["data"].is_object(), "{event}");
        assert!(event["event_id"].as_str().is_some_and(|id| id.parse::<Uuid>().is_ok()), "{event}");
        assert!(event["occurred_at"].as_str().is_some_and(|at| DateTime::parse_from_rfc3339(at).is_ok()), "{event}");
    }
    let ids: std::collections::BTreeSet<_> = log.iter().filter_map(|event| event["event_id"].as_str()).collect();
    assert_eq!(ids.len(), log.len());
}

#[tokio::test]
async fn jetstream_has_the_same_events_as_cloudevents() {
    let journey = Journey::play().await;
    let stored = journey.app.stored("NMC_EVENTS").await;
    let log = journey.app.events.log().await;
    assert_eq!(stored.iter().map(|message| message.json()).collect::<Vec<_>>(), log);
    for message in &stored {
        let event = message.json();
        let text = |field: &str| event[field].as_str().unwrap_or("_").to_owned();
        let (event_id, event_type, about) = (text("event_id"), text("event_type"), text("conversation_id"));
        assert_eq!(message.subject, format!("nmc.event.{event_type}.{about}"));
        let header = |name: &str| message.headers.get(name).map_or("", String::as_str);
        assert_eq!(header("Nats-Msg-Id"), event_id);
        assert_eq!((header("ce-id"), header("ce-type")), (event_id.as_str(), event_type.as_str()));
        assert_eq!((header("ce-specversion"), header("ce-datacontenttype")), ("1.0", "application/json"));
        assert!(!header("ce-source").is_empty());
        let times = [header("ce-time"), event["occurred_at"].as_str().unwrap()];
        let [from_header, from_envelope] = times.map(|time| DateTime::parse_from_rfc3339(time).expect("a time"));
        assert_eq!(from_header, from_envelope);
        let lengths: Vec<_> = header("traceparent").split('-').map(str::len).collect();
        assert_eq!(lengths, [2, 32, 16, 2], "{message:?}");
    }
}

#[tokio::test]
async fn no_subject_carries_a_phone_number() {
    let journey = Journey::play().await;
    for stream in ["NMC_INBOUND", "NMC_EVENTS"] {
        for message in journey.app.stored(stream).await {
            let digits = CUSTOMER.trim_start_matches('+');
            assert!(!message.subject.contains(digits), "{}", message.subject);
        }
    }
    assert!(journey.app.stored("NMC_DEAD").await.is_empty());
}

#[tokio::test]
async fn dispatchbot_is_given_all_its_context() {
    let journey = Journey::play().await;
    let asked = journey.app.servers.dispatchbot.requests();
    assert_eq!(asked.len(), 2);
    for question in &asked {
        assert_eq!(question["problems"], json!([]), "{question}");
        assert_eq!((&question["priority"], &question["bypass_timer"]), (&json!("normal"), &json!(false)));
        assert_eq!(question["business"]["name"], "Joe's Plumbing");
        assert_eq!(question["job_estimates"][0]["job_type"], "drain_cleaning");
        assert_eq!(question["business_hours"]["monday"]["start"], "08:00");
    }
    let bodies = |question: &Value| question["messages"].as_array().map_or(0, Vec::len);
    assert_eq!((bodies(&asked[0]), bodies(&asked[1])), (2, 4));
    assert_eq!(asked[1]["messages"][3]["body"], AGREED);
}

#[tokio::test]
async fn in_the_other_dialect_dispatchbot_is_given_what_it_has_words_for() {
    let journey = Journey::play_in(DISPATCH_BOT_AI).await;
    let asked = journey.app.servers.dispatchbot.requests();
    assert_eq!(asked.len(), 2);
    for question in &asked {
        // The simulator holds each request to openapi/dispatch-bot-ai.json.
        assert_eq!((&question["problems"], &question["answered_with"]), (&json!([]), &json!(200)), "{question}");
        assert_eq!((&question["caller_phone"], &question["called_number"]), (&json!(CUSTOMER), &json!(OUR_NUMBER)));
        assert_eq!(question["job_estimates"][0]["estimated_cost_max"], 250);
        assert_eq!(question["business_hours"]["monday"]["start"], "08:00");
        assert_eq!(question["business_address"]["state"], "NY");
    }
    assert_eq!((&asked[0]["current_message"], &asked[1]["current_message"]), (&json!(PROBLEM), &json!(AGREED)));
    let history = |question: &Value| -> Vec<String> {
        let items = question["conversation_history"].as_array().expect("a history").iter();
        items.map(|item| item["sender"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(
        (history(&asked[0]), history(&asked[1])),
        (vec!["system".into()], ["system", "customer", "ai"].map(String::from).into())
    );
    let appointment = journey.app.wait_for_event("appointment.requested").await;
    assert!(appointment["data"]["appointment"]["ends_at"].is_string(), "{appointment}");
}

#[rstest]
#[case::in_v1(V1)]
#[case::in_dispatch_bot_ai(DISPATCH_BOT_AI)]
#[tokio::test]
async fn health_and_metrics_tell_of_it(#[case] dialect: &str) {
    let journey = Journey::play_in(dialect).await;
    let open = journey.app.rest.with_key(None);
    let health = open.get("/health").await.ok();
    assert_eq!(health["status"], "healthy", "{health}");
    assert!(health["version"].is_string() && health["uptime_seconds"].is_number(), "{health}");
    for service in ["nats", "postgres", "redis", "twilio", "dispatchbot_ai"] {
        assert_eq!(health["services"][service], "healthy", "{health}");
    }
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(open.get(path).await.status, 200, "{path}");
    }
    let metrics = open.get("/metrics").await.ok();
    let webhooks = &metrics["webhook_processing"];
    assert_eq!((&webhooks["calls_per_hour"], &webhooks["sms_per_hour"]), (&json!(1), &json!(2)), "{webhooks}");
    assert!(webhooks["avg_processing_time_ms"].as_f64().is_some_and(|ms| ms > 0.0 && ms < 500.0), "{webhooks}");
    assert!(webhooks["p95_processing_time_ms"].is_number() && webhooks["error_rate"] == 0.0, "{webhooks}");
    for section in ["ai", "sms", "windows", "events"] {
        assert!(metrics[section].is_object(), "{section}");
    }
    for accept in ["text/plain", "application/openmetrics-text"] {
        let text = open.get_as("/metrics", accept).await;
        assert_eq!(text.status, 200);
        let text = text.body.as_str().expect("text").to_owned();
        assert!(text.contains("nmc_webhooks_total{kind=\"sms\",status=\"200\"} 2\n"), "{text}");
    }
}

#[tokio::test]
async fn the_api_describes_itself() {
    let app = spawn_app().await;
    let open = app.rest.with_key(None);
    let document = open.get("/openapi.json").await.ok();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with('3')), "{document}");
    for path in ["/businesses/{business_id}", "/conversations", "/conversations/{id}/messages", "/calls/{call_sid}"] {
        assert!(document["paths"][path].is_object(), "{path} is not described");
    }
    let docs = open.get("/docs").await;
    assert_eq!(docs.status, 200);
    assert!(docs.body.as_str().is_some_and(|html| html.contains("<html")));
}
