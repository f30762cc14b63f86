//! Windows close in event time: however far the worker lags behind, a text that arrived before the deadline is in the
//! window, and nobody waits for another customer's text.

use nevermisscall::internals::Role;
use nmc_testbed::twilio::new_message_sid;
use serde_json::Value;
use sqlx::PgConnection;

use crate::harness::{App, CUSTOMER, OUR_NUMBER, customer, eventually, spawn_app_with};

/// A window that may wait for long after its deadline.
const LONG_MAX: [(&str, &str); 3] =
    [("NMC_WINDOW_HOLD", "3s"), ("NMC_WINDOW_QUIET", "300ms"), ("NMC_WINDOW_MAX", "60s")];

fn bodies(question: &Value) -> Vec<&str> {
    let messages = question["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    messages.iter().filter_map(|message| message["body"].as_str()).collect()
}

/// A text that the worker cannot decide yet: its id in the inbox is locked by a transaction of ours.
struct Stuck(PgConnection);

impl Stuck {
    /// Sends a text that gets stuck. It is acknowledged, so it is in NMC_INBOUND.
    async fn text(app: &App, from: &str, body: &str) -> Self {
        let sid = new_message_sid();
        let mut sql = app.servers.sql().await;
        sqlx::query("BEGIN").execute(&mut sql).await.unwrap();
        let lock = "INSERT INTO inbox (id, outbox_keys) VALUES ($1, '{}')";
        sqlx::query(lock).bind(format!("sms:{sid}")).execute(&mut sql).await.unwrap();
        assert_eq!(app.webhook().sms(&sid, from, OUR_NUMBER, body).await.unwrap().status, 200);
        Self(sql)
    }

    async fn proceeds(mut self) {
        sqlx::query("ROLLBACK").execute(&mut self.0).await.unwrap();
    }
}

/// Waits until the window of the only open conversation of a customer has been due for a second.
async fn overdue(app: &App, customer: &str) {
    let due = "SELECT next_timer_at < now() - interval '1 second' FROM conversations WHERE customer_phone = $1";
    eventually("a window that has been due for a second", async || {
        let mut sql = app.servers.sql().await;
        let due: Option<bool> = sqlx::query_scalar(due).bind(customer).fetch_one(&mut sql).await.unwrap();
        due.unwrap_or_default().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_window_waits_for_the_texts_that_arrived_before_its_deadline() {
    let app = spawn_app_with(&LONG_MAX).await;
    app.text(CUSTOMER, "Hi").await;
    app.wait_for_event_of(CUSTOMER, 1, "message.received").await;
    let stuck = Stuck::text(&app, CUSTOMER, "my sink is blocked").await;
    app.text(CUSTOMER, "the kitchen one").await;
    overdue(&app, CUSTOMER).await;
    assert_eq!(app.servers.dispatchbot.requests().len(), 0, "it waits");
    stuck.proceeds().await;
    app.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    app.settled().await;
    let asked = app.servers.dispatchbot.requests();
    assert_eq!(asked.iter().map(bodies).collect::<Vec<_>>(), [["Hi", "my sink is blocked", "the kitchen one"]]);
    assert_eq!(app.sms_to(CUSTOMER).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_two_workers_waits_for_the_texts_that_the_other_has() {
    let setup = LONG_MAX.iter().fold(App::setup(), |setup, (name, value)| setup.set(name, value));
    let app = setup.roles([Role::Edge, Role::Worker, Role::Worker]).start().await;
    // Enough that each worker has a text of one and the timer of another.
    let customers: Vec<String> = (0..6).map(customer).collect();
    let mut stuck = Vec::new();
    for customer in &customers {
        app.text(customer, "Hi").await;
        app.wait_for_event_of(customer, 1, "message.received").await;
        stuck.push(Stuck::text(&app, customer, "my sink is blocked").await);
    }
    for customer in &customers {
        overdue(&app, customer).await;
    }
    assert_eq!(app.servers.dispatchbot.requests().len(), 0, "they wait");
    for stuck in stuck {
        stuck.proceeds().await;
    }
    for customer in &customers {
        app.wait_for_event_of(customer, 1, "message.delivered").await;
    }
    app.settled().await;
    let asked = app.servers.dispatchbot.requests();
    assert_eq!(asked.iter().map(bodies).collect::<Vec<_>>(), [["Hi", "my sink is blocked"]; 6]);
}

#[tokio::test]
async fn a_window_waits_for_a_text_that_waits_in_postgresql() {
    let app = spawn_app_with(&LONG_MAX).await;
    let sid = app.text(CUSTOMER, "Hello there").await;
    app.wait_for_event_of(CUSTOMER, 1, "message.received").await;
    let first = app.stored("NMC_INBOUND").await.pop().unwrap();
    let first = (first.subject, String::from_utf8(first.payload.to_vec()).unwrap());
    let later = first.1.replace(&sid, &new_message_sid()).replace("Hello there", "my sink is blocked");
    // Webhooks that wait are published in order, and the first of these is too large for JetStream.
    let kept = "INSERT INTO waiting_webhooks (message_id, subject, headers, payload)
                VALUES ('large', $1, '{}', convert_to(repeat('x', 2000000), 'UTF8')), ('later', $2, '{}', $3)";
    let kept = sqlx::query(kept).bind("nmc.inbound.sms.large").bind(first.0).bind(later.into_bytes());
    let mut sql = app.servers.sql().await;
    kept.execute(&mut sql).await.unwrap();
    overdue(&app, CUSTOMER).await;
    assert_eq!(app.servers.dispatchbot.requests().len(), 0, "it waits");
    sqlx::query("DELETE FROM waiting_webhooks WHERE message_id = 'large'").execute(&mut sql).await.unwrap();
    let asked = app.wait_for_questions(1).await;
    assert_eq!(bodies(&asked[0]), ["Hello there", "my sink is blocked"]);
    app.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    assert_eq!(app.servers.dispatchbot.requests().len(), 1);
}

#[tokio::test]
async fn nobody_waits_for_the_text_of_another_customer() {
    let app = spawn_app_with(&LONG_MAX).await;
    let other = customer(7);
    let stuck = Stuck::text(&app, &other, "my sink is blocked").await;
    app.text(CUSTOMER, "My drain is clogged").await;
    app.wait_for_event_of(CUSTOMER, 1, "message.delivered").await;
    assert_eq!(app.servers.dispatchbot.requests().len(), 1);
    stuck.proceeds().await;
    app.wait_for_event_of(&other, 1, "message.delivered").await;
}

#[tokio::test]
async fn a_window_waits_until_its_maximum_and_no_longer() {
    let settings = [("NMC_WINDOW_HOLD", "3s"), ("NMC_WINDOW_QUIET", "300ms"), ("NMC_WINDOW_MAX", "6s")];
    let app = spawn_app_with(&settings).await;
    app.text(CUSTOMER, "Hi").await;
    app.wait_for_event_of(CUSTOMER, 1, "message.received").await;
    let stuck = Stuck::text(&app, CUSTOMER, "my sink is blocked").await;
    let asked = app.wait_for_questions(1).await;
    assert_eq!(bodies(&asked[0]), ["Hi"]);
    let waited = "SELECT s.at - w.opened_at >= interval '6 seconds' FROM windows w
                  JOIN window_steps s ON s.window_id = w.id WHERE s.state = 'claimed' ORDER BY s.id LIMIT 1";
    let mut sql = app.servers.sql().await;
    assert!(sqlx::query_scalar::<_, bool>(waited).fetch_one(&mut sql).await.unwrap(), "it waits until its maximum");
    stuck.proceeds().await;
    let asked = app.wait_for_questions(2).await;
    // It was sent before the answer to the first one.
    assert_eq!(bodies(&asked[1])[..2], ["Hi", "my sink is blocked"]);
}
