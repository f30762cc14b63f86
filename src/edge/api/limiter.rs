//! How often each key may call: at most so many accepted in any rolling period.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::Rate;

/// What the limiter says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Within the limit, and counted.
    Accepted,
    /// Beyond it, and not counted.
    Refused {
        /// How long until one more is accepted.
        retry_after: Duration,
    },
}

/// Keeps when each key's calls were accepted, no longer than the period.
pub(super) struct Limiter {
    rate: Rate,
    accepted: Mutex<HashMap<[u8; 32], VecDeque<Instant>>>,
}

impl Limiter {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, accepted: Mutex::new(HashMap::new()) }
    }

    /// Counts a call of `key` at `now`. Only valid keys come here, so there are as many entries as keys.
    pub(super) fn accept(&self, key: [u8; 32], now: Instant) -> Verdict {
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        let times = accepted.entry(key).or_default();
        while times.front().is_some_and(|at| now.duration_since(*at) >= self.rate.per) {
            times.pop_front();
        }
        match times.front() {
            Some(oldest) if times.len() >= self.rate.count as usize => {
                Verdict::Refused { retry_after: self.rate.per.saturating_sub(now.duration_since(*oldest)) }
            }
            _ => {
                times.push_back(now);
                Verdict::Accepted
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn limiter() -> Limiter {
        Limiter::new(Rate { count: 3, per: 60 * SECOND })
    }

    #[test]
    fn the_limit_holds_in_every_rolling_minute() {
        let (limiter, start) = (limiter(), Instant::now());
        for at in [0, 20, 40] {
            assert_eq!(limiter.accept([1; 32], start + at * SECOND), Verdict::Accepted);
        }
        assert_eq!(limiter.accept([1; 32], start + 59 * SECOND), Verdict::Refused { retry_after: SECOND });
        assert_eq!(limiter.accept([1; 32], start + 60 * SECOND), Verdict::Accepted);
        assert_eq!(limiter.accept([1; 32], start + 61 * SECOND), Verdict::Refused { retry_after: 19 * SECOND });
    }

    #[test]
    fn one_keys_calls_are_not_counted_against_another() {
        let (limiter, start) = (limiter(), Instant::now());
        for _ in 0..3 {
            assert_eq!(limiter.accept([1; 32], start), Verdict::Accepted);
        }
        assert_eq!(limiter.accept([2; 32], start), Verdict::Accepted);
    }

    #[test]
    fn a_refused_call_does_not_put_off_the_next() {
        let (limiter, start) = (limiter(), Instant::now());
        for _ in 0..10 {
            limiter.accept([1; 32], start);
        }
        assert_eq!(limiter.accept([1; 32], start + 60 * SECOND), Verdict::Accepted);
    }
}
