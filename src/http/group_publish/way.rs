//! Whether the messages of a batch are published singly or atomically.
//!
//! Which of the two is cheaper depends on the server. An atomic batch has a fixed cost: the server stages it in a
//! folder of its own, with about five fsyncs and fifty other system calls, whatever `sync_interval` is. A single message
//! costs little, unless it is fsynced (`sync_interval: always`). So both are measured, under load.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Up to this number, messages are published singly. On nats-server 2.15.1 with `sync_interval: always`, the fastest of
/// 25 tries took 1.6 ms for 8 single messages, 3.6 ms for 16, 7.7 ms for 32 and 22 ms for 64; an atomic batch took 3 to
/// 5 ms, whatever its size. With the default `sync_interval`, 64 single messages took 1.1 ms.
const FEW: usize = 16;
/// How many of the newest batches are compared, by their median: a few that were held up by chance change nothing.
const SAMPLES: usize = 9;
/// How many are compared at first.
const ENOUGH: usize = 3;
/// How often the way that was more expensive is tried again.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// A way of publishing several messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Each by itself, without waiting for one another.
    Singly,
    /// All or none.
    Atomically,
}

/// The measured costs of both ways.
#[derive(Debug, Default)]
pub(super) struct Ways {
    singly: Costs,
    atomically: Costs,
    resting_until: Option<Instant>,
}

impl Ways {
    /// Chooses the way for this number of messages.
    pub fn choose(&self, count: usize, now: Instant) -> Way {
        if count <= FEW || self.resting_until.is_some_and(|until| now < until) {
            return Way::Singly;
        }
        let Some(atomically) = self.atomically.median() else { return Way::Atomically };
        let Some(singly) = self.singly.median() else { return Way::Singly };
        let (cheaper, other, tried_at) = if singly <= atomically {
            (Way::Singly, Way::Atomically, self.atomically.tried_at)
        } else {
            (Way::Atomically, Way::Singly, self.singly.tried_at)
        };
        if tried_at.is_some_and(|tried_at| now < tried_at + TRY_AGAIN_AFTER) { cheaper } else { other }
    }

    /// Records how long a batch took.
    pub fn took(&mut self, way: Way, count: usize, begun: Instant, now: Instant) {
        if count > FEW {
            let costs = match way {
                Way::Singly => &mut self.singly,
                Way::Atomically => &mut self.atomically,
            };
            costs.add((now - begun).div_f64(count as f64), now);
        }
    }

    /// Chooses no atomic batch until then.
    pub fn rest_until(&mut self, until: Instant) {
        self.resting_until = Some(until);
    }
}

/// What a message cost in the newest batches that were published in one way.
#[derive(Debug, Default)]
struct Costs {
    newest: VecDeque<Duration>,
    tried_at: Option<Instant>,
}

impl Costs {
    fn add(&mut self, of_a_message: Duration, now: Instant) {
        self.newest.push_back(of_a_message);
        if self.newest.len() > SAMPLES {
            self.newest.pop_front();
        }
        self.tried_at = Some(now);
    }

    /// `None` until there are enough.
    fn median(&self) -> Option<Duration> {
        let mut sorted: Vec<Duration> = self.newest.iter().copied().collect();
        sorted.sort_unstable();
        if sorted.len() < ENOUGH { None } else { sorted.get(sorted.len() / 2).copied() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: usize = 64;

    /// A server at which a batch takes this long, published singly and atomically.
    struct Server {
        ways: Ways,
        singly: Duration,
        atomically: Duration,
        now: Instant,
    }

    impl Server {
        fn new(singly_ms: u64, atomically_ms: u64) -> Self {
            let ways = Ways::default();
            let (singly, atomically) = (Duration::from_millis(singly_ms), Duration::from_millis(atomically_ms));
            Self { ways, singly, atomically, now: Instant::now() }
        }

        /// Publishes many batches, and returns how many of them were atomic.
        fn publish(&mut self, batches: usize) -> usize {
            (0..batches).filter(|_| self.publish_one() == Way::Atomically).count()
        }

        fn publish_one(&mut self) -> Way {
            let (way, begun) = (self.ways.choose(MANY, self.now), self.now);
            self.now += if way == Way::Singly { self.singly } else { self.atomically };
            self.ways.took(way, MANY, begun, self.now);
            way
        }
    }

    #[test]
    fn the_cheaper_way_is_taken_once_both_are_measured() {
        let mut fsyncs_each = Server::new(13, 3);
        assert_eq!(fsyncs_each.publish(100), 100 - ENOUGH);
        let mut fsyncs_later = Server::new(1, 3);
        assert_eq!(fsyncs_later.publish(100), ENOUGH);
    }

    #[test]
    fn batches_that_were_held_up_by_chance_change_nothing() {
        let mut server = Server::new(1, 3);
        server.publish(100);
        server.singly = Duration::from_secs(1);
        server.publish(4);
        server.singly = Duration::from_millis(1);
        assert_eq!(server.publish(100), 0);
    }

    #[test]
    fn the_other_way_is_tried_again_and_taken_once_it_is_cheaper() {
        let mut server = Server::new(1, 3);
        server.publish(100);
        server.now += TRY_AGAIN_AFTER;
        assert_eq!(server.publish(100), 1);
        server.singly = Duration::from_millis(13); // restarted with another sync_interval
        assert!(server.publish(100) > 90);
    }

    #[test]
    fn a_few_messages_are_published_singly_and_measure_nothing() {
        let mut ways = Ways::default();
        let now = Instant::now();
        assert_eq!(ways.choose(FEW, now), Way::Singly);
        (0..100).for_each(|_| ways.took(Way::Atomically, FEW, now, now + Duration::from_secs(1)));
        assert_eq!(ways.choose(FEW + 1, now), Way::Atomically, "not measured yet");
    }

    #[test]
    fn while_it_rests_nothing_is_published_atomically() {
        let mut ways = Ways::default();
        let now = Instant::now();
        ways.rest_until(now + Duration::from_secs(10));
        assert_eq!(ways.choose(MANY, now + Duration::from_secs(9)), Way::Singly);
        assert_eq!(ways.choose(MANY, now + Duration::from_secs(10)), Way::Atomically);
    }
}
