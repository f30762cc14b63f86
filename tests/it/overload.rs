//! Overload: what is accepted, what is refused, and what has priority.

use async_nats::jetstream::{self, consumer::PullConsumer};
use nevermisscall::internals::{Application, Role};
use nmc_testbed::twilio::{new_call_sid, new_message_sid};
use serde_json::{Value, json};

use crate::harness::{App, CUSTOMER, OUR_NUMBER, OWNER, business, customer, eventually};

#[tokio::test]
async fn beyond_the_backlog_webhooks_are_shed_and_emergencies_later_than_the_rest() {
    const BACKLOG: u64 = 30;
    // There is no worker, so webhooks accumulate.
    let setup = App::setup().set("NMC_MAX_BACKLOG", &BACKLOG.to_string()).roles([Role::Edge]);
    let app = setup.start().await;
    let text = async |body: &str| {
        let answer = app.webhook().sms(&new_message_sid(), CUSTOMER, OUR_NUMBER, body).await.unwrap();
        let retry_after = answer.headers.get("retry-after").and_then(|value| value.to_str().ok()).map(str::to_owned);
        (answer.status, retry_after)
    };
    let processing = async || app.rest.get("/metrics").await.ok()["webhook_processing"].clone();
    // One more than the bound, and not many more: at twice the bound, emergencies are shed too.
    for _ in 0..=BACKLOG {
        assert_eq!(text("My sink is blocked").await.0, 200);
    }
    let seen = async || (processing().await["waiting"].as_u64() > Some(BACKLOG)).then_some(());
    eventually("what waits is noticed", seen).await;
    assert_eq!(text("My sink is blocked").await, (503, Some("10".to_owned())));
    assert_eq!(text("my basement is flooding").await.0, 200, "an emergency is still taken");
    let ringing = app.webhook().incoming_call(&new_call_sid(), CUSTOMER, OUR_NUMBER, "ringing").await.unwrap();
    assert_eq!((ringing.status, ringing.dial_number().as_deref()), (200, Some(OWNER)), "a caller is put through");
    assert_eq!(processing().await["shed"], 2, "the text, and the call, which is put through all the same");
    // A worker starts, and the waiting webhooks are processed.
    let worker = Application::start(app.servers.config(&[]), Role::Worker).await.unwrap();
    eventually("the way is free again", async || (text("again").await.0 == 200).then_some(())).await;
    app.settled().await;
    worker.stop().await;
}

#[tokio::test]
async fn an_emergency_and_another_business_do_not_wait_behind_a_flood() {
    // More than a worker holds for one key: messages beyond that are delivered after all others.
    const FLOOD: usize = 600;
    let app = App::setup().set("NMC_WINDOW_HOLD", "5s").set("NMC_WINDOW_MAX", "10s").roles([Role::Edge]).start().await;
    let other_number = "+15550009000";
    let other = json!({ "phone_numbers": [other_number], "name": "Another" });
    let mut another = business();
    another.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
    app.put_business("another", &another).await;
    let (client, flooding) = (app.webhook(), customer(0));
    for _ in 0..FLOOD {
        client.sms(&new_message_sid(), &flooding, OUR_NUMBER, "hello").await.unwrap();
    }
    eventually("the express lane", async || {
        let metrics = app.rest.get("/metrics").await.ok();
        (metrics["webhook_processing"]["waiting"].as_u64() >= Some(200)).then_some(())
    })
    .await;
    client.sms(&new_message_sid(), &customer(1), OUR_NUMBER, "my basement is flooding").await.unwrap();
    client.sms(&new_message_sid(), &customer(2), other_number, "My sink is blocked").await.unwrap();
    let client = async_nats::connect(app.servers.nats.url()).await.unwrap();
    let express: PullConsumer = jetstream::new(client).get_consumer_from_stream("express", "NMC_TASKS").await.unwrap();
    eventually("both in the express lane", async || {
        let pending = express.get_info().await.ok()?.num_pending;
        (pending >= 2).then_some(())
    })
    .await;

    let worker = Application::start(app.servers.config(&[]), Role::Worker).await.unwrap();
    for who in [customer(1), customer(2)] {
        app.wait_for_event_of(&who, 1, "message.received").await;
    }
    let log = app.events.log().await;
    let place = |who: &str| {
        let received = log.iter().filter(|event| event["event_type"] == "message.received");
        received.enumerate().filter(|(_, event)| event["customer_phone"] == who).map(|(place, _)| place).next().unwrap()
    };
    for who in [customer(1), customer(2)] {
        assert!(place(&who) < FLOOD / 2, "{who} came {}th", place(&who));
        let conversation = app.conversation_of(&who).await;
        assert_eq!(app.messages(conversation["id"].as_str().unwrap()).await.iter().filter(is_customers).count(), 1);
    }
    worker.stop().await;
}

fn is_customers(message: &&Value) -> bool {
    message["sender_type"] == "customer"
}
