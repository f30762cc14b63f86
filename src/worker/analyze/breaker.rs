//! A circuit breaker in front of DispatchBot: while DispatchBot fails, customers get the fallback text at once instead
//! of seconds later, and DispatchBot gets no load.
//!
//! One for each worker: it opens on what this worker has seen, and lets one request through after a while. What is
//! published, `service.degraded` and `/health`, is based on the answers themselves ([`crate::health`]).

use std::time::Duration;

use recloser::{AsyncRecloser, Error, Recloser};

use super::AiClient;
use crate::adapters::dispatchbot::{Analysis, AnalyzeError, AnalyzeRequest};

/// Of this many requests in a row …
const WINDOW_LEN: usize = 4;
/// … this share failed: the breaker opens.
const TOO_MANY: f32 = 0.75;
/// This many good answers close it again.
const GOOD_ANSWERS: usize = 1;
/// How long DispatchBot is not asked.
const OPEN_FOR: Duration = Duration::from_secs(10);

/// An AI client behind a circuit breaker.
#[derive(Debug, Clone)]
pub struct CircuitBreaker<A> {
    analyst: A,
    breaker: Breaker,
}

impl<A> CircuitBreaker<A> {
    /// Puts a breaker, closed, in front of the client.
    pub fn new(analyst: A) -> Self {
        Self { analyst, breaker: Breaker::new(OPEN_FOR) }
    }
}

impl<A: AiClient> AiClient for CircuitBreaker<A> {
    async fn analyze(&self, request: &AnalyzeRequest, budget: Duration) -> Result<Analysis, AnalyzeError> {
        self.breaker.pass(self.analyst.analyze(request, budget)).await
    }
}

#[derive(Debug, Clone)]
struct Breaker(AsyncRecloser);

impl Breaker {
    fn new(spared: Duration) -> Self {
        let recloser = Recloser::custom()
            .error_rate(TOO_MANY)
            .closed_len(WINDOW_LEN)
            .half_open_len(GOOD_ANSWERS)
            .open_wait(spared)
            .build();
        Self(recloser.into())
    }

    async fn pass<T>(&self, asked: impl Future<Output = Result<T, AnalyzeError>>) -> Result<T, AnalyzeError> {
        // An error of one request says nothing about the next.
        let is_its_fault = |error: &AnalyzeError| error.is_transient();
        self.0.call_with(is_its_fault, asked).await.map_err(|error| match error {
            Error::Inner(error) => error,
            Error::Rejected => AnalyzeError::NotAsked,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    const DOWN: Result<(), AnalyzeError> = Err(AnalyzeError::TimedOut);

    /// Counts how often it was asked.
    #[derive(Default)]
    struct Asked(AtomicU32);

    impl Asked {
        async fn and_says(&self, answer: Result<(), AnalyzeError>) -> Result<(), AnalyzeError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            answer
        }

        fn times(&self) -> u32 {
            self.0.load(Ordering::Relaxed)
        }
    }

    /// Fails until the breaker opens; returns how many requests that took.
    async fn open(breaker: &Breaker, asked: &Asked) -> u32 {
        while breaker.pass(asked.and_says(DOWN)).await != Err(AnalyzeError::NotAsked) {
            assert!(asked.times() < 50, "the circuit breaker never opens");
        }
        asked.times()
    }

    #[tokio::test]
    async fn who_fails_again_and_again_is_not_asked() {
        let (breaker, asked) = (Breaker::new(Duration::from_secs(3600)), Asked::default());
        let failures = open(&breaker, &asked).await;
        assert!((WINDOW_LEN as u32..=WINDOW_LEN as u32 + 1).contains(&failures), "after {failures}");
        assert_eq!(breaker.pass(asked.and_says(Ok(()))).await, Err(AnalyzeError::NotAsked));
        assert_eq!(asked.times(), failures);
    }

    #[tokio::test]
    async fn after_a_while_one_good_answer_closes_it() {
        let (breaker, asked) = (Breaker::new(Duration::ZERO), Asked::default());
        for _ in 0..WINDOW_LEN + 1 {
            assert!(breaker.pass(asked.and_says(DOWN)).await.is_err());
        }
        for _ in 0..WINDOW_LEN + 1 {
            assert_eq!(breaker.pass(asked.and_says(Ok(()))).await, Ok(()));
        }
    }

    #[tokio::test]
    async fn a_question_that_is_refused_opens_nothing() {
        let (breaker, asked) = (Breaker::new(Duration::from_secs(3600)), Asked::default());
        for _ in 0..20 {
            let refused = Err(AnalyzeError::Rejected { status: 400 });
            assert_eq!(breaker.pass(asked.and_says(refused.clone())).await, refused);
        }
    }
}
