//! Probes each service, for `/health` and the watch.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::State;
use crate::adapters::jetstream::JetStream;
use crate::adapters::postgres::{Store, UnreachedAlerts};
use crate::adapters::redis::RedisSink;
use crate::outage::Service;
use crate::store::StoreError;

/// A service that does not answer within this time is down.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// JetStream has longer: under a heavy load its API waits behind what is being stored, and an outage of JetStream is
/// announced to everybody.
const JETSTREAM_TIMEOUT: Duration = Duration::from_secs(2);

/// What is said about a service that is late.
const LATE: &str = "no answer in time";

/// Answers are reused for this time: `/health` needs no key, and queries the tables.
const MAX_AGE: Duration = Duration::from_millis(250);

/// Probes the services; clones share the recent answers.
#[derive(Clone)]
pub struct Probes {
    jetstream: JetStream,
    store: Store,
    redis: Arc<RedisSink>,
    last_look: Recent<Look>,
    last_alerts: Recent<Option<UnreachedAlerts>>,
}

/// The last answer to a query, while it is fresh. Clones share it.
#[derive(Clone)]
struct Recent<T>(Arc<Mutex<Option<(Instant, T)>>>);

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone> Recent<T> {
    /// The last answer if fresh, otherwise a new one. Concurrent callers wait for one query.
    async fn or_ask(&self, ask: impl Future<Output = T>) -> T {
        let mut last = self.0.lock().await;
        if let Some((at, answer)) = last.as_ref()
            && at.elapsed() < MAX_AGE
        {
            return answer.clone();
        }
        let answer = ask.await;
        *last = Some((Instant::now(), answer.clone()));
        answer
    }
}

/// The result of one look at all services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The state of each service; `None` if it is unknown because PostgreSQL does not answer.
    pub states: [(Service, Option<State>); 5],
    /// The error from each service that did not answer as it should, or from connecting to it.
    pub said: Vec<(Service, String)>,
}

impl Look {
    /// The state of a service; healthy if unknown.
    pub fn state(&self, service: Service) -> State {
        let found = self.states.iter().find(|(found, _)| *found == service);
        found.and_then(|(_, state)| *state).unwrap_or(State::Healthy)
    }

    /// Whether a process that starts now becomes ready: everything that its work needs is there at the same time.
    pub fn is_complete(&self, streams_are_there: bool) -> bool {
        let well = |service| self.state(service) == State::Healthy;
        streams_are_there && well(Service::Nats) && well(Service::Postgres)
    }

    /// Why a service is down, if it or the connection said so.
    pub fn said(&self, service: Service) -> Option<&str> {
        self.said.iter().find(|(of, _)| *of == service).map(|(_, said)| said.as_str())
    }

    /// Whether a webhook can be stored: in JetStream, or else in PostgreSQL.
    pub fn can_accept(&self) -> bool {
        self.state(Service::Nats) != State::Down || self.state(Service::Postgres) != State::Down
    }

    /// Whether an input can be processed: it comes from JetStream, and PostgreSQL holds everything else.
    pub fn can_process(&self) -> bool {
        self.state(Service::Nats) != State::Down && self.state(Service::Postgres) != State::Down
    }
}

impl Probes {
    pub fn new(jetstream: JetStream, store: Store, redis: Arc<RedisSink>) -> Self {
        Self { jetstream, store, redis, last_look: Recent::default(), last_alerts: Recent::default() }
    }

    /// Probes all services. Concurrent callers share one look.
    pub async fn look(&self) -> Look {
        self.last_look.or_ask(self.look_now()).await
    }

    /// How many people no alert reaches, cached like [`look`](Self::look); `None` if PostgreSQL does not answer.
    pub async fn unreached_alerts(&self) -> Option<UnreachedAlerts> {
        self.last_alerts.or_ask(told(self.store.unreached_alerts())).await
    }

    async fn look_now(&self) -> Look {
        let (nats, postgres, redis, stuck, fell_back) = tokio::join!(
            tokio::time::timeout(JETSTREAM_TIMEOUT, self.jetstream.ping()),
            tokio::time::timeout(PROBE_TIMEOUT, self.store.ping()),
            tokio::time::timeout(PROBE_TIMEOUT, self.redis.ping()),
            told(self.store.sends_are_stuck()),
            told(self.store.newest_answer_was_fallback()),
        );
        let or = |well: bool, otherwise: State| if well { State::Healthy } else { otherwise };
        let away = StoreError::away().to_string();
        let said: Vec<(Service, String)> = [
            (Service::Nats, why(nats, LATE)),
            (Service::Postgres, why(postgres, &away)),
            (Service::Redis, why(redis, LATE)),
        ]
        .into_iter()
        .filter_map(|(service, why)| Some((service, why?)))
        .collect();
        let answers = |service| or(!said.iter().any(|(of, _)| *of == service), State::Down);
        let states = [
            (Service::Nats, Some(answers(Service::Nats))),
            (Service::Postgres, Some(answers(Service::Postgres))),
            (Service::Redis, Some(answers(Service::Redis))),
            (Service::Twilio, stuck.map(|stuck| or(!stuck, State::Degraded))),
            (Service::DispatchBot, fell_back.map(|fell_back| or(!fell_back, State::Degraded))),
        ];
        Look { states, said }
    }
}

/// The error of a service that did not answer as it should.
fn why<E: std::fmt::Display>(answer: Result<Result<(), E>, tokio::time::error::Elapsed>, late: &str) -> Option<String> {
    match answer {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_late) => Some(late.to_owned()),
    }
}

/// What a query of the tables returns. Every process sees there what happened in any worker.
async fn told<T, E>(asked: impl Future<Output = Result<T, E>>) -> Option<T> {
    tokio::time::timeout(PROBE_TIMEOUT, asked).await.ok()?.ok()
}
