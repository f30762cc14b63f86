//! Dead letters: messages that could not be processed are listed with a reason, replayed after the cause is fixed, and
//! applied once.

use std::time::Duration;

use async_nats::HeaderMap;
use chrono::{DateTime, Utc};
use futures::future::join_all;
use nmc_testbed::twilio::new_message_sid;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::Connection;

use crate::harness::{
    App, BUSINESS, CUSTOMER, OUR_NUMBER, business, customer, eventually, query, run, spawn_app, spawn_app_with,
};

/// A number that no business owns at first.
const NOBODYS: &str = "+15555559999";

/// Sends a text to a number that no business owns yet.
async fn text_nobody(app: &App, from: &str, body: &str) {
    let answer = app.webhook().sms(&new_message_sid(), from, NOBODYS, body).await.unwrap();
    assert_eq!(answer.status, 200);
}

/// Adds a business that owns the number.
async fn mend(app: &App) {
    let mut newcomer = business();
    newcomer["phone_numbers"] = json!([NOBODYS]);
    app.put_business("newcomer", &newcomer).await;
}

async fn letters(app: &App, filter: &[(&str, &str)]) -> Vec<Value> {
    let list = app.rest.get(&query("/dead-letters", filter)).await.ok();
    list["dead_letters"].as_array().expect("dead_letters").clone()
}

async fn letter(app: &App, id: u64) -> Value {
    app.rest.get(&format!("/dead-letters/{id}")).await.ok()
}

async fn replay(app: &App, id: u64) -> Value {
    app.rest.send(Method::POST, &format!("/dead-letters/{id}/replay"), None).await.ok()
}

async fn customer_texts(app: &App, from: &str) -> Vec<Value> {
    let all = app.messages_of(from).await;
    all.into_iter().filter(|message| message["sender_type"] == "customer").collect()
}

/// The number of texts in NMC_INBOUND.
async fn texts_received(app: &App) -> usize {
    app.stored("NMC_INBOUND").await.iter().filter(|message| message.subject.starts_with("nmc.inbound.sms.")).count()
}

/// Publishes as a worker of another version would.
async fn publish(app: &App, subject: &str, payload: &str) {
    let client = async_nats::connect(app.servers.nats.url()).await.unwrap();
    let context = async_nats::jetstream::new(client);
    let published = context.publish_with_headers(subject.to_owned(), HeaderMap::new(), payload.to_owned().into()).await;
    published.unwrap().await.unwrap();
}

/// A letter as the edge would have written it.
fn edge_letter(form: &str) -> String {
    json!({
        "reason": "undecodable_form", "detail": "parameter Body is not valid UTF-8", "subject": "nmc.edge.sms",
        "business_id": BUSINESS, "stream_sequence": 0, "delivery_count": 1, "first_seen": "2026-11-23T14:05:06Z",
        "headers": { "Nmc-Path": "/webhooks/twilio/sms" }, "payload": { "text": form },
    })
    .to_string()
}

#[tokio::test]
async fn what_failed_until_it_was_given_up_is_replayed_from_rest_and_counts_once() {
    let app = spawn_app_with(&[("NMC_MAX_DELIVERIES", "3")]).await;
    // Not an outage, which workers would wait for: the database is available, but returns errors.
    let mut sql = app.servers.sql().await;
    sqlx::query("ALTER TABLE inbox RENAME TO mislaid").execute(&mut sql).await.unwrap();
    app.text(CUSTOMER, "My sink is blocked").await;
    app.wait_for_dead(1).await;
    sqlx::query("ALTER TABLE mislaid RENAME TO inbox").execute(&mut sql).await.unwrap();

    let dead = eventually("the letter", async || letters_if_there(&app).await).await;
    assert_eq!((dead.len(), &dead[0]["reason"], &dead[0]["status"]), (1, &json!("exhausted"), &json!("waiting")));
    assert!(dead[0]["delivery_count"].as_u64().unwrap() >= 3);
    assert!(dead[0]["detail"].as_str().unwrap().contains("inbox"), "its last error: {}", dead[0]["detail"]);
    assert!(dead[0]["payload"]["text"].as_str().unwrap().contains("My sink is blocked"));

    let replayed = replay(&app, 1).await;
    assert_eq!((&replayed["outcome"], &replayed["dead_letter"]["status"]), (&json!("put_back"), &json!("replayed")));
    app.wait_for_sms(CUSTOMER, 1).await;
    let again = replay(&app, 1).await;
    assert_eq!(again["outcome"], "before");
    app.settled().await;
    assert_eq!((customer_texts(&app, CUSTOMER).await.len(), app.sms_to(CUSTOMER).len()), (1, 1));
    let replays = letter(&app, 1).await["replays"].clone();
    assert_eq!(replays.as_array().map(Vec::len), Some(1), "{replays}");
    assert_eq!(
        (&replays[0]["asked_by"], &replays[0]["outcome"]),
        (&json!("a key of NMC_API_KEYS"), &json!("put_back"))
    );
}

