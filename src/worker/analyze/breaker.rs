//! Circuit breakers in front of DispatchBot: while DispatchBot fails, customers get the fallback text at once instead of
//! seconds later, and DispatchBot gets no load.
//!
//! Each business has one, so that a business whose questions DispatchBot cannot answer does not silence it for the others;
//! and each DispatchBot has one for all who ask it, which opens once several businesses in a row have failed. A business
//! with a DispatchBot of its own neither opens nor meets that of the service's. They belong to a worker: they open
//! on what this worker has seen. What is published, `service.degraded` and `/health`, is based on the answers themselves
//! ([`crate::health`]).

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use recloser::{AsyncRecloser, Error, Recloser};
use tokio::time::Instant;

use super::AiClient;
use crate::adapters::dispatchbot::{AnalyzeError, Question};
use crate::domain::conversation::Answer;
use crate::domain::dispatchbot::OwnDispatchBot;

/// Of this many requests of a business in a row …
const WINDOW_LEN: usize = 4;
/// … this share failed: its breaker opens.
const TOO_MANY: f32 = 0.75;
/// This many good answers close it again.
const GOOD_ANSWERS: usize = 1;
/// This many businesses failed, and none had an answer in between: the breaker for all opens.
const FAILED_BUSINESSES: usize = 3;
/// How long DispatchBot is not asked.
const OPEN_FOR: Duration = Duration::from_secs(10);
/// How many businesses have a breaker of their own at most, and how many DispatchBots; the least recently used are
/// forgotten.
const BUSINESSES: u64 = 10_000;

/// Whom a business asks: its own DispatchBot, or the service's. A business that names the service's URL as its own has a
/// DispatchBot of its own, which shares nothing with the others.
type Endpoint = Option<OwnDispatchBot>;

/// An AI client behind circuit breakers.
#[derive(Debug, Clone)]
pub struct CircuitBreaker<A> {
    analyst: A,
    of_each: Cache<(String, Endpoint), Breaker>,
    for_all: Cache<Endpoint, Arc<Mutex<ForAll>>>,
}

impl<A> CircuitBreaker<A> {
    /// Puts breakers, closed, in front of the client.
    pub fn new(analyst: A) -> Self {
        Self { analyst, of_each: Cache::new(BUSINESSES), for_all: Cache::new(BUSINESSES) }
    }
}

impl<A: AiClient> AiClient for CircuitBreaker<A> {
    async fn analyze(&self, question: &Question, budget: Duration) -> Result<Answer, AnalyzeError> {
        let (business_id, endpoint) = (&question.business.id, &question.business.policy.dispatchbot);
        let for_all = self.for_all.get_with_by_ref(endpoint, Arc::default);
        if !lock(&for_all).lets_through(Instant::now()) {
            return Err(AnalyzeError::NotAsked);
        }
        let of_each = (business_id.clone(), endpoint.clone());
        let breaker = self.of_each.get_with(of_each, || Breaker::new(OPEN_FOR));
        let answer = breaker.pass(self.analyst.analyze(question, budget)).await;
        lock(&for_all).saw(business_id, answer.as_ref().err(), Instant::now());
        answer
    }
}

fn lock(for_all: &Mutex<ForAll>) -> MutexGuard<'_, ForAll> {
    for_all.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The breaker for all businesses that ask a DispatchBot.
#[derive(Debug, Default)]
struct ForAll {
    /// The businesses that failed since anybody had an answer.
    failed: HashSet<String>,
    /// Until when DispatchBot is not asked.
    open_until: Option<Instant>,
}

impl ForAll {
    /// Whether a request may be made. While the breaker is open, one is let through every [`OPEN_FOR`].
    fn lets_through(&mut self, now: Instant) -> bool {
        match self.open_until {
            Some(until) if now < until => false,
            Some(_) => {
                self.open_until = Some(now + OPEN_FOR);
                true
            }
            None => true,
        }
    }

