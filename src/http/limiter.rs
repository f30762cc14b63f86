//! Limits the calls of an API key or a business: at most a given number is accepted in any rolling period.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::Rate;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Within the limit; the call is counted.
    Accepted {
        /// The number of calls that are still accepted.
        remaining: u32,
        /// The time until one more call is accepted.
        reset: Duration,
    },
    /// Over the limit; the call is not counted.
    Refused {
        /// The time until a call is accepted again.
        retry_after: Duration,
    },
}

/// Records when each key's calls were accepted, for one period.
pub(super) struct Limiter<K> {
    rate: Rate,
    accepted: Mutex<HashMap<K, VecDeque<Instant>>>,
}

impl<K: Hash + Eq> Limiter<K> {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, accepted: Mutex::new(HashMap::new()) }
    }

    /// Counts a call of `key` at `now`. The map does not grow without bound: keys are known API keys and
    /// businesses, or one of a fixed number of hashes.
    pub(super) fn accept(&self, key: K, now: Instant) -> Verdict {
        self.accept_at(key, self.rate, now)
    }

    /// The same at a rate of the key's own.
    pub(super) fn accept_at(&self, key: K, rate: Rate, now: Instant) -> Verdict {
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        let times = accepted.entry(key).or_default();
        while times.front().is_some_and(|at| now.duration_since(*at) >= rate.per) {
            times.pop_front();
        }
        let oldest = times.front().copied().unwrap_or(now);
        let reset = rate.per.saturating_sub(now.duration_since(oldest));
        if times.len() >= rate.count as usize {
            return Verdict::Refused { retry_after: reset };
        }
        times.push_back(now);
        let used = u32::try_from(times.len()).unwrap_or(u32::MAX);
        Verdict::Accepted { remaining: rate.count.saturating_sub(used), reset }
    }

    /// Takes back a call that was counted at `at`, because somebody else has refused it.
    pub(super) fn take_back(&self, key: &K, at: Instant) {
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(times) = accepted.get_mut(key)
            && let Some(place) = times.iter().rposition(|time| *time == at)
        {
            times.remove(place);
        }
    }

    pub(super) fn rate(&self) -> Rate {
        self.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn limiter() -> Limiter<[u8; 32]> {
        Limiter::new(Rate { count: 3, per: 60 * SECOND })
    }

    #[test]
    fn the_limit_holds_in_every_rolling_minute() {
        let (limiter, start) = (limiter(), Instant::now());
        for (at, remaining, reset) in [(0, 2, 60), (20, 1, 40), (40, 0, 20)] {
            let accepted = Verdict::Accepted { remaining, reset: reset * SECOND };
            assert_eq!(limiter.accept([1; 32], start + at * SECOND), accepted);
        }
        assert_eq!(limiter.accept([1; 32], start + 59 * SECOND), Verdict::Refused { retry_after: SECOND });
        let accepted = Verdict::Accepted { remaining: 0, reset: 20 * SECOND };
        assert_eq!(limiter.accept([1; 32], start + 60 * SECOND), accepted);
        assert_eq!(limiter.accept([1; 32], start + 61 * SECOND), Verdict::Refused { retry_after: 19 * SECOND });
    }

    #[test]
    fn one_keys_calls_are_not_counted_against_another() {
        let (limiter, start) = (limiter(), Instant::now());
        for _ in 0..3 {
            assert!(matches!(limiter.accept([1; 32], start), Verdict::Accepted { .. }));
        }
        assert!(matches!(limiter.accept([2; 32], start), Verdict::Accepted { .. }));
    }

    #[test]
    fn a_key_may_have_a_rate_of_its_own_and_a_call_may_be_taken_back() {
        let (limiter, start) = (limiter(), Instant::now());
        let rate = Rate { count: 2, per: SECOND };
        limiter.accept_at([1; 32], rate, start);
        let accepted = Verdict::Accepted { remaining: 0, reset: SECOND };
        assert_eq!(limiter.accept_at([1; 32], rate, start), accepted);
        assert_eq!(limiter.accept_at([1; 32], rate, start), Verdict::Refused { retry_after: SECOND });
        limiter.take_back(&[1; 32], start);
        assert_eq!(limiter.accept_at([1; 32], rate, start), accepted);
        assert!(matches!(limiter.accept_at([1; 32], rate, start + SECOND), Verdict::Accepted { .. }));
    }

    #[test]
    fn a_refused_call_does_not_put_off_the_next() {
        let (limiter, start) = (limiter(), Instant::now());
        for _ in 0..10 {
            limiter.accept([1; 32], start);
        }
        assert!(matches!(limiter.accept([1; 32], start + 60 * SECOND), Verdict::Accepted { .. }));
    }
}