/// The letters; `None` while the service has no database.
async fn letters_if_there(app: &App) -> Option<Vec<Value>> {
    let answer = app.rest.get("/dead-letters").await;
    (answer.status == 200).then(|| answer.body["dead_letters"].as_array().cloned()).flatten()
}

#[tokio::test]
async fn ten_replays_at_once_put_a_letter_back_once() {
    let app = spawn_app().await;
    text_nobody(&app, CUSTOMER, "Is anybody there?").await;
    app.wait_for_dead(1).await;
    mend(&app).await;
    let outcomes = join_all((0..10).map(|_| replay(&app, 1))).await;
    let put_back = outcomes.iter().filter(|outcome| outcome["outcome"] == "put_back").count();
    assert_eq!(put_back, 1, "{outcomes:?}");
    app.wait_for_sms(CUSTOMER, 1).await;
    app.settled().await;
    assert_eq!((customer_texts(&app, CUSTOMER).await.len(), app.sms_to(CUSTOMER).len()), (1, 1));
    assert_eq!(texts_received(&app).await, 2, "the webhook, and the letter once");
}

#[tokio::test]
async fn what_had_in_truth_been_processed_changes_nothing_when_it_is_replayed() {
    let app = spawn_app().await;
    app.text(CUSTOMER, "My sink is blocked").await;
    app.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    app.settled().await;
    let before = (app.conversations_of(CUSTOMER).await, app.messages_of(CUSTOMER).await, app.events.log().await);
    let webhook =
        app.stored("NMC_INBOUND").await.into_iter().find(|m| m.subject.starts_with("nmc.inbound.sms")).unwrap();
    let dead = json!({
        "reason": "exhausted", "detail": "no connection", "subject": webhook.subject, "stream_sequence": 1,
        "delivery_count": 1000, "first_seen": "2026-11-23T14:05:06Z", "headers": webhook.headers,
        "payload": { "text": String::from_utf8_lossy(&webhook.payload) },
    });
    publish(&app, "nmc.dead.exhausted", &dead.to_string()).await;
    assert_eq!(replay(&app, 1).await["outcome"], "put_back");
    app.settled().await;
    let after = (app.conversations_of(CUSTOMER).await, app.messages_of(CUSTOMER).await, app.events.log().await);
    assert_eq!(after, before);
    assert_eq!(app.sms_to(CUSTOMER).len(), 1);
    assert_eq!(letters(&app, &[]).await.len(), 1, "it has not come back");
}

