//! A DispatchBot for tests: it answers the contract's `analyze` call plausibly and deterministically, or fails as
//! configured. It speaks both dialects, each at its own path, with the same key.
//!
//! The server under test calls it; the test controls it (faults, scripted answers, or HTTP under `/_sim`). A request
//! that violates the contract gets 422 with the list of its problems; [`DispatchBotSim::requests`] lists it with them.

mod answer;
pub mod asked;
mod clock;
mod dispatch_bot_ai;
mod faults;
mod http;
mod request;
mod schema;
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
pub use http::Answered;
use http::State;

use crate::sim::{Journal, Rule, SimServer, lock};

/// How a request differs from `openapi/dispatch-bot-ai.json`, as `field: what`; empty if it fits.
pub fn problems_of_request(request: &Value) -> Vec<String> {
    dispatch_bot_ai::problems(request)
}

/// Start options of the simulator.
#[derive(Clone, Debug)]
pub struct DispatchBotOptions {
    /// The address on which it listens; port 0 takes any free one.
    pub bind: SocketAddr,
    /// The API key that callers must send.
    pub api_key: String,
}

impl Default for DispatchBotOptions {
    fn default() -> Self {
        Self { bind: SocketAddr::from(([127, 0, 0, 1], 0)), api_key: "a-key-for-tests".to_owned() }
    }
}

/// A running simulator; dropping it stops it.
pub struct DispatchBotSim {
    server: SimServer,
    state: Arc<State>,
}

impl DispatchBotSim {
    /// Starts the simulator.
    pub async fn start(options: DispatchBotOptions) -> anyhow::Result<Self> {
        let state = Arc::new(State {
            api_key: options.api_key,
            faults: Mutex::default(),
            scripted: Mutex::new(VecDeque::new()),
            requests: Journal::default(),
            answers: Journal::default(),
        });
        let server = SimServer::start(options.bind, |connections| {
            http::routes().with(AddData::new(state.clone())).with(AddData::new(connections))
        })
        .await?;
        Ok(Self { server, state })
    }

    /// The value for `DISPATCHBOT_URL`.
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

    /// Stops the simulator.
    pub async fn stop(self) {
        self.server.down().await;
    }

    /// Replaces all faults.
    pub fn set_faults(&self, faults: Faults) {
        *lock(&self.state.faults) = faults;
    }

    /// Changes some faults.
    pub fn change_faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut lock(&self.state.faults));
    }

    /// Adds one rule to the existing ones.
    pub fn add_rule(&self, rule: Rule<Fault>) {
        lock(&self.state.faults).rules.push(rule);
    }

    /// Uses these answers, unchanged, for the next valid requests, one each (faults still apply; in dispatch-bot-ai those
    /// that change single fields do not).
    pub fn script(&self, answers: impl IntoIterator<Item = Value>) {
        lock(&self.state.scripted).extend(answers);
    }

    /// All requests, oldest first: the body's fields in their dialect, plus `received_at` (RFC 3339), `answered_with` (the HTTP status,
    /// 0 if there was no answer), `problems` (violations of the contract), and the header `traceparent` if there is one.
    pub fn requests(&self) -> Vec<Value> {
        self.state.requests.snapshot()
    }

    /// Calls `listener` with each request, in the form of [`DispatchBotSim::requests`], when it is received.
    pub fn on_request(&self, listener: impl Fn(&Value) + Send + Sync + 'static) {
        self.state.requests.on_push(listener);
    }

    /// Calls `listener` with each answer just before it is sent.
    pub fn on_answer(&self, listener: impl Fn(&Answered) + Send + Sync + 'static) {
        self.state.answers.on_push(listener);
    }

    /// Waits until the requests satisfy `satisfied`, checking at each new request; fails after `timeout`.
    pub async fn wait_for(
        &self,
        satisfied: impl FnMut(&[Value]) -> bool,
        timeout: Duration,
    ) -> anyhow::Result<Vec<Value>> {
        self.state.requests.wait_for(satisfied, timeout).await
    }

    /// Removes all requests.
    pub fn clear(&self) {
        self.state.requests.clear();
        self.state.answers.clear();
    }
}
