//! When a part is missing: each row of the table in docs/design.md, with the real server stopped and started again.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use nevermisscall::internals::{Application, Role};
use nmc_testbed::servers::Signal;
use nmc_testbed::twilio::new_message_sid;
use nmc_testbed::twilio::{TwilioOptions, new_call_sid};
use reqwest::Method;
use rstest::rstest;
use serde_json::json;

use crate::harness::{
    API_KEY, App, BUSINESS, CUSTOMER, OUR_NUMBER, OWNER, PATIENCE, PUBLIC_URL, Rest, Servers, business, customer,
    eventually, spawn_app, wait_for_stored,
};

/// Waits until `/health` shows this state for a service.
pub async fn wait_for_health(app: &App, service: &str, state: &str) {
    eventually(&format!("{service} {state}"), async || {
        let health = app.rest.try_send(Method::GET, "/health", None).await.ok()?;
        (health.body["services"][service] == state).then_some(())
    })
    .await;
}

/// Waits until the watch has noticed the change.
async fn wait_until_noticed(app: &App, service: &str, up: u64) {
    eventually(&format!("{service} is noticed"), async || {
        (app.rest.get("/metrics").await.ok()["services"][service] == up).then_some(())
    })
    .await;
}

/// Waits for `count` events about a service, and returns their types in order.
async fn told_of(app: &App, service: &str, count: usize) -> Vec<String> {
    eventually(&format!("{count} changes of {service}"), async || {
        let events: Vec<_> = app.stored("NMC_EVENTS").await.iter().map(crate::harness::Stored::json).collect();
        let of_service = events.iter().filter(|event| event["data"]["service"] == service);
        let told: Vec<String> =
            of_service.filter_map(|event| event["event_type"].as_str()).map(str::to_owned).collect();
        (told.len() >= count).then_some(told)
    })
    .await
}

/// Tolerance for a busy machine.
const SLACK: Duration = Duration::from_secs(3);
const GONE_AND_BACK: [&str; 2] = ["service.degraded", "service.restored"];

/// Asserts that the customer has one conversation with exactly these texts in this order.
pub async fn assert_texts(app: &App, who: &str, texts: &[&str]) {
    let conversations = app.conversations_of(who).await;
    assert_eq!(conversations.len(), 1, "{conversations:?}");
    let messages = app.messages(conversations[0]["id"].as_str().unwrap()).await;
    let bodies: Vec<_> =
        messages.iter().filter(|m| m["sender_type"] == "customer").filter_map(|m| m["body"].as_str()).collect();
    assert_eq!(bodies, texts);
}

#[tokio::test]
async fn without_dispatchbot_customers_get_the_fallback_and_it_is_spared() {
    let app = spawn_app().await;
    app.servers.dispatchbot.down().await;
    for number in 0..8 {
        app.text(&customer(number), "My sink is blocked").await;
        let sms = app.wait_for_sms(&customer(number), 1).await;
        assert!(sms[0].body.contains("received your message"), "{}", sms[0].body);
    }
    let metrics = app.rest.get("/metrics").await.ok();
    assert!(metrics["ai"]["results"]["rejected"].as_u64() > Some(0), "the breaker is open: {metrics}");
    wait_for_health(&app, "dispatchbot_ai", "degraded").await;
    app.wait_for_event("conversation.needs_attention").await;
    assert_eq!(told_of(&app, "dispatchbot_ai", 1).await, ["service.degraded"]);

    app.servers.dispatchbot.up().await.unwrap();
    let mut number = 8;
    eventually("an answer, once the breaker lets a question through", async || {
        number += 1;
        app.text(&customer(number), "My sink is blocked").await;
        let sms = app.wait_for_sms(&customer(number), 1).await;
        (!sms[0].body.contains("received your message")).then_some(())
    })
    .await;
    wait_for_health(&app, "dispatchbot_ai", "healthy").await;
    assert_eq!(told_of(&app, "dispatchbot_ai", 2).await, GONE_AND_BACK);
}

#[tokio::test]
async fn without_twilio_messages_wait_and_each_goes_out_once() {
    let app = spawn_app().await;
    app.servers.twilio.down().await;
    for number in 0..5 {
        app.text(&customer(number), "My sink is blocked").await;
        app.wait_for_event_of(&customer(number), 1, "conversation.ai_taken").await;
    }
    app.servers.twilio.up().await.unwrap();
    for number in 0..5 {
        app.wait_for_event_of(&customer(number), 1, "message.delivered").await;
    }
    app.settled().await;
    assert_eq!(app.servers.twilio.messages().len(), 5);
}

