//! Webhooks that wait together are published as one atomic batch: whatever becomes of the batch, each webhook that was
//! answered is stored once, or waits in PostgreSQL until it is.

use std::collections::BTreeMap;
use std::fs;
use std::pin::pin;

use async_nats::jetstream;
use futures::future::join_all;
use nevermisscall::internals::{DurablePublisher, JetStream, Metrics, Outgoing, Role, Store};
use nmc_testbed::servers::Signal;
use rstest::rstest;

use crate::harness::{App, Stored, eventually};

const STREAM: &str = "NMC_INBOUND";
/// Enough for several batches.
const WEBHOOKS: usize = 100;

/// A running edge, so that the streams exist and webhooks that wait in PostgreSQL are published.
async fn start() -> App {
    App::setup().roles([Role::Edge]).start().await
}

/// What another edge process publishes with.
async fn publisher(app: &App) -> DurablePublisher {
    let jetstream = JetStream::connect(&app.servers.nats.url()).await.unwrap();
    eventually("a connection", async || jetstream.is_connected().then_some(())).await;
    DurablePublisher::new(&jetstream, Store::lazy(app.servers.database_url()).unwrap(), Metrics::new())
}

fn id(number: usize) -> String {
    format!("sms:SM{number}:hash")
}

/// Publishes these webhooks at once, each until it is accepted. All but the first 17 wait together.
async fn publish(publisher: &DurablePublisher, numbers: impl IntoIterator<Item = usize>) {
    join_all(numbers.into_iter().map(|number| async move {
        let webhook = Outgoing {
            subject: format!("nmc.inbound.sms.{number}"),
            message_id: Some(id(number)),
            payload: "{}".into(),
            ..Outgoing::default()
        };
        eventually("an accepted webhook", async || publisher.publish(webhook.clone()).await.ok()).await;
    }))
    .await;
}

/// Waits until these webhooks are stored, each once. Returns the messages.
///
/// A webhook whose acknowledgement was lost waits in PostgreSQL too, and is then stored a second time under another id
/// (ADR 17), which changes nothing.
async fn stored_once(app: &App, count: usize) -> Vec<Stored> {
    let mut sql = app.servers.sql().await;
    let waiting = "SELECT count(*) FROM waiting_webhooks";
    eventually("no webhook waits in PostgreSQL", async || {
        (sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut sql).await.unwrap() == 0).then_some(())
    })
    .await;
    let messages = app.stored(STREAM).await;
    let mut times = BTreeMap::new();
    for message in &messages {
        *times.entry(message.headers["Nats-Msg-Id"].clone()).or_insert(0) += 1;
    }
    times.retain(|id, _| !id.ends_with(":waited"));
    assert_eq!(times, (0..count).map(|number| (id(number), 1)).collect());
    messages
}

fn in_batches(messages: &[Stored]) -> usize {
    messages.iter().filter(|message| message.headers.contains_key("Nats-Batch-Id")).count()
}

#[tokio::test]
async fn webhooks_that_wait_together_are_stored_by_atomic_batches() {
    let app = start().await;
    publish(&publisher(&app).await, 0..WEBHOOKS).await;
    let messages = stored_once(&app, WEBHOOKS).await;
    assert!(in_batches(&messages) > 0, "{messages:?}");
}

/// Of two identical webhooks in a batch, and of one that another edge has published, every other webhook is unaffected.
#[tokio::test]
async fn a_duplicate_in_a_batch_and_one_beside_it_cost_no_other_webhook() {
    let app = start().await;
    publish(&publisher(&app).await, [20]).await;
    let edge = publisher(&app).await;
    publish(&edge, (0..40).chain([7, 7, 20])).await;
    let messages = stored_once(&app, 40).await;
    assert_eq!(in_batches(&messages), 0, "the batch failed");
    // Both edges know the id now.
    let edge = publisher(&app).await;
    publish(&edge, [7]).await;
    publish(&edge, (40..80).chain([7])).await;
    let messages = stored_once(&app, 80).await;
    assert!(in_batches(&messages) > 0, "{messages:?}");
}

/// Makes the server refuse atomic batches.
#[derive(Debug, Clone, Copy)]
enum Refusal {
    /// The stream is from before atomic batches.
    NotAllowed,
    /// Others have as many in flight as the server allows.
    TooMany,
}

impl Refusal {
    async fn set_up(self, app: &App) {
        let client = async_nats::connect(app.servers.nats.url()).await.unwrap();
        let context = jetstream::new(client.clone());
        match self {
            Self::NotAllowed => {
                let mut stream = context.get_stream(STREAM).await.unwrap();
                let mut config = stream.info().await.unwrap().config.clone();
                config.allow_atomic_publish = false;
                context.update_stream(config).await.unwrap();
            }
            Self::TooMany => {
                join_all((0..50).map(|number| {
                    let mut headers = async_nats::HeaderMap::new();
                    headers.insert("Nats-Batch-Id", format!("other-{number}"));
                    headers.insert("Nats-Batch-Sequence", "1");
                    client.request_with_headers("nmc.inbound.sms.other", headers, "{}".into())
                }))
                .await;
            }
        }
    }
}

#[rstest]
#[case::the_stream_does_not_allow_them(Refusal::NotAllowed)]
#[case::too_many_are_in_flight(Refusal::TooMany)]
#[tokio::test]
async fn where_atomic_batches_are_refused_each_webhook_is_stored_by_itself(#[case] refusal: Refusal) {
    let app = start().await;
    refusal.set_up(&app).await;
    publish(&publisher(&app).await, 0..WEBHOOKS).await;
    let messages = stored_once(&app, WEBHOOKS).await;
    // The server gives up the batches of others after 10 s, so a slow machine may store later ones atomically.
    if matches!(refusal, Refusal::NotAllowed) {
        assert_eq!(in_batches(&messages), 0);
    }
}

/// When nats-server is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// It is writing a batch to the folder in which it collects it.
    Collecting,
    /// It has acknowledged the first webhook, and got the first batch.
    Begun,
}

#[rstest]
#[case::while_it_collects_a_batch(Moment::Collecting)]
#[case::when_a_batch_has_begun(Moment::Begun)]
#[tokio::test]
async fn a_server_killed_in_the_middle_of_a_batch_loses_and_doubles_nothing(#[case] moment: Moment) {
    let mut app = start().await;
    let publisher = publisher(&app).await;
    publish(&publisher, 0..1).await;
    let folder = app.servers.nats.dir().join("jetstream/$G/streams").join(STREAM).join("batches");
    let jetstream = jetstream::new(async_nats::connect(app.servers.nats.url()).await.unwrap());
    let stream = jetstream.get_stream(STREAM).await.unwrap();
    let has_come = async || match moment {
        Moment::Collecting => fs::read_dir(&folder).is_ok_and(|mut batches| batches.next().is_some()),
        Moment::Begun => stream.get_info().await.unwrap().state.messages > 1,
    };
    let moment = async {
        while !has_come().await {
            tokio::task::yield_now().await;
        }
    };
    let mut publishing = pin!(publish(&publisher, 1..WEBHOOKS));
    tokio::select! {
        () = moment => app.servers.nats.signal(Signal::Kill).unwrap(),
        () = &mut publishing => panic!("all webhooks were stored before that"),
    }
    publishing.await;
    app.servers.nats.restart().await.unwrap();
    stored_once(&app, WEBHOOKS).await;
}
