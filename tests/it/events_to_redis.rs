//! Events on their way to Redis: each once, those of a conversation in their sequence, however they arrive.
//!
//! The tests publish events of their own, and play another worker by taking messages from the shared consumer.

use std::ops::RangeInclusive;

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::{self, AckKind, Context};
use futures::StreamExt;
use futures::future::join_all;
use nevermisscall::internals::{Application, Role};
use nmc_testbed::servers::{Binaries, RedisOptions, RedisServer, connect_redis};
use nmc_testbed::twilio::TwilioOptions;
use redis::aio::MultiplexedConnection;
use rstest::rstest;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Events, Servers, eventually, wait_for_stored};

/// A conversation of this test.
fn conversation(number: u64) -> Uuid {
    Uuid::from_u64_pair(number, 0)
}

/// Workers, and the servers that they share.
struct Forwarding {
    servers: Servers,
    redis: RedisServer,
    events: Events,
    context: Context,
    workers: Vec<Application>,
}

impl Forwarding {
    /// Streams and consumers exist, and no worker runs.
    async fn new() -> Self {
        Self::with_redis(false).await
    }

    /// The same with a Redis that keeps its data when it ends, or does not.
    async fn with_redis(durable: bool) -> Self {
        let servers = Servers::start(TwilioOptions::default()).await;
        let binaries = Binaries::find().expect("the servers' programs");
        let options = RedisOptions { durable, ..RedisOptions::new(&binaries, servers.dir().join("redis")) };
        let redis = RedisServer::start(options).await.expect("a Redis");
        let mut events = Events::subscribe(&redis.url()).await;
        servers.published.are_the_tests_own();
        events.are_the_tests_own();
        let context = jetstream::new(async_nats::connect(servers.nats.url()).await.unwrap());
        let mut this = Self { servers, redis, events, context, workers: Vec::new() };
        this.work(1).await;
        eventually("the consumer", async || this.consumer().await).await;
        this.stop().await;
        this
    }

    /// Starts workers.
    async fn work(&mut self, count: usize) {
        for _ in 0..count {
            let config = self.servers.config(&[("REDIS_URL".to_owned(), self.redis.url())]);
            self.workers.push(Application::start(config, Role::Worker).await.unwrap());
        }
    }

    async fn stop(&mut self) {
        join_all(self.workers.drain(..).map(Application::stop)).await;
    }

    async fn consumer(&self) -> Option<PullConsumer> {
        self.context.get_consumer_from_stream("redis", "NMC_EVENTS").await.ok()
    }

    /// Publishes an event; returns its sequence in the stream.
    async fn publish(&self, scope: Uuid, sequence: u64) -> u64 {
        let event_id = Uuid::from_u64_pair(scope.as_u64_pair().0, sequence);
        self.publish_as(event_id, scope, sequence).await
    }

    async fn publish_as(&self, event_id: Uuid, scope: Uuid, sequence: u64) -> u64 {
        let envelope = json!({
            "event_id": event_id, "event_type": "message.received", "sequence": sequence, "conversation_id": scope,
        });
        self.publish_text(scope, &envelope.to_string()).await
    }

    async fn publish_text(&self, scope: Uuid, envelope: &str) -> u64 {
        let mut headers = HeaderMap::new();
        headers.insert("ce-subject", scope.to_string());
        let subject = format!("nmc.event.message.received.{scope}");
        let sent = self.context.publish_with_headers(subject, headers, envelope.to_owned().into()).await.unwrap();
        sent.await.unwrap().sequence
    }

    /// Publishes events of many conversations, the first of each first.
    async fn publish_to_each(&self, conversations: u64, sequences: RangeInclusive<u64>) {
        for sequence in sequences {
            join_all((0..conversations).map(|number| self.publish(conversation(number), sequence))).await;
        }
    }

    /// Takes the next message from the consumer, like a worker that then does nothing.
    async fn take(&self) -> jetstream::Message {
        let consumer = self.consumer().await.unwrap();
        consumer.fetch().max_messages(1).messages().await.unwrap().next().await.unwrap().unwrap()
    }

    /// The sequences of a scope in the log.
    async fn log_of(&self, scope: Uuid) -> Vec<u64> {
        sequences(&self.events.log().await, scope)
    }

    /// Waits until the log has these sequences of a scope, and no others.
    async fn wait_for(&self, scope: Uuid, expected: &[u64]) {
        eventually(&format!("{expected:?} in the log"), async || (self.log_of(scope).await == expected).then_some(()))
            .await;
    }

    /// Waits until the worker has given back an event: it waits for another.
    async fn wait_for_redelivery(&self) {
        eventually("a redelivery", async || {
            let info = self.consumer().await?.cached_info().clone();
            (info.num_redelivered > 0).then_some(())
        })
        .await;
    }

    /// Waits until every event is acknowledged.
    async fn wait_until_idle(&self) {
        eventually("every event acknowledged", async || {
            let info = self.consumer().await?.cached_info().clone();
            (info.num_pending == 0 && info.num_ack_pending == 0).then_some(())
        })
        .await;
    }