#[tokio::test]
async fn many_are_put_back_in_their_turn_and_what_comes_in_is_not_pushed_aside() {
    let app = spawn_app_with(&[("NMC_REPLAY_RATE", "10/s")]).await;
    let customers: Vec<String> = (0..35).map(customer).collect();
    for from in &customers {
        text_nobody(&app, from, "Is anybody there?").await;
    }
    app.wait_for_dead(35).await;
    mend(&app).await;
    let body = json!({ "reason": "unknown_number", "max": 30 });
    let answer = app.rest.send(Method::POST, "/dead-letters/replay", Some(&body)).await;
    assert_eq!((answer.status, &answer.body), (202, &json!({ "queued": 30, "rate": "10/s" })));
    let same = app.rest.send(Method::POST, "/dead-letters/replay", Some(&json!({ "ids": [1, 2, 3] }))).await;
    assert_eq!(same.ok()["queued"], 0, "they are queued already");
    // A text that arrives now is answered while letters are still queued.
    app.text(CUSTOMER, "My sink is blocked").await;
    app.wait_for_sms(CUSTOMER, 1).await;
    assert!(!letters(&app, &[("status", "queued")]).await.is_empty(), "the letters keep to their rate");
    eventually("all to be replayed", async || {
        (letters(&app, &[("status", "replayed")]).await.len() == 30).then_some(())
    })
    .await;
    let waiting: Vec<_> = letters(&app, &[("status", "waiting")]).await.iter().map(|l| l["id"].as_u64()).collect();
    assert_eq!(waiting, [Some(35), Some(34), Some(33), Some(32), Some(31)], "the oldest 30 were replayed");
    let mut done: Vec<DateTime<Utc>> = letters(&app, &[("status", "replayed")])
        .await
        .iter()
        .map(|letter| letter["replays"][0]["done_at"].as_str().unwrap().parse().unwrap())
        .collect();
    done.sort_unstable();
    for (n, at) in done.iter().enumerate() {
        let within = done[n..].iter().filter(|other| **other - *at < chrono::TimeDelta::seconds(1)).count();
        assert!(within <= 10, "{within} in the second from {at}");
    }
    app.settled().await;
    // Letters are not written exactly in the order of the texts.
    let mut answered = 0;
    for from in &customers {
        let conversations = app.conversations_of(from).await.len();
        if conversations > 0 {
            answered += 1;
            assert_eq!((conversations, customer_texts(&app, from).await.len()), (1, 1), "{from}");
        }
    }
    assert_eq!(answered, 30);
}

#[tokio::test]
async fn what_can_never_be_read_comes_back_as_a_new_letter_that_tells_its_history() {
    let app = spawn_app().await;
    publish(&app, "nmc.inbound.sms.k", "no JSON at all").await;
    app.wait_for_dead(1).await;
    assert_eq!(replay(&app, 1).await["outcome"], "put_back");
    app.wait_for_dead(2).await;
    assert_eq!(replay(&app, 2).await["outcome"], "put_back");
    app.wait_for_dead(3).await;
    app.settled().await;
    let newest = letter(&app, 3).await;
    assert_eq!(
        (&newest["reason"], &newest["status"], &newest["replay_of"]),
        (&json!("undecodable"), &json!("waiting"), &json!(2))
    );
    let history: Vec<_> =
        newest["history"].as_array().unwrap().iter().map(|l| (l["id"].as_u64(), l["reason"].as_str())).collect();
    assert_eq!(history, [(Some(2), Some("undecodable")), (Some(1), Some("undecodable"))]);
    // One request replays the existing letters, but not the letter of a message that fails again.
    let all = app.rest.send(Method::POST, "/dead-letters/replay", Some(&json!({ "all": true }))).await.ok();
    assert_eq!(all["queued"], 1);
    app.wait_for_dead(4).await;
    app.settled().await;
    let waiting = letters(&app, &[("status", "waiting")]).await;
    assert_eq!((waiting.len(), waiting[0]["id"].as_u64()), (1, Some(4)));
}

#[tokio::test]
async fn a_form_that_can_be_read_today_becomes_a_message_and_one_that_cannot_waits_on() {
    let app = spawn_app().await;
    let form = "MessageSid=SM1&From=%2B12125551234&To=%2B15555551111&Body=My+sink+is+blocked";
    publish(&app, "nmc.dead.undecodable_form", &edge_letter(form)).await;
    publish(&app, "nmc.dead.undecodable_form", &edge_letter("From=%2B12125551234")).await;
    assert_eq!(replay(&app, 1).await["outcome"], "put_back");
    app.wait_for_event("message.received").await;
    let texts = customer_texts(&app, CUSTOMER).await;
    assert_eq!((texts.len(), &texts[0]["body"]), (1, &json!("My sink is blocked")));
    let refused = replay(&app, 2).await;
    assert_eq!((&refused["outcome"], &refused["dead_letter"]["status"]), (&json!("unusable"), &json!("waiting")));
    assert_eq!(refused["dead_letter"]["replays"][0]["detail"], "parameter To is missing");
}

