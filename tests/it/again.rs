//! At-least-once delivery: a duplicate changes nothing, even if it is late.

use async_nats::HeaderMap;
use async_nats::jetstream::{self, Context};
use serde_json::Value;

use crate::harness::{App, CUSTOMER, OUR_NUMBER, Stored, eventually, run, spawn_app, spawn_app_with};
use crate::missing::wait_for_health;

/// Everything visible from outside after a journey.
#[derive(Debug, PartialEq)]
struct Seen {
    conversations: Vec<Value>,
    messages: Vec<Value>,
    log: Vec<Value>,
    sms: usize,
    questions: usize,
}

impl Seen {
    async fn of(app: &App) -> Self {
        app.settled().await;
        // A probe that was slow on a busy machine may tell of an outage meanwhile.
        let is_of_a_service = |event: &Value| event["event_type"].as_str().is_some_and(|of| of.starts_with("service."));
        let log = app.events.log().await.into_iter().filter(|event| !is_of_a_service(event)).collect();
        Self {
            conversations: app.conversations_of(CUSTOMER).await,
            messages: app.messages_of(CUSTOMER).await,
            log,
            sms: app.servers.twilio.messages().len(),
            questions: app.servers.dispatchbot.requests().len(),
        }
    }
}

/// A missed call, a text and its answer.
async fn played() -> App {
    let app = spawn_app().await;
    app.servers.twilio.call(CUSTOMER, OUR_NUMBER, "no-answer").await.unwrap();
    app.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    app.text(CUSTOMER, "My sink is blocked").await;
    app.wait_for_event_of(CUSTOMER, 2, "message.delivered").await;
    app
}

async fn jetstream_of(app: &App) -> Context {
    jetstream::new(async_nats::connect(app.servers.nats.url()).await.unwrap())
}

/// Publishes a message again under a new message id, so that JetStream does not drop it as a duplicate.
async fn publish_again(context: &Context, message: &Stored, nth: usize) {
    let mut headers = HeaderMap::new();
    for (name, value) in message.headers.iter().filter(|(name, _)| *name != "Nats-Msg-Id") {
        headers.insert(name.as_str(), value.as_str());
    }
    headers.insert("Nats-Msg-Id", format!("again-{nth}"));
    let published = context.publish_with_headers(message.subject.clone(), headers, message.payload.clone()).await;
    assert!(!published.unwrap().await.unwrap().duplicate);
}

#[tokio::test]
async fn webhooks_that_jetstream_delivers_again_change_nothing() {
    let app = played().await;
    let before = Seen::of(&app).await;
    let context = jetstream_of(&app).await;
    for (nth, message) in app.stored("NMC_INBOUND").await.iter().enumerate().rev() {
        publish_again(&context, message, nth).await;
    }
    assert_eq!(Seen::of(&app).await, before);
    assert!(app.stored("NMC_DEAD").await.is_empty());
}

#[tokio::test]
async fn a_timer_that_fires_without_cause_changes_nothing() {
    let app = played().await;
    let before = Seen::of(&app).await;
    let context = jetstream_of(&app).await;
    let id = before.conversations[0]["id"].as_str().expect("an id");
    for conversation_id in [id, "6e6d6300-7c1e-4f0a-9d53-4e657665724d"] {
        let fire = serde_json::json!({ "conversation_id": conversation_id, "due_at": "2020-01-01T00:00:00Z" });
        let subject = format!("nmc.window.due.{conversation_id}");
        context.publish(subject, fire.to_string().into()).await.unwrap().await.unwrap();
    }
    assert_eq!(Seen::of(&app).await, before);
}

#[tokio::test]
async fn tasks_that_come_again_send_and_ask_nothing() {
    let app = played().await;
    let before = Seen::of(&app).await;
    let context = jetstream_of(&app).await;
    let conversation_id = before.conversations[0]["id"].as_str().expect("an id");
    for message in before.messages.iter().filter(|message| message["direction"] == "outbound") {
        let send = serde_json::json!({ "conversation_id": conversation_id, "message_id": message["id"] });
        let subject = format!("nmc.task.send_sms.{conversation_id}");
        context.publish(subject, send.to_string().into()).await.unwrap().await.unwrap();
    }
    let window_id = &before.messages.last().expect("an answer")["in_reply_to_window"];
    let analyze = serde_json::json!({
        "conversation_id": conversation_id, "window_id": window_id, "closed_at": "2020-01-01T00:00:00Z",
    });
    let subject = format!("nmc.task.analyze.{conversation_id}");
    context.publish(subject, analyze.to_string().into()).await.unwrap().await.unwrap();
    assert_eq!(Seen::of(&app).await, before);
}