#[tokio::test]
async fn an_outage_of_twilio_is_one_however_often_a_message_is_tried() {
    let app = spawn_app().await;
    app.servers.twilio.down().await;
    app.text(CUSTOMER, "My sink is blocked").await;
    wait_for_health(&app, "twilio", "degraded").await;
    // Each try starts a new attempt, but the outage stays the same: these two tries are further apart than the time in
    // which the watch notices a change.
    let mut last = None::<DateTime<Utc>>;
    eventually("a try long after the one before", async || {
        let newest = "SELECT max(attempted_at) FROM messages WHERE status IN ('queued', 'sending')";
        let at: Option<DateTime<Utc>> =
            sqlx::query_scalar(newest).fetch_one(&mut app.servers.sql().await).await.unwrap();
        let gap = at.zip(last).map_or(TimeDelta::zero(), |(at, last)| at - last);
        last = at;
        (gap > TimeDelta::seconds(7)).then_some(())
    })
    .await;
    wait_for_health(&app, "twilio", "degraded").await;
    assert_eq!(told_of(&app, "twilio", 1).await, ["service.degraded"]);

    app.servers.twilio.up().await.unwrap();
    app.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    assert_eq!(told_of(&app, "twilio", 2).await, GONE_AND_BACK);
}

#[tokio::test]
async fn without_postgresql_webhooks_and_calls_are_taken_and_processed_later() {
    let app = spawn_app().await;
    wait_for_stored(&app.servers, "KV_NMC_BUSINESSES", 1).await;
    app.servers.database.take_away().await.unwrap();
    let call = app.servers.twilio.call(&customer(1), OUR_NUMBER, "no-answer").await.unwrap();
    assert_eq!((call.ringing.status, call.dialled.as_deref()), (200, Some(OWNER)));
    app.text(CUSTOMER, "one").await;
    app.text(CUSTOMER, "two").await;
    wait_for_health(&app, "postgres", "down").await;
    assert_eq!(app.rest.get("/health").await.ok()["status"], "degraded");
    assert_eq!(app.rest.get("/health/ready").await.status, 200, "it takes webhooks");
    let list = app.rest.get("/conversations").await;
    assert_eq!((list.status, list.error_code()), (503, "UNAVAILABLE"));
    assert_eq!(told_of(&app, "postgres", 1).await, ["service.degraded"]);

    app.servers.database.give_back().await.unwrap();
    app.wait_for_sms(&customer(1), 1).await;
    app.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    assert_eq!(told_of(&app, "postgres", 2).await, GONE_AND_BACK);
    assert_texts(&app, CUSTOMER, &["one", "two"]).await;
}

#[tokio::test]
async fn without_jetstream_webhooks_wait_in_postgresql_and_keep_their_order() {
    let mut app = spawn_app().await;
    app.text(CUSTOMER, "before").await;
    let id = app.conversation_of(CUSTOMER).await["id"].as_str().unwrap().to_owned();
    app.settled().await;
    app.servers.nats.kill().await.unwrap();
    wait_for_health(&app, "nats", "down").await;
    let call = app.servers.twilio.call(&customer(1), OUR_NUMBER, "no-answer").await.unwrap();
    assert_eq!((call.ringing.status, call.dialled.as_deref()), (200, Some(OWNER)));
    let sid = app.text(CUSTOMER, "one").await;
    app.text(CUSTOMER, "two").await;
    app.webhook().sms(&sid, CUSTOMER, OUR_NUMBER, "one").await.unwrap(); // Twilio sends it again
    let health = app.rest.get("/health").await;
    assert_eq!((health.status, &health.body["status"]), (200, &json!("degraded")), "webhooks are taken");
    let taken = app
        .rest
        .send(
            Method::POST,
            &format!("/conversations/{id}/takeover"),
            Some(&json!({ "user_id": "joe", "reason": "mine" })),
        )
        .await
        .ok();
    assert_eq!(taken["ownership_changed"], true);
    let kept = app.rest.get("/metrics").await.ok()["webhook_processing"]["kept_in_postgres"].as_u64();
    assert!(kept >= Some(4), "{kept:?}");
    wait_until_noticed(&app, "nats", 0).await;

    app.servers.nats.restart().await.unwrap();
    app.wait_for_sms(&customer(1), 1).await;
    app.settled().await;
    assert_texts(&app, CUSTOMER, &["before", "one", "two"]).await;
    assert_eq!(told_of(&app, "nats", 2).await, GONE_AND_BACK);
    assert_eq!(app.sms_to(CUSTOMER).len(), 1, "answered before; a person has it since");
    let waiting: i64 = sqlx::query_scalar("SELECT count(*) FROM waiting_webhooks")
        .fetch_one(&mut app.servers.sql().await)
        .await
        .unwrap();
    assert_eq!(waiting, 0);
}