#[tokio::test]
async fn of_two_bodies_under_one_sid_the_other_stays_aside_when_it_is_replayed() {
    let app = spawn_app().await;
    let sid = new_message_sid();
    app.webhook().sms(&sid, CUSTOMER, OUR_NUMBER, "The first").await.unwrap();
    app.wait_for_event("message.received").await;
    app.webhook().sms(&sid, CUSTOMER, OUR_NUMBER, "The second").await.unwrap();
    app.wait_for_dead(1).await;
    assert_eq!(letter(&app, 1).await["business_id"], BUSINESS);
    assert_eq!(replay(&app, 1).await["outcome"], "put_back");
    app.wait_for_dead(2).await;
    app.settled().await;
    assert_eq!(letter(&app, 2).await["replay_of"], 1);
    let bodies: Vec<_> = customer_texts(&app, CUSTOMER).await.iter().map(|text| text["body"].clone()).collect();
    assert_eq!(bodies, [json!("The first")]);
}

#[tokio::test]
async fn letters_are_listed_newest_first_by_pages_and_filters() {
    let app = spawn_app().await;
    for n in 0..5 {
        text_nobody(&app, &customer(n), "Is anybody there?").await;
    }
    app.wait_for_dead(5).await;
    app.webhook().sms("SMcode", "12345", OUR_NUMBER, "Your code is 123").await.unwrap();
    app.wait_for_dead(6).await;
    let ids = |list: &Value| -> Vec<u64> {
        list["dead_letters"].as_array().unwrap().iter().filter_map(|letter| letter["id"].as_u64()).collect()
    };
    let first = app.rest.get("/dead-letters?limit=4").await.ok();
    assert_eq!(ids(&first), [6, 5, 4, 3]);
    let cursor = first["next_cursor"].as_str().expect("a cursor");
    let second = app.rest.get(&format!("/dead-letters?limit=4&cursor={cursor}")).await.ok();
    assert_eq!((ids(&second), &second["next_cursor"]), (vec![2, 1], &Value::Null));
    let whole = app.rest.get("/dead-letters?limit=6").await.ok();
    assert_eq!((ids(&whole).len(), &whole["next_cursor"]), (6, &Value::Null));
    assert_eq!(ids(&app.rest.get("/dead-letters?reason=sender_not_answerable").await.ok()), [6]);
    assert_eq!(ids(&app.rest.get(&format!("/dead-letters?business_id={BUSINESS}")).await.ok()), [6]);
    assert_eq!(ids(&app.rest.get("/dead-letters?subject=nmc.inbound.call.").await.ok()), [0; 0]);
    for path in ["/dead-letters?status=lost", "/dead-letters?cursor=x", "/dead-letters?limit=0"] {
        assert_eq!(app.rest.get(path).await.error_code(), "VALIDATION_FAILED", "{path}");
    }
    for path in ["/dead-letters/404", "/dead-letters/x", "/dead-letters/-1", "/dead-letters/0"] {
        assert_eq!(app.rest.get(path).await.error_code(), "NOT_FOUND", "{path}");
    }
    for body in [json!({}), json!({ "all": false }), json!({ "all": true, "max": 0 })] {
        let answer = app.rest.send(Method::POST, "/dead-letters/replay", Some(&body)).await;
        assert_eq!((answer.status, answer.error_code()), (400, "VALIDATION_FAILED"), "{body}");
    }
}

