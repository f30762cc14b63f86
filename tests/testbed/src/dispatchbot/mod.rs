//! A DispatchBot for tests: answers the contract's `analyze` call plausibly and deterministically, or fails as told.
//!
//! Fed by the server under test and by the test (switches, scripted answers, or HTTP under `/_sim`). A request that is not
//! what the contract says gets 422 with all that is wrong, and stands in [`DispatchBotSim::requests`] with its problems.

mod answer;
mod clock;
mod faults;
mod http;
mod request;
mod spoil;
#[cfg(test)]
mod tests;
mod words;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use poem::EndpointExt;
use poem::middleware::AddData;
use serde_json::Value;

pub use faults::{Fault, Faults};
use http::State;

use crate::sim::{Journal, Rule, SimServer, lock};

/// How the simulator starts.
#[derive(Clone, Debug)]
pub struct DispatchBotOptions {
    /// Where it listens; port 0 takes any free one.
    pub bind: SocketAddr,
    /// The key that callers must bear.
    pub api_key: String,
}

impl Default for DispatchBotOptions {
    fn default() -> Self {
        Self { bind: SocketAddr::from(([127, 0, 0, 1], 0)), api_key: "a-key-for-tests".to_owned() }
    }
}

/// A running simulator; stops when dropped.
pub struct DispatchBotSim {
    server: SimServer,
    state: Arc<State>,
}

impl DispatchBotSim {
    /// Starts it.
    pub async fn start(options: DispatchBotOptions) -> anyhow::Result<Self> {
        let state = Arc::new(State {
            api_key: options.api_key,
            faults: Mutex::default(),
            scripted: Mutex::new(VecDeque::new()),
            requests: Journal::default(),
        });
        let server = SimServer::start(options.bind, |connections| {
            http::routes().with(AddData::new(state.clone())).with(AddData::new(connections))
        })
        .await?;
        Ok(Self { server, state })
    }

    /// What `DISPATCHBOT_URL` is set to.
    pub fn base_url(&self) -> String {
        self.server.base_url()
    }

    /// Refuses connections until [`DispatchBotSim::up`].
    pub async fn down(&self) {
        self.server.down().await;
    }

    /// Accepts connections again, on the same port.
    pub async fn up(&self) -> anyhow::Result<()> {
        self.server.up().await
    }

    /// Stops it.
    pub async fn stop(self) {
        self.server.down().await;
    }

    /// Replaces all switches.
    pub fn set_faults(&self, faults: Faults) {
        *lock(&self.state.faults) = faults;
    }

    /// Adds one rule to those there are.
    pub fn add_rule(&self, rule: Rule<Fault>) {
        lock(&self.state.faults).rules.push(rule);
    }

    /// Gives these answers to the next good requests, one each, as they are (faults still apply).
    pub fn script(&self, answers: impl IntoIterator<Item = Value>) {
        lock(&self.state.scripted).extend(answers);
    }

    /// All requests, oldest first: the body's fields, with `received_at` (RFC 3339), `answered_with` (the HTTP status, 0 for
    /// none) and `problems` (what was wrong with it) beside them.
    pub fn requests(&self) -> Vec<Value> {
        self.state.requests.snapshot()
    }

    /// Waits until the requests satisfy `satisfied`; woken by each one, fails after `timeout`.
    pub async fn wait_for(
        &self,
        satisfied: impl FnMut(&[Value]) -> bool,
        timeout: Duration,
    ) -> anyhow::Result<Vec<Value>> {
        self.state.requests.wait_for(satisfied, timeout).await
    }

    /// Forgets all requests.
    pub fn clear(&self) {
        self.state.requests.clear();
    }
}