    async fn connection(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.redis.url()).unwrap();
        eventually("a connection to Redis", async || connect_redis(&client).await.ok()).await
    }

    /// Sends a command to Redis.
    async fn command(&self, words: &[&str]) {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        let _: redis::Value = command.query_async(&mut self.connection().await).await.unwrap();
    }
}

fn sequences(events: &[Value], scope: Uuid) -> Vec<u64> {
    let scope = scope.to_string();
    let own = events.iter().filter(|event| event["conversation_id"] == scope.as_str());
    own.filter_map(|event| event["sequence"].as_u64()).collect()
}

#[rstest]
#[case::one(1)]
#[case::two(2)]
#[case::three(3)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_workers_forward_each_event_is_published_once_in_order(#[case] workers: usize) {
    const CONVERSATIONS: u64 = 100;
    const EACH: u64 = 8;
    let mut it = Forwarding::new().await;
    it.work(workers).await;
    it.publish_to_each(CONVERSATIONS, 1..=EACH).await;
    let count = usize::try_from(CONVERSATIONS * EACH).unwrap();
    it.events.wait_for("all events on the channel", |events| events.len() >= count).await;
    it.wait_until_idle().await;
    let (log, seen) = (it.events.log().await, it.events.seen());
    for number in 0..CONVERSATIONS {
        let expected: Vec<u64> = (1..=EACH).collect();
        assert_eq!(sequences(&log, conversation(number)), expected, "in the log");
        assert_eq!(sequences(&seen, conversation(number)), expected, "on the channel");
    }
    it.stop().await;
}

#[rstest]
#[case::that_has_begun(false)]
#[case::whose_record_redis_has_lost(true)]
#[tokio::test]
async fn an_event_of_a_conversation_waits_for_the_one_before_it_at_another_worker(#[case] redis_forgets: bool) {
    let mut it = Forwarding::new().await;
    let (ours, other) = (conversation(1), conversation(2));
    it.publish(ours, 1).await;
    it.work(1).await;
    it.wait_for(ours, &[1]).await;
    it.wait_until_idle().await;
    it.stop().await;
    let before: &[u64] = if redis_forgets { &[] } else { &[1] };
    if redis_forgets {
        it.command(&["FLUSHALL"]).await;
    }

    it.publish(ours, 2).await;
    it.publish(ours, 3).await;
    it.publish(ours, 4).await;
    it.publish(other, 1).await;
    let taken = it.take().await;
    it.work(1).await;
    it.wait_for(other, &[1]).await;
    it.wait_for_redelivery().await;
    assert_eq!(it.log_of(ours).await, before, "they wait for the event that is taken");
    taken.ack_with(AckKind::Nak(None)).await.unwrap();
    it.wait_for(ours, &[before, &[2, 3, 4]].concat()).await;
    it.wait_until_idle().await;
    it.stop().await;
}

/// A worker that dies gives nothing back: its event is delivered again when its `ack_wait` has expired.
#[tokio::test]
async fn an_event_waits_for_the_one_before_it_at_a_worker_that_is_dead() {
    let mut it = Forwarding::new().await;
    let ours = conversation(1);
    it.publish(ours, 1).await;
    it.publish(ours, 2).await;
    drop(it.take().await);
    it.work(1).await;
    it.wait_for(ours, &[1, 2]).await;
    it.stop().await;
}

#[tokio::test]
async fn an_event_that_was_forwarded_is_not_forwarded_again_where_its_acknowledgement_was_lost() {
    let mut it = Forwarding::new().await;
    let ours = conversation(1);
    it.publish(ours, 1).await;
    it.publish(ours, 2).await;
    let stream = it.context.get_stream("NMC_EVENTS").await.unwrap();
    it.work(1).await;
    it.wait_for(ours, &[1, 2]).await;
    it.stop().await;
    // The consumer forgets what was acknowledged.
    let config = it.consumer().await.unwrap().cached_info().config.clone();
    stream.delete_consumer("redis").await.unwrap();
    it.context.create_consumer_strict_on_stream(config, "NMC_EVENTS").await.unwrap();
    it.publish(ours, 3).await;
    it.work(2).await;
    it.wait_for(ours, &[1, 2, 3]).await;
    it.wait_until_idle().await;
    assert_eq!(it.log_of(ours).await, [1, 2, 3]);
    it.stop().await;
}

#[rstest]
#[case::deleted(None)]
#[case::unreadable(Some("not an envelope"))]
#[tokio::test]
async fn an_event_does_not_wait_for_one_that_will_not_come(#[case] unreadable: Option<&str>) {
    let mut it = Forwarding::new().await;
    let ours = conversation(1);
    it.publish(ours, 1).await;
    match unreadable {
        Some(text) => drop(it.publish_text(ours, text).await),
        None => {
            let deleted = it.publish(ours, 2).await;
            let stream = it.context.get_stream("NMC_EVENTS").await.unwrap();
            assert!(stream.delete_message(deleted).await.unwrap());
        }
    }
    it.publish(ours, 3).await;
    it.publish(ours, 4).await;
    it.work(2).await;
    it.wait_for(ours, &[1, 3, 4]).await;
    if unreadable.is_some() {
        let letters = wait_for_stored(&it.servers, "NMC_DEAD", 1).await;
        assert_eq!(letters[0].subject, "nmc.dead.undecodable");
    }
    it.wait_until_idle().await;
    it.stop().await;
}