#[tokio::test]
async fn a_key_of_one_business_sees_and_replays_its_letters_only() {
    let app = spawn_app().await;
    app.webhook().sms("SMours", "12345", OUR_NUMBER, "Your code is 123").await.unwrap();
    app.wait_for_dead(1).await;
    text_nobody(&app, CUSTOMER, "Is anybody there?").await;
    app.wait_for_dead(2).await;
    mend(&app).await;
    let (_, ours) = app.key(Some(&[BUSINESS]), true).await;
    let (_, newcomers) = app.key(Some(&["newcomer"]), true).await;
    let (_, reads) = app.key(None, false).await;
    assert_eq!(ours.get("/dead-letters").await.ok()["dead_letters"].as_array().map(Vec::len), Some(1));
    assert_eq!(ours.get("/dead-letters/1").await.status, 200);
    // The text arrived before the number was theirs.
    for rest in [&ours, &newcomers] {
        assert_eq!(rest.get("/dead-letters/2").await.status, 404);
        assert_eq!(rest.send(Method::POST, "/dead-letters/2/replay", None).await.status, 404);
        for body in [json!({ "all": true }), json!({ "ids": [2] })] {
            let queued = rest.send(Method::POST, "/dead-letters/replay", Some(&body)).await.ok();
            assert!(queued["queued"].as_u64().unwrap() <= 1, "{queued}");
        }
    }
    app.settled().await;
    assert_eq!(letter(&app, 2).await["status"], "waiting");
    assert_eq!(reads.get("/dead-letters/2").await.status, 200);
    for (path, body) in [("/dead-letters/2/replay", None), ("/dead-letters/replay", Some(json!({ "all": true })))] {
        assert_eq!(reads.send(Method::POST, path, body.as_ref()).await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn the_command_line_lists_and_replays_at_a_rate() {
    let app = spawn_app().await;
    for n in 0..4 {
        text_nobody(&app, &customer(n), "Is anybody there?").await;
    }
    app.wait_for_dead(4).await;
    mend(&app).await;
    let settings = app.servers.settings(&[]);
    let told =
        |output: std::process::Output| (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned());
    let (fine, listed) =
        told(run(&["dead-letters", "list", "--reason", "unknown_number", "--limit", "3"], &settings).await);
    assert!(fine && listed.lines().count() == 3 && listed.starts_with("4  "), "{listed}");
    let (fine, one) = told(run(&["dead-letters", "replay", "1"], &settings).await);
    assert!(fine && one.starts_with("1: published again to nmc.inbound.sms."), "{one}");
    let began = std::time::Instant::now();
    let (fine, all) = told(run(&["dead-letters", "replay", "--all", "--rate", "2/s"], &settings).await);
    assert!(fine && all.lines().count() == 3, "{all}");
    assert!(began.elapsed() >= Duration::from_secs(1), "three at two a second take a second");
    let (fine, again) = told(run(&["replay", "2"], &settings).await);
    assert!(fine && again.contains("before"), "{again}");
    assert!(!run(&["dead-letters", "replay", "404"], &settings).await.status.success());
    assert!(!run(&["dead-letters", "replay"], &settings).await.status.success(), "which?");
    for n in 0..4 {
        let customer = customer(n);
        app.wait_for_sms(&customer, 1).await;
        assert_eq!(customer_texts(&app, &customer).await.len(), 1);
    }
}

#[tokio::test]
async fn a_replay_that_died_half_way_is_done_once() {
    let app = spawn_app().await;
    text_nobody(&app, CUSTOMER, "Is anybody there?").await;
    app.wait_for_dead(1).await;
    mend(&app).await;
    assert_eq!(replay(&app, 1).await["outcome"], "put_back");
    app.wait_for_sms(CUSTOMER, 1).await;
    // As if the process had died after publishing and before recording the replay.
    let mut sql = app.servers.sql().await;
    sqlx::query("UPDATE dead_letter_replays SET outcome = 'queued', done_at = NULL").execute(&mut sql).await.unwrap();
    eventually("the queue to be worked on", async || (letter(&app, 1).await["status"] == "replayed").then_some(()))
        .await;
    sql.close().await.unwrap();
    app.settled().await;
    assert_eq!(texts_received(&app).await, 2, "JetStream knows its id");
    assert_eq!((customer_texts(&app, CUSTOMER).await.len(), app.sms_to(CUSTOMER).len()), (1, 1));
}