    /// Takes note of the outcome of a business's request.
    fn saw(&mut self, business_id: &str, error: Option<&AnalyzeError>, now: Instant) {
        match error {
            // The business's own breaker is open, or it lacks something: nobody was asked.
            Some(error) if !error.was_called() => {}
            Some(error) if error.is_transient() => {
                self.failed.insert(business_id.to_owned());
                if self.failed.len() >= FAILED_BUSINESSES && self.open_until.is_none() {
                    self.open_until = Some(now + OPEN_FOR);
                }
            }
            // DispatchBot has answered, even if it refused this one request.
            _ => *self = Self::default(),
        }
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
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::domain::conversation::Priority;
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

    #[test]
    fn one_business_that_fails_again_and_again_is_its_own_trouble() {
        let (mut breaker, now) = (ForAll::default(), Instant::now());
        for _ in 0..100 {
            assert!(breaker.lets_through(now));
            breaker.saw("b1", Some(&AnalyzeError::TimedOut), now);
        }
    }

    #[test]
    fn several_businesses_that_fail_open_it_for_all_and_one_answer_closes_it() {
        let (mut breaker, now) = (ForAll::default(), Instant::now());
        for business in ["b1", "b2", "b3"] {
            assert!(breaker.lets_through(now));
            breaker.saw(business, Some(&AnalyzeError::TimedOut), now);
        }
        assert!(!breaker.lets_through(now));
        assert!(breaker.lets_through(now + OPEN_FOR), "to see whether it answers again");
        assert!(!breaker.lets_through(now + OPEN_FOR), "one is enough for that");
        breaker.saw("b4", None, now + OPEN_FOR);
        assert!(breaker.lets_through(now + OPEN_FOR));
    }

    #[test]
    fn a_probe_that_is_never_made_is_followed_by_another() {
        let (mut breaker, now) = (ForAll::default(), Instant::now());
        for business in ["b1", "b2", "b3"] {
            breaker.saw(business, Some(&AnalyzeError::TimedOut), now);
        }
        assert!(breaker.lets_through(now + OPEN_FOR));
        breaker.saw("b1", Some(&AnalyzeError::NotAsked), now + OPEN_FOR);
        assert!(breaker.lets_through(now + OPEN_FOR * 2));
    }

    #[test]
    fn an_answer_to_anybody_proves_that_it_answers() {
        let (mut breaker, now) = (ForAll::default(), Instant::now());
        for business in ["b1", "b2", "b3", "b4", "b5"] {
            breaker.saw(business, Some(&AnalyzeError::TimedOut), now);
            breaker.saw("b6", None, now);
            assert!(breaker.lets_through(now), "{business}");
        }
    }

    /// Never answers a business with a DispatchBot of its own, and answers all others.
    struct DeadForOwn;

    impl AiClient for DeadForOwn {
        async fn analyze(&self, question: &Question, _budget: Duration) -> Result<Answer, AnalyzeError> {
            match question.business.policy.dispatchbot {
                Some(_) => Err(AnalyzeError::TimedOut),
                None => Err(AnalyzeError::NotSuccessful), // an answer, to the breakers
            }
        }
    }

    fn question(business_id: &str, own: Option<&str>) -> Question {
        let mut document = json!({
            "id": business_id, "name": "Pipes", "user_id": "u1", "phone_numbers": [], "forward_to": "+15555552222",
            "timezone": "UTC", "trade": "plumbing", "business_hours": {}, "job_estimates": [], "user_settings": {},
            "calendar": [],
        });
        if let Some(url) = own {
            document["policy"] = json!({ "dispatchbot": { "url": url, "dialect": "v1" } });
        }
        Question {
            conversation_id: Uuid::nil(),
            window_id: Uuid::nil(),
            priority: Priority::Normal,
            customer: "+15550001111".parse().unwrap(),
            business_phone: "+15555551111".parse().unwrap(),
            business: Arc::new(serde_json::from_value(document).unwrap()),
            messages: Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_dead_dispatchbot_of_some_businesses_is_not_that_of_others() {
        let breakers = CircuitBreaker::new(DeadForOwn);
        let ask = async |id: &str, own| breakers.analyze(&question(id, own), OPEN_FOR).await.unwrap_err();
        let dead = Some("https://dead.example.com");
        for business in ["b1", "b2", "b3"] {
            assert_eq!(ask(business, dead).await, AnalyzeError::TimedOut);
        }
        assert_eq!(ask("b4", dead).await, AnalyzeError::NotAsked, "three have failed there");
        assert_eq!(ask("b4", Some("https://other.example.com")).await, AnalyzeError::TimedOut);
        assert_eq!(ask("b1", None).await, AnalyzeError::NotSuccessful, "the service's is asked");
    }
}
