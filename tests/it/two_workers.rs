//! Several processes on the same servers produce the same result as one.

use futures::future::join_all;
use nevermisscall::internals::Role;
use nmc_testbed::twilio::new_message_sid;
use rstest::rstest;
use serde_json::Value;

use crate::harness::{App, OUR_NUMBER, PUBLIC_URL, customer, eventually, spawn_app};

const CONVERSATIONS: u32 = 30;
const BURST: [&str; 3] = ["My sink is blocked", "the kitchen one", "can you come?"];

/// Sends one customer's texts through alternating edges.
async fn burst(app: &App, number: u32) {
    let addresses = app.addresses();
    for (turn, text) in BURST.iter().enumerate() {
        let address = addresses[(turn + number as usize) % addresses.len()];
        let client = app.webhook().with_target(format!("http://{address}"));
        let answer = client.sms(&new_message_sid(), &customer(number), OUR_NUMBER, text).await.unwrap();
        assert_eq!(answer.status, 200);
    }
}

#[rstest]
#[case::one(vec![Role::Serve])]
#[case::two(vec![Role::Serve, Role::Serve])]
#[case::one_edge_and_two_workers(vec![Role::Edge, Role::Worker, Role::Worker])]
#[case::two_edges_and_three_workers(vec![Role::Edge, Role::Edge, Role::Worker, Role::Worker, Role::Worker])]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_work_each_burst_gets_one_answer_in_order(#[case] roles: Vec<Role>) {
    // Long enough for all bursts to arrive, even on a busy machine.
    let setup = App::setup().set("NMC_WINDOW_HOLD", "10s").set("NMC_WINDOW_MAX", "40s").roles(roles);
    let app = setup.start().await;
    assert_eq!(app.webhook().sign(PUBLIC_URL, &[("", "")]).len(), 28);
    join_all((0..CONVERSATIONS).map(|number| burst(&app, number))).await;
    for number in 0..CONVERSATIONS {
        app.wait_for_event_of(&customer(number), 1, "message.delivered").await;
    }
    app.settled().await;
    assert_eq!(app.servers.twilio.messages().len(), CONVERSATIONS as usize);
    let log = app.events.log().await;
    for number in 0..CONVERSATIONS {
        let who = customer(number);
        assert_eq!(app.sms_to(&who).len(), 1);
        let messages = app.messages_of(&who).await;
        let texts: Vec<_> = messages.iter().take(3).filter_map(|m| m["body"].as_str()).collect();
        assert_eq!((texts.as_slice(), messages.len()), (&BURST[..], 4));
        let told: Vec<_> = log.iter().filter(|event| event["customer_phone"] == who.as_str()).collect();
        let sequences: Vec<_> = told.iter().filter_map(|event| event["sequence"].as_u64()).collect();
        assert_eq!(sequences, (1..=told.len() as u64).collect::<Vec<_>>(), "each once, in order");
        let answered = told.iter().filter(|event| event["event_type"] == "message.sent").count();
        assert_eq!(answered, 1);
    }
    let questions = app.servers.dispatchbot.requests();
    assert_eq!(questions.len(), CONVERSATIONS as usize);
    assert!(questions.iter().all(|question| question["messages"].as_array().map(Vec::len) == Some(3)));
    assert_eq!(log.len(), app.stored("NMC_EVENTS").await.len());
    let ids: std::collections::BTreeSet<_> = log.iter().map(|event: &Value| event["event_id"].to_string()).collect();
    assert_eq!(ids.len(), log.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_stops_leaves_nothing_undone() {
    let setup = App::setup().set("NMC_WINDOW_HOLD", "500ms").roles([Role::Serve]);
    let mut app = setup.start().await;
    for number in 0..5 {
        burst(&app, number).await;
    }
    app.stop().await;
    let other = nevermisscall::internals::Application::start(app.servers.config(&[]), Role::Worker).await.unwrap();
    for number in 0..5 {
        app.wait_for_sms(&customer(number), 1).await;
    }
    other.stop().await;
}

/// An effect that cannot be published (too large for JetStream) does not stop the sweeper from publishing others.
#[tokio::test]
async fn an_effect_that_cannot_be_published_holds_up_only_its_own_conversation() {
    let mut app = spawn_app().await;
    app.publishes_its_own_events();
    // The sweeper takes the oldest first.
    let left_behind = "INSERT INTO outbox (key, subject, message_id, headers, payload, created_at) VALUES
         (gen_random_uuid(), 'nmc.event.too.large', 'large', '{}', to_jsonb(repeat('x', 2000000)), now() - interval '1 hour'),
         (gen_random_uuid(), 'nmc.event.in.order', 'small', '{}', '{}', now() - interval '1 minute')";
    sqlx::query(left_behind).execute(&mut app.servers.sql().await).await.unwrap();
    eventually("the event of another conversation", async || {
        let stored = app.stored("NMC_EVENTS").await;
        stored.iter().any(|message| message.subject == "nmc.event.in.order").then_some(())
    })
    .await;
}
