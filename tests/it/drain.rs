//! Asked to stop: what is under way is finished, the rest is given back.

use async_nats::jetstream::{self, AckKind, consumer::PullConsumer};
use futures::TryStreamExt;
use nevermisscall::app::{Application, Role};

use crate::harness::{App, customer};

/// A worker that is asked to stop gives back at once what it has fetched: nobody waits for the time-out of 10 s.
#[tokio::test]
async fn a_worker_that_stops_gives_back_what_it_has_not_begun() {
    const TEXTS: u32 = 250;
    let app = App::setup().set("NMC_WINDOW_HOLD", "60s").set("NMC_WINDOW_MAX", "90s").roles([Role::Edge]).start().await;
    for number in 0..TEXTS {
        app.text(&customer(number), "My sink is blocked").await;
    }
    let first = Application::start(app.servers.config(&[]), Role::Worker).await.unwrap();
    app.wait_for_event("message.received").await;
    first.stop().await;

    let client = async_nats::connect(app.servers.nats.url()).await.unwrap();
    let context = jetstream::new(client.clone());
    let mut consumer: PullConsumer = context.get_consumer_from_stream("conversations", "NMC_INBOUND").await.unwrap();
    let info = consumer.info().await.unwrap();
    let left = usize::try_from(info.num_pending).unwrap() + info.num_ack_pending;
    assert!(left > 0, "there was something left to give back");
    // What waits for its time-out is not handed out to whoever asks now.
    let at_hand: Vec<_> =
        consumer.fetch().max_messages(TEXTS as usize).messages().await.unwrap().try_collect().await.unwrap();
    assert_eq!(at_hand.len(), left, "of {left} left, so many can be had at once");
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