/// The server is stopped with a signal: the connection stays open, and nothing is acknowledged.
#[tokio::test]
async fn where_jetstream_hangs_a_webhook_is_kept_within_two_seconds() {
    let app = spawn_app().await;
    app.servers.nats.signal(Signal::Stop).unwrap();
    let asked = Instant::now();
    app.text(CUSTOMER, "one").await;
    // One second for JetStream, at most one for PostgreSQL.
    assert!(asked.elapsed() < Duration::from_secs(2) + SLACK, "{:?}", asked.elapsed());
    let kept = app.rest.get("/metrics").await.ok()["webhook_processing"]["kept_in_postgres"].as_u64();
    assert_eq!(kept, Some(1));
    app.servers.nats.signal(Signal::Cont).unwrap();
    app.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    app.settled().await;
    assert_texts(&app, CUSTOMER, &["one"]).await;
    assert_eq!(app.sms_to(CUSTOMER).len(), 1);
}

/// A frozen server keeps its connections, and takes requests.
#[tokio::test]
async fn a_frozen_nats_server_is_down_within_seconds_and_its_outage_is_told_once() {
    let app = App::setup().set("NMC_OPS_BIND", "127.0.0.1:0").roles([Role::Edge, Role::Worker]).start().await;
    let [edge, worker] = app.ops().try_into().ok().unwrap();
    worker.ready().await;
    let ready = async |status: u16| {
        let begun = Instant::now();
        eventually("its readiness", async || (worker.get("/health/ready").await.status == status).then_some(())).await;
        begun.elapsed()
    };
    let noticed = async |up: u64| {
        for process in [&edge, &worker] {
            eventually("the watch has noticed", async || {
                (process.get("/metrics").await.ok()["services"]["nats"] == up).then_some(())
            })
            .await;
        }
    };
    noticed(1).await;
    for outage in 1..=2 {
        app.servers.nats.signal(Signal::Stop).unwrap();
        let down = ready(503).await;
        assert!(down < Duration::from_secs(2) + SLACK, "{down:?}");
        assert_eq!(worker.get("/health").await.body["services"]["nats"], "down");
        let health = edge.get("/health").await;
        assert_eq!((health.status, &health.body["status"]), (200, &json!("degraded")), "PostgreSQL keeps webhooks");
        noticed(0).await;
        app.servers.nats.signal(Signal::Cont).unwrap();
        let up = ready(200).await;
        assert!(up < Duration::from_secs(2) + SLACK, "{up:?}");
        noticed(1).await;
        let told: Vec<&str> = GONE_AND_BACK.into_iter().cycle().take(2 * outage).collect();
        assert_eq!(told_of(&app, "nats", 2 * outage).await, told);
    }
    app.text(CUSTOMER, "My sink is blocked").await;
    app.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    assert_eq!(told_of(&app, "nats", 4).await.len(), 4);
}

