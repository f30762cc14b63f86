//! On shutdown, started work is finished, and other messages are given back with a nak.

use std::time::Duration;

use async_nats::jetstream::consumer::{FromConsumer, PullConsumer, pull};
use async_nats::jetstream::{self, AckKind, Context};
use futures::TryStreamExt;
use nevermisscall::internals::{Application, Role};

use crate::harness::{App, customer, eventually};

/// A stopping worker gives back at once what it has fetched, so that nothing waits for `ack_wait`, which is an hour
/// here.
#[tokio::test]
async fn a_worker_that_stops_gives_back_what_it_has_not_begun() {
    const TEXTS: u32 = 250;
    let app = App::setup().set("NMC_WINDOW_HOLD", "60s").set("NMC_WINDOW_MAX", "90s").roles([Role::Edge]).start().await;
    for number in 0..TEXTS {
        app.text(&customer(number), "My sink is blocked").await;
    }
    let client = async_nats::connect(app.servers.nats.url()).await.unwrap();
    let mut consumer = with_time_out(&jetstream::new(client.clone()), Duration::from_secs(3_600)).await;
    let first = Application::start(app.servers.config(&[]), Role::Worker).await.unwrap();
    app.wait_for_event("message.received").await;
    first.stop().await;

    let info = consumer.info().await.unwrap();
    assert!(info.num_pending > 0 || info.num_ack_pending > 0, "there was something left to give back");
    let mut at_hand = Vec::new();
    // Counted again each time: acks of the stopped worker may still be in transit.
    eventually("all that is left is in our hands", async || {
        let messages = consumer.fetch().max_messages(TEXTS as usize).messages().await.unwrap();
        at_hand.extend(messages.try_collect::<Vec<_>>().await.unwrap());
        let info = consumer.info().await.unwrap();
        (info.num_pending == 0 && info.num_ack_pending == at_hand.len()).then_some(())
    })
    .await;
    for message in at_hand {
        message.ack_with(AckKind::Nak(None)).await.unwrap();
    }
    client.flush().await.unwrap();

    let second = Application::start(app.servers.config(&[]), Role::Worker).await.unwrap();
    for number in 0..TEXTS {
        app.wait_for_event_of(&customer(number), 1, "message.received").await;
    }
    second.stop().await;
}

/// The webhooks' consumer with a different `ack_wait`.
async fn with_time_out(context: &Context, time_out: Duration) -> PullConsumer {
    let stream = context.get_stream("NMC_INBOUND").await.unwrap();
    let info = stream.consumer_info("conversations").await.unwrap();
    let config = pull::Config::try_from_consumer_config(info.config).unwrap();
    stream.update_consumer(pull::Config { ack_wait: time_out, ..config }).await.unwrap()
}
