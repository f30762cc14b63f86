//! Events in Redis as the App Server sees them: on the channel, and in the log.

use std::sync::Arc;

use futures::StreamExt;
use nmc_testbed::servers::connect_redis;
use nmc_testbed::sim::Journal;
use redis::streams::StreamRangeReply;
use serde_json::{Value, json};
use tokio::task::AbortHandle;

use super::contract;
use super::wait::PATIENCE;

const CHANNEL: &str = "conversation.events";
const LOG: &str = "conversation.events:log";

/// A subscriber of the channel, started before the service.
pub struct Events {
    seen: Arc<Journal<Value>>,
    client: redis::Client,
    task: AbortHandle,
    /// Whether they are events of the service, and so held to the AsyncAPI document.
    are_the_services: bool,
}

impl Events {
    pub async fn subscribe(url: &str) -> Self {
        let client = redis::Client::open(url).expect("a Redis URL");
        let mut subscription = client.get_async_pubsub().await.expect("a connection to Redis");
        subscription.subscribe(CHANNEL).await.expect("a subscription");
        let seen = Arc::new(Journal::default());
        let journal = Arc::clone(&seen);
        let mut messages = subscription.into_on_message();
        let task = tokio::spawn(async move {
            while let Some(message) = messages.next().await {
                let text: String = message.get_payload().expect("text");
                journal.push(serde_json::from_str(&text).expect("an envelope"));
            }
        });
        Self { seen, client, task: task.abort_handle(), are_the_services: true }
    }

    /// The test publishes events of its own, which are no whole events.
    pub fn are_the_tests_own(&mut self) {
        self.are_the_services = false;
    }

    /// The events received so far.
    pub fn seen(&self) -> Vec<Value> {
        self.seen.snapshot()
    }

    /// Waits until the received events satisfy a condition.
    pub async fn wait_for(&self, what: &str, satisfied: impl FnMut(&[Value]) -> bool) -> Vec<Value> {
        match self.seen.wait_for(satisfied, PATIENCE).await {
            Ok(events) => events,
            Err(error) => panic!("{what}: {error}: {:?}", types(&self.seen())),
        }
    }

    /// Waits for the `count`th event of this type that `of_interest` accepts, and returns it.
    pub async fn nth(&self, count: usize, event_type: &str, of_interest: impl Fn(&Value) -> bool) -> Value {
        let right = |event: &&Value| event["event_type"] == event_type && of_interest(event);
        let events = self.wait_for(event_type, |events| events.iter().filter(right).count() >= count).await;
        events.iter().filter(right).nth(count - 1).expect("just counted").clone()
    }

    /// The log, oldest first.
    pub async fn log(&self) -> Vec<Value> {
        let mut connection = connect_redis(&self.client).await.expect("a connection to Redis");
        let entries: StreamRangeReply =
            redis::cmd("XRANGE").arg(LOG).arg("-").arg("+").query_async(&mut connection).await.expect("the log");
        let read = |entry: &redis::streams::StreamId| {
            let text: String = entry.get("event").expect("an event");
            let event: Value = serde_json::from_str(&text).expect("an envelope");
            let event_id: Option<String> = entry.get("event_id");
            assert_eq!(event_id.as_deref(), event["event_id"].as_str());
            if self.are_the_services {
                let allowed = contract::committed().log_entry(&json!({ "event_id": event_id, "event": text }));
                allowed.unwrap_or_else(|error| panic!("{error:#}"));
            }
            event
        };
        entries.ids.iter().map(read).collect()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.task.abort();
        if !std::thread::panicking() && self.are_the_services {
            let seen = self.seen();
            let breaches = seen.iter().filter_map(|event| contract::committed().redis(event).err());
            contract::are_none(&breaches.map(|error| format!("{error:#}")).collect::<Vec<_>>());
        }
    }
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["event_type"].as_str()).collect()
}