/// The worker's committed effects wait for JetStream, each with a database connection. Webhooks that must be stored in
/// PostgreSQL meanwhile do not wait behind them.
#[tokio::test]
async fn where_jetstream_hangs_what_is_under_way_keeps_no_webhook_out_of_postgresql() {
    const UNDER_WAY: u32 = 200;
    let app = App::setup().roles([Role::Edge]).start().await;
    for number in 0..UNDER_WAY {
        app.text(&customer(number), "My sink is blocked").await;
    }
    let worker = Application::start(app.servers.config(&[]), Role::Serve).await.unwrap();
    app.wait_for_event("message.received").await;
    app.servers.nats.signal(Signal::Stop).unwrap();
    let webhook = app.webhook().with_target(format!("http://{}", worker.address().unwrap()));
    for number in 0..5 {
        let sid = new_message_sid();
        let answer = webhook.sms(&sid, &customer(UNDER_WAY + number), OUR_NUMBER, "My sink is blocked").await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    app.servers.nats.signal(Signal::Cont).unwrap();
    for number in 0..UNDER_WAY + 5 {
        app.wait_for_event_of(&customer(number), 1, "message.received").await;
    }
    worker.stop().await;
}

#[tokio::test]
async fn without_both_twilio_is_told_so_and_a_call_is_still_put_through() {
    let mut app = spawn_app().await;
    wait_for_stored(&app.servers, "KV_NMC_BUSINESSES", 1).await;
    app.servers.nats.kill().await.unwrap();
    app.servers.database.take_away().await.unwrap();
    wait_for_health(&app, "nats", "down").await;
    wait_for_health(&app, "postgres", "down").await;
    let health = app.rest.get("/health").await;
    assert_eq!((health.status, &health.body["status"]), (503, &json!("unhealthy")));
    let sms = app.webhook().sms(&new_message_sid(), CUSTOMER, OUR_NUMBER, "one").await.unwrap();
    assert_eq!((sms.status, &sms.json()["error"]["code"]), (503, &json!("UNAVAILABLE")));
    let call_sid = new_call_sid();
    let ringing = app.webhook().incoming_call(&call_sid, CUSTOMER, OUR_NUMBER, "ringing").await.unwrap();
    assert_eq!((ringing.status, ringing.dial_number().as_deref()), (200, Some(OWNER)));
    let ended = app.webhook().call_status(&call_sid, "no-answer", Some(CUSTOMER), Some(OUR_NUMBER), 0).await.unwrap();
    assert_eq!(ended.status, 503, "its status callback is an acknowledgement, and there is none");
    assert_eq!(app.rest.get("/metrics").await.ok()["webhook_processing"]["calls_unrecorded"], 1);

    app.servers.nats.restart().await.unwrap();
    app.servers.database.give_back().await.unwrap();
    wait_for_health(&app, "postgres", "healthy").await;
    wait_for_health(&app, "nats", "healthy").await;
    let ended = app.webhook().call_status(&call_sid, "no-answer", Some(CUSTOMER), Some(OUR_NUMBER), 0).await.unwrap();
    assert_eq!(ended.status, 200);
    app.wait_for_sms(CUSTOMER, 1).await;
}

#[tokio::test]
async fn without_redis_events_wait_and_nothing_else_notices() {
    let mut app = spawn_app().await;
    app.servers.redis.kill().await.unwrap();
    wait_for_health(&app, "redis", "down").await;
    app.text(CUSTOMER, "one").await;
    app.wait_for_sms(CUSTOMER, 1).await;
    eventually("the callback", async || {
        let messages = app.messages_of(CUSTOMER).await;
        messages.iter().any(|message| message["status"] == "delivered").then_some(())
    })
    .await;
    assert_eq!(told_of(&app, "redis", 1).await, ["service.degraded"]);
    app.servers.redis.restart().await.unwrap();
    app.settled().await;
    assert_eq!(told_of(&app, "redis", 2).await, GONE_AND_BACK);
    let log = eventually("the log", async || {
        let log = app.events.log().await;
        log.iter().any(|event| event["event_type"] == "service.restored").then_some(log)
    })
    .await;
    let of_customer: Vec<_> = log.iter().filter(|event| event["customer_phone"] == CUSTOMER).collect();
    let sequences: Vec<_> = of_customer.iter().filter_map(|event| event["sequence"].as_u64()).collect();
    assert_eq!(sequences, (1..=of_customer.len() as u64).collect::<Vec<_>>(), "each once, in order");
    assert!(of_customer.iter().any(|event| event["event_type"] == "message.delivered"));
}

/// If several processes notice a change, one event is published.
#[tokio::test]
async fn an_outage_is_told_once_however_many_notice() {
    let mut app = App::setup().roles([Role::Serve, Role::Edge, Role::Worker, Role::Worker]).start().await;
    wait_until_noticed(&app, "redis", 1).await;
    for round in 1..=2 {
        app.servers.redis.kill().await.unwrap();
        told_of(&app, "redis", 2 * round - 1).await;
        for edge in app.addresses() {
            let metrics = async || Rest::new(format!("http://{edge}"), API_KEY).get("/metrics").await.ok();
            eventually("each edge has noticed", async || (metrics().await["services"]["redis"] == 0).then_some(()))
                .await;
        }
        app.servers.redis.restart().await.unwrap();
        told_of(&app, "redis", 2 * round).await;
        for edge in app.addresses() {
            let metrics = async || Rest::new(format!("http://{edge}"), API_KEY).get("/metrics").await.ok();
            eventually("and the end of it", async || (metrics().await["services"]["redis"] == 1).then_some(())).await;
        }
    }
    app.settled().await;
    assert_eq!(told_of(&app, "redis", 4).await, [GONE_AND_BACK, GONE_AND_BACK].concat());
}

/// Everything may be started in any order: each part waits for those that are missing.
#[rstest]
#[case::the_service_first(["nats", "postgres", "redis"])]
#[case::postgresql_last(["redis", "nats", "postgres"])]
#[case::redis_first_jetstream_last(["redis", "postgres", "nats"])]
#[tokio::test]
async fn the_service_starts_before_what_it_rests_on(#[case] order: [&str; 3]) {
    let mut servers = Servers::start(TwilioOptions::default()).await;
    servers.nats.stop().await.unwrap();
    servers.redis.stop().await.unwrap();
    servers.database.take_away().await.unwrap();
    let service = Application::start(servers.config(&[]), Role::Serve).await.unwrap();
    let address = format!("http://{}", service.address().unwrap());
    let rest = Rest::new(&address, API_KEY);
    assert_eq!(rest.get("/health/live").await.status, 200);
    assert_eq!(rest.get("/health").await.status, 503);
    for part in order {
        match part {
            "nats" => servers.nats.restart().await.unwrap(),
            "redis" => servers.redis.restart().await.unwrap(),
            _ => servers.database.give_back().await.unwrap(),
        }
    }
    rest.ready().await;
    rest.put(&format!("/businesses/{BUSINESS}"), &business()).await.ok();
    servers.twilio.set_webhook_url(PUBLIC_URL, Some(&address));
    servers.twilio.text(CUSTOMER, OUR_NUMBER, "My sink is blocked").await.unwrap();
    let sent = servers.twilio.wait_for(|all| !all.is_empty(), PATIENCE).await.unwrap();
    assert_eq!(sent[0].to, CUSTOMER);
    service.stop().await;
}

/// Twilio sends a webhook twice while JetStream recovers, and the second copy overtakes the first, which waits in
/// PostgreSQL: the position of the text is that of the first copy.
#[tokio::test]
async fn a_copy_that_overtakes_its_original_does_not_move_the_text() {
    let app = spawn_app().await;
    let copy = |received_at: &str| {
        json!({
            "input_id": "sms:SM1", "body_hash": "one", "received_at": received_at, "params": [],
            "webhook": {
                "kind": "sms", "message_sid": "SM1", "from": CUSTOMER, "to": OUR_NUMBER, "body": "first", "media": [],
            },
        })
    };
    let client = async_nats::connect(app.servers.nats.url()).await.unwrap();
    let context = async_nats::jetstream::new(client);
    let publish = async |received_at: &str| {
        let payload = copy(received_at).to_string().into();
        context.publish("nmc.inbound.sms.key", payload).await.unwrap().await.unwrap();
    };
    app.text(CUSTOMER, "second").await;
    app.wait_for_event_of(CUSTOMER, 1, "message.received").await;
    publish("2100-01-01T00:00:00Z").await;
    app.wait_for_event_of(CUSTOMER, 2, "message.received").await;
    assert_texts(&app, CUSTOMER, &["second", "first"]).await;
    publish("2020-01-01T00:00:00Z").await;
    eventually("the text in its place", async || {
        let messages = app.messages_of(CUSTOMER).await;
        (messages[0]["body"] == "first").then_some(())
    })
    .await;
    assert_texts(&app, CUSTOMER, &["first", "second"]).await;
}

/// The same on the real path: the copy is in JetStream, the original still in PostgreSQL.
#[tokio::test]
async fn what_waited_is_told_though_its_copy_was_quicker() {
    let app = spawn_app().await;
    app.text(CUSTOMER, "second").await;
    app.wait_for_event_of(CUSTOMER, 1, "message.received").await;
    app.text(CUSTOMER, "first").await;
    app.wait_for_event_of(CUSTOMER, 2, "message.received").await;
    assert_texts(&app, CUSTOMER, &["second", "first"]).await;
    let copy = app.stored("NMC_INBOUND").await.pop().unwrap();
    let mut original = copy.json();
    original["received_at"] = json!("2020-01-01T00:00:00Z");
    let kept = "INSERT INTO waiting_webhooks (message_id, subject, headers, payload) VALUES ($1, $2, '{}', $3)";
    let kept = sqlx::query(kept).bind(&copy.headers["Nats-Msg-Id"]).bind(&copy.subject);
    kept.bind(original.to_string().into_bytes()).execute(&mut app.servers.sql().await).await.unwrap();
    eventually("the text in its place", async || {
        let messages = app.messages_of(CUSTOMER).await;
        (messages[0]["body"] == "first").then_some(())
    })
    .await;
    assert_texts(&app, CUSTOMER, &["first", "second"]).await;
}
