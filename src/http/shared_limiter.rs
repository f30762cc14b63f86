//! The rate limit of API keys for all edges together: Redis counts. While it does not answer, each edge counts alone.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::limiter::{Limiter, Verdict};
use crate::adapters::redis::{CountError, CountedRequest, RedisSink};
use crate::config::Rate;
use crate::telemetry::{CountedBy, Metrics};

/// How long a request waits for Redis.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long Redis is left alone after it has not answered; then one request asks again.
const AWAY: Duration = Duration::from_secs(1);

/// Counts the requests of API keys, by their hashes.
pub(super) struct SharedLimiter {
    redis: Arc<RedisSink>,
    /// Counts what this edge accepts, so that its limit holds at once when Redis is away.
    own: Limiter<[u8; 32]>,
    /// When Redis is asked again; `None` while it answers.
    away: Mutex<Option<Instant>>,
    metrics: Metrics,
}

impl SharedLimiter {
    /// `rate` is for keys that have none of their own.
    pub(super) fn new(rate: Rate, redis: Arc<RedisSink>, metrics: Metrics) -> Self {
        Self { redis, own: Limiter::new(rate), away: Mutex::default(), metrics }
    }

    /// The rate for keys that have none of their own.
    pub(super) fn rate(&self) -> Rate {
        self.own.rate()
    }

    /// Counts a request of a key, and says who counted it.
    ///
    /// The edge counts first: what it has accepted itself is a part of what all have, so beyond its own limit Redis need not
    /// be asked, and requests that come at once do not exceed it while Redis is slow.
    pub(super) async fn accept(&self, key: [u8; 32], rate: Rate) -> (Verdict, CountedBy) {
        let now = Instant::now();
        let own = self.own.accept_at(key, rate, now);
        let (verdict, by) = match own {
            Verdict::Refused { .. } => (own, if self.lock().is_some() { CountedBy::Edge } else { CountedBy::Redis }),
            Verdict::Accepted { .. } => match self.ask(self.redis.count_request(&key, rate)).await {
                Some(counted) => {
                    if !counted.is_accepted {
                        self.own.take_back(&key, now);
                    }
                    (Verdict::from(counted), CountedBy::Redis)
                }
                None => (own, CountedBy::Edge),
            },
        };
        self.metrics.request_counted(by);
        (verdict, by)
    }

    /// Asks Redis, unless it has not answered lately.
    async fn ask(&self, question: impl Future<Output = Result<CountedRequest, CountError>>) -> Option<CountedRequest> {
        let was_away = self.may_ask(Instant::now())?;
        match tokio::time::timeout(PATIENCE, question).await {
            Ok(Ok(counted)) => {
                if was_away {
                    tracing::info!("Redis counts the requests of API keys again, for all edges together");
                }
                *self.lock() = None;
                Some(counted)
            }
            Ok(Err(error)) => self.is_away(was_away, &error.to_string()),
            Err(_late) => self.is_away(was_away, "no answer in time"),
        }
    }

    /// Whether Redis may be asked, and if so, whether it was away before. While it is away, one request asks at a time.
    fn may_ask(&self, now: Instant) -> Option<bool> {
        let mut away = self.lock();
        match *away {
            None => Some(false),
            Some(until) if now < until => None,
            Some(_) => {
                *away = Some(now + AWAY);
                Some(true)
            }
        }
    }

    fn is_away(&self, was_away: bool, error: &str) -> Option<CountedRequest> {
        // Of requests that failed together, the first reports it.
        let is_new = self.lock().replace(Instant::now() + AWAY).is_none();
        if is_new && !was_away {
            tracing::warn!(error, "Redis does not count the requests of API keys; each edge counts alone");
        }
        None
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<CountedRequest> for Verdict {
    fn from(CountedRequest { is_accepted, remaining, reset }: CountedRequest) -> Self {
        if is_accepted { Self::Accepted { remaining, reset } } else { Self::Refused { retry_after: reset } }
    }
}