#[tokio::test]
async fn an_event_that_redis_refuses_holds_up_only_its_conversation() {
    let mut it = Forwarding::new().await;
    let (ours, other) = (conversation(1), conversation(2));
    let record = format!("conversation.events:log:last:{ours}");
    it.command(&["RPUSH", &record, "of another type"]).await;
    for sequence in 1..=3 {
        it.publish(ours, sequence).await;
        it.publish(other, sequence).await;
    }
    it.work(1).await;
    it.wait_for(other, &[1, 2, 3]).await;
    it.wait_for_redelivery().await;
    assert_eq!(it.log_of(ours).await, [0; 0]);
    it.command(&["DEL", &record]).await;
    it.wait_for(ours, &[1, 2, 3]).await;
    it.stop().await;
}

#[tokio::test]
async fn an_event_that_may_not_be_published_is_not_in_the_log_either() {
    let mut it = Forwarding::new().await;
    it.command(&["ACL", "SETUSER", "default", "resetchannels"]).await;
    it.publish(conversation(1), 1).await;
    it.work(1).await;
    it.wait_for_redelivery().await;
    assert_eq!(it.log_of(conversation(1)).await, [0; 0]);
    it.command(&["ACL", "SETUSER", "default", "allchannels"]).await;
    it.wait_for(conversation(1), &[1]).await;
    it.stop().await;
}

/// The version before recorded only the ids.
#[tokio::test]
async fn what_an_earlier_version_has_forwarded_is_not_forwarded_again() {
    let mut it = Forwarding::new().await;
    let ours = conversation(1);
    for sequence in 1..=3 {
        it.publish(ours, sequence).await;
    }
    for sequence in 1..=2 {
        let event_id = Uuid::from_u64_pair(ours.as_u64_pair().0, sequence);
        it.command(&["SET", &format!("conversation.events:log:seen:{event_id}"), "1", "EX", "100"]).await;
    }
    it.work(2).await;
    it.wait_for(ours, &[3]).await;
    it.wait_until_idle().await;
    assert_eq!(it.log_of(ours).await, [3]);
    it.stop().await;
}

/// NMC_EVENTS is lost, or restored from a backup, and so is the count of a service's events.
#[tokio::test]
async fn in_a_stream_that_is_made_anew_events_are_forwarded_whatever_their_sequence() {
    let mut it = Forwarding::new().await;
    let (ours, other) = (conversation(1), conversation(2));
    for sequence in 1..=5 {
        it.publish(ours, sequence).await;
        it.publish(other, sequence).await;
    }
    it.work(1).await;
    it.wait_for(ours, &[1, 2, 3, 4, 5]).await;
    it.wait_for(other, &[1, 2, 3, 4, 5]).await;
    it.stop().await;
    it.context.delete_stream("NMC_EVENTS").await.unwrap();
    it.work(1).await;
    eventually("the consumer", async || it.consumer().await).await;
    it.work(1).await;
    // Some are lost with the old stream.
    it.publish(ours, 8).await;
    it.publish(ours, 9).await;
    for sequence in 1..=2 {
        it.publish_as(Uuid::from_u64_pair(7, sequence), other, sequence).await;
    }
    it.wait_for(ours, &[1, 2, 3, 4, 5, 8, 9]).await;
    it.wait_for(other, &[1, 2, 3, 4, 5, 1, 2]).await;
    it.stop().await;
}

/// Redis is killed while two workers forward.
#[rstest]
#[case::and_keeps_its_memory(true)]
#[case::and_loses_its_memory(false)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_killed_and_events_keep_their_order(#[case] durable: bool) {
    const CONVERSATIONS: u64 = 30;
    const EACH: u64 = 40;
    let mut it = Forwarding::with_redis(durable).await;
    it.work(2).await;
    it.publish_to_each(CONVERSATIONS, 1..=EACH / 4).await;
    it.events.wait_for("an event", |events| !events.is_empty()).await;
    it.redis.kill().await.unwrap();
    it.publish_to_each(CONVERSATIONS, EACH / 4 + 1..=EACH / 2).await;
    it.wait_for_redelivery().await;
    it.redis.restart().await.unwrap();
    it.publish_to_each(CONVERSATIONS, EACH / 2 + 1..=EACH).await;
    it.wait_until_idle().await;
    let log = it.events.log().await;
    for number in 0..CONVERSATIONS {
        let told = sequences(&log, conversation(number));
        if durable {
            assert_eq!(told, (1..=EACH).collect::<Vec<_>>(), "each once, in order");
        } else {
            assert!(told.is_sorted_by(|one, next| one < next) && told.last() == Some(&EACH), "{told:?}");
        }
    }
    it.stop().await;
}