#[tokio::test]
async fn what_nobody_can_read_is_put_aside_and_holds_nothing_up() {
    let app = spawn_app().await;
    let context = jetstream_of(&app).await;
    let subjects = ["nmc.inbound.sms.x", "nmc.window.due.x", "nmc.task.analyze.x", "nmc.task.send_sms.x"];
    for subject in subjects {
        context.publish(subject, "not ours".into()).await.unwrap().await.unwrap();
    }
    let dead = app.wait_for_dead(subjects.len() as u64).await;
    assert!(dead.iter().all(|letter| String::from_utf8_lossy(&letter.payload).contains("not ours")));
    app.text(CUSTOMER, "My sink is blocked").await;
    app.wait_for_event("message.delivered").await;
}

#[tokio::test]
async fn events_wait_for_redis_and_keep_their_order() {
    let mut app = spawn_app().await;
    app.servers.redis.stop().await.unwrap();
    app.servers.twilio.call(CUSTOMER, OUR_NUMBER, "no-answer").await.unwrap();
    app.wait_for_sms(CUSTOMER, 1).await;
    wait_for_health(&app, "redis", "down").await;
    let health = app.rest.get("/health").await;
    assert_eq!((health.status, &health.body["services"]["redis"]), (200, &serde_json::json!("down")));
    app.servers.redis.restart().await.unwrap();
    let types = |events: &[Value]| -> Vec<String> {
        events.iter().map(|event| event["event_type"].as_str().unwrap().to_owned()).collect()
    };
    let told = eventually("all events in the log", async || {
        let mut log = app.events.log().await;
        log.retain(|event| event["data"]["service"].is_null()); // the events about the Redis outage
        (log.len() == 5).then_some(log)
    })
    .await;
    let (of_conversation, of_call): (Vec<_>, Vec<_>) =
        told.into_iter().partition(|event| !event["conversation_id"].is_null());
    assert_eq!(types(&of_call), ["call.received"]);
    let expected = ["conversation.created", "call.missed", "message.sent", "message.delivered"];
    assert_eq!(types(&of_conversation), expected);
}

#[tokio::test]
async fn after_a_restart_of_nats_everything_goes_on() {
    let mut app = spawn_app().await;
    app.servers.twilio.call(CUSTOMER, OUR_NUMBER, "no-answer").await.unwrap();
    app.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    app.servers.nats.kill().await.unwrap();
    app.servers.nats.restart().await.unwrap();
    app.rest.ready().await;
    app.text(CUSTOMER, "My sink is blocked").await;
    app.wait_for_event_of(CUSTOMER, 2, "message.delivered").await;
    app.settled().await;
    assert_eq!(app.sms_to(CUSTOMER).len(), 2);
}

/// A service that has just received a text, for which a timer is to be armed.
async fn with_a_timer() -> (App, Context) {
    let app = spawn_app_with(&[("NMC_WINDOW_HOLD", "1500ms"), ("NMC_WINDOW_MAX", "5s")]).await;
    app.text(CUSTOMER, "My sink is blocked").await;
    app.wait_for_event("message.received").await;
    let context = jetstream_of(&app).await;
    (app, context)
}

#[tokio::test]
async fn a_window_is_answered_also_where_its_timer_is_lost() {
    let (app, context) = with_a_timer().await;
    let windows = context.get_stream("NMC_WINDOWS").await.unwrap();
    eventually("the timer to be armed and purged", async || (windows.purge().await.ok()?.purged > 0).then_some(()))
        .await;
    app.wait_for_event("message.delivered").await;
    assert_eq!(app.sms_to(CUSTOMER).len(), 1);
}

/// `streams apply` recreates the stream when it moves from one node to several, while the workers keep running.
#[tokio::test]
async fn a_window_is_answered_also_where_the_stream_of_timers_is_made_anew() {
    let (app, context) = with_a_timer().await;
    context.delete_stream("NMC_WINDOWS").await.unwrap();
    let applied = run(&["streams", "apply"], &app.servers.settings(&[])).await;
    assert!(applied.status.success());
    app.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    app.settled().await;
    app.text("+12125550177", "My sink is blocked, too").await;
    app.wait_for_sms("+12125550177", 1).await;
    app.settled().await;
    assert_eq!((app.sms_to(CUSTOMER).len(), app.sms_to("+12125550177").len()), (1, 1));
}
