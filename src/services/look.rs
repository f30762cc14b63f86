//! Looks at each service, as `/health` tells it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Service, State};
use crate::jetstream::JetStream;
use crate::sinks::RedisSink;
use crate::store::{Store, StoreError};

/// A service that does not answer within this time is down.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whoever asks so soon after a look gets what it found: `/health` needs no key, and asks the tables.
const FRESH: Duration = Duration::from_millis(250);

/// What the services are looked at with; clones share it.
#[derive(Clone)]
pub struct Probes {
    jetstream: JetStream,
    store: Store,
    redis: Arc<RedisSink>,
    last: Arc<Mutex<Option<(Instant, Look)>>>,
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
        Self { jetstream, store, redis, last: Arc::default() }
    }

    /// How all of them are: one look at a time, however many ask.
    pub async fn look(&self) -> Look {
        let mut last = self.last.lock().await;
        if let Some((at, look)) = last.as_ref()
            && at.elapsed() < FRESH
        {
            return look.clone();
        }
        let look = self.look_now().await;
        *last = Some((Instant::now(), look.clone()));
        look
    }

    async fn look_now(&self) -> Look {
        let (postgres, redis, stuck, fell_back) = tokio::join!(
            tokio::time::timeout(PATIENCE, self.store.ping()),
            tokio::time::timeout(PATIENCE, self.redis.ping()),
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
async fn told<E>(asked: impl Future<Output = Result<bool, E>>) -> Option<bool> {
    tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()
}
