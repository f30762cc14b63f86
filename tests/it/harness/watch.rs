//! Events in Redis as the App Server sees them: on the channel, and in the log.

use std::sync::Arc;

use futures::StreamExt;
use nmc_testbed::servers::connect_redis;
use nmc_testbed::sim::Journal;
use redis::streams::StreamRangeReply;
use serde_json::Value;
use tokio::task::AbortHandle;

use super::wait::PATIENCE;

const CHANNEL: &str = "conversation.events";
const LOG: &str = "conversation.events:log";

/// A subscriber of the channel, started before the service.
pub struct Events {
    seen: Arc<Journal<Value>>,
    client: redis::Client,
    task: AbortHandle,
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
        Self { seen, client, task: task.abort_handle() }
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
            assert_eq!(entry.get::<String>("event_id").as_deref(), event["event_id"].as_str());
            event
        };
        entries.ids.iter().map(read).collect()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["event_type"].as_str()).collect()
}
