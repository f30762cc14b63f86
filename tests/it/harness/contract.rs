//! Holds every event that the service publishes during a test to `openapi/asyncapi.yaml`.
//!
//! One that the document does not allow fails the test when its servers stop. A test that publishes events of its own,
//! which are no whole events, says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use async_nats::{Client, Subscriber};
use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use nmc_testbed::event_contract::EventContract;

/// Everything on the subjects of NMC_EVENTS since the server started.
pub struct PublishedEvents {
    client: Client,
    events: Mutex<Option<Subscriber>>,
}

impl PublishedEvents {
    pub async fn of(nats: &str) -> Self {
        let client = async_nats::connect(nats).await.expect("a connection to NATS");
        let events = client.subscribe("nmc.event.>").await.expect("a subscription");
        client.flush().await.expect("a subscription");
        Self { client, events: Mutex::new(Some(events)) }
    }

    /// The test publishes events of its own, or changes the service's.
    pub fn are_the_tests_own(&self) {
        *self.events.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Waits until everything that JetStream has acknowledged has arrived here.
    pub async fn arrived(&self) {
        self.client.flush().await.expect("NATS");
    }

    /// What arrived and is not allowed.
    fn breaches(&self) -> Vec<String> {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(events) = events.as_mut() else { return Vec::new() };
        let contract = committed();
        let mut known = BTreeSet::new();
        // What has arrived is read, without waiting for more.
        std::iter::from_fn(|| events.next().now_or_never().flatten())
            .filter(|message| is_new(&mut known, &message.payload))
            .filter_map(|message| {
                let headers = message.headers.unwrap_or_default();
                contract.jetstream(&message.subject, &plain(&headers), &message.payload).err()
            })
            .map(|error| format!("{error:#}"))
            .collect()
    }
}

impl Drop for PublishedEvents {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            are_none(&self.breaches());
        }
    }
}

/// The document.
pub fn committed() -> &'static EventContract {
    EventContract::committed().unwrap_or_else(|error| panic!("{error:#}"))
}

/// Fails if an event is not allowed.
pub fn are_none(breaches: &[String]) {
    let first: Vec<&String> = breaches.iter().take(5).collect();
    assert!(breaches.is_empty(), "{} events that openapi/asyncapi.yaml does not allow: {first:#?}", breaches.len());
}

/// An event that is delivered again need not be read again.
fn is_new(known: &mut BTreeSet<Bytes>, payload: &Bytes) -> bool {
    known.insert(payload.clone())
}

fn plain(headers: &async_nats::HeaderMap) -> BTreeMap<String, String> {
    let first = |values: &[async_nats::HeaderValue]| values.first().map_or_else(String::new, ToString::to_string);
    headers.iter().map(|(name, values)| (name.to_string(), first(values))).collect()
}
