//! Looks at each service, as `/health` tells it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::State;
use crate::adapters::jetstream::JetStream;
use crate::adapters::postgres::{Store, StoreError, UnreachedAlerts};
use crate::adapters::redis::RedisSink;
use crate::outage::Service;

/// A service that does not answer within this time is down.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// A question asked so soon after the same one gets its answer: `/health` needs no key, and asks the tables.
const MAX_AGE: Duration = Duration::from_millis(250);

/// What the services are looked at with; clones share it.
#[derive(Clone)]
pub struct Probes {
    jetstream: JetStream,
    store: Store,
    redis: Arc<RedisSink>,
    last_look: Recent<Look>,
    last_alerts: Recent<Option<UnreachedAlerts>>,
}

/// The last answer to a question, as long as it is fresh. Clones share it.
#[derive(Clone)]
struct Recent<T>(Arc<Mutex<Option<(Instant, T)>>>);

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone> Recent<T> {
    /// The last answer, or else a new one: it is asked for once at a time, however many want it.
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

/// How the services were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Each service; none for one that cannot be judged now, because what would tell is away.
    pub states: [(Service, Option<State>); 5],
    /// What PostgreSQL, or the way to it, said when it did not answer.
    pub postgres_said: Option<String>,
}

impl Look {
    /// How a service was found; healthy where nothing says otherwise.
    pub fn state(&self, service: Service) -> State {
        let found = self.states.iter().find(|(found, _)| *found == service);
        found.and_then(|(_, state)| *state).unwrap_or(State::Healthy)
    }

    /// Whether a webhook can be kept: in JetStream, or else in PostgreSQL.
    pub fn can_accept(&self) -> bool {
        self.state(Service::Nats) != State::Down || self.state(Service::Postgres) != State::Down
    }
}

impl Probes {
    /// Looks through these.
    pub fn new(jetstream: JetStream, store: Store, redis: Arc<RedisSink>) -> Self {
        Self { jetstream, store, redis, last_look: Recent::default(), last_alerts: Recent::default() }
    }

    /// How all of them are: one look at a time, however many ask.
    pub async fn look(&self) -> Look {
        self.last_look.or_ask(self.look_now()).await
    }

    /// Whom no alert reaches, asked no more often than [`look`](Self::look) looks; none where PostgreSQL does not answer.
    pub async fn unreached_alerts(&self) -> Option<UnreachedAlerts> {
        self.last_alerts.or_ask(told(self.store.unreached_alerts())).await
    }

    async fn look_now(&self) -> Look {
        let (postgres, redis, stuck, fell_back) = tokio::join!(
            tokio::time::timeout(PROBE_TIMEOUT, self.store.ping()),
            tokio::time::timeout(PROBE_TIMEOUT, self.redis.ping()),
            told(self.store.sends_are_stuck()),
            told(self.store.newest_answer_was_fallback()),
        );
        let or = |well: bool, otherwise: State| if well { State::Healthy } else { otherwise };
        let postgres_said = match postgres {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_late) => Some(StoreError::away().to_string()),
        };
        let states = [
            (Service::Nats, Some(or(self.jetstream.is_connected(), State::Down))),
            (Service::Postgres, Some(or(postgres_said.is_none(), State::Down))),
            (Service::Redis, Some(or(matches!(redis, Ok(Ok(()))), State::Down))),
            (Service::Twilio, stuck.map(|stuck| or(!stuck, State::Degraded))),
            (Service::DispatchBot, fell_back.map(|fell_back| or(!fell_back, State::Degraded))),
        ];
        Look { states, postgres_said }
    }
}

/// What the tables say: whichever worker it happened to, every process sees it there.
async fn told<T, E>(asked: impl Future<Output = Result<T, E>>) -> Option<T> {
    tokio::time::timeout(PROBE_TIMEOUT, asked).await.ok()?.ok()
}
