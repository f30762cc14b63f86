//! Reads the messages of a stream, like any subscriber.

use std::collections::BTreeMap;

use async_nats::jetstream::{self, consumer::pull::OrderedConfig, stream::Stream};
use bytes::Bytes;
use futures::StreamExt;
use serde_json::Value;
use tokio::time::timeout;

use super::servers::Servers;
use super::wait::{PATIENCE, eventually};

/// A stored message.
#[derive(Debug, Clone)]
pub struct Stored {
    pub subject: String,
    pub headers: BTreeMap<String, String>,
    pub payload: Bytes,
}

impl Stored {
    /// The payload as JSON; `null` if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap_or_default()
    }
}

/// All messages in a stream now.
pub async fn stored(servers: &Servers, stream: &str) -> Vec<Stored> {
    let found = open(servers, stream).await;
    let count = found.get_info().await.expect("the stream's state").state.messages;
    read(&found, count).await.unwrap_or_else(|| panic!("{stream}: not all {count} messages came"))
}

/// Waits until a stream has `count` messages, and returns them.
pub async fn wait_for_stored(servers: &Servers, stream: &str, count: u64) -> Vec<Stored> {
    let found = open(servers, stream).await;
    read(&found, count).await.unwrap_or_else(|| panic!("{stream}: no {count} messages within {PATIENCE:?}"))
}

async fn open(servers: &Servers, stream: &str) -> Stream {
    let client = async_nats::connect(servers.nats.url()).await.expect("a connection to NATS");
    let context = jetstream::new(client);
    // The service creates the stream when it starts.
    eventually(stream, async || context.get_stream(stream).await.ok()).await
}

async fn read(stream: &Stream, count: u64) -> Option<Vec<Stored>> {
    let count = usize::try_from(count).ok()?;
    if count == 0 {
        return Some(Vec::new());
    }
    let consumer = stream.create_consumer(OrderedConfig::default()).await.expect("a consumer");
    let messages = consumer.messages().await.expect("messages").take(count);
    let all = messages.map(|message| {
        let message = message.expect("a message");
        let headers = message.headers.clone().unwrap_or_default();
        let text = |(name, values): (&_, &Vec<_>)| {
            let value = values.first().map_or_else(String::new, |value: &async_nats::HeaderValue| value.to_string());
            (AsRef::<str>::as_ref(name as &async_nats::HeaderName).to_owned(), value)
        };
        Stored {
            subject: message.subject.to_string(),
            headers: headers.iter().map(text).collect(),
            payload: message.payload.clone(),
        }
    });
    timeout(PATIENCE, all.collect()).await.ok()
}
