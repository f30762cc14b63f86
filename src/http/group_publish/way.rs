//! Whether a message is published by itself or with others.
//!
//! Which of the two is cheaper depends on the server. An atomic batch has a fixed cost: the server stages it in a
//! folder of its own, with about five fsyncs and fifty other system calls, whatever `sync_interval` is. A single message
//! costs little, unless it is fsynced (`sync_interval: always`). So both are measured, under load.

use std::time::Duration;

use tokio::time::Instant;

/// While no more than this number of messages are on their way, each is published by itself. On nats-server 2.15.1 with
/// `sync_interval: always`, the fastest of 25 tries took 1.6 ms for 8 single messages, 3.6 ms for 16, 7.7 ms for 32 and
/// 22 ms for 64; an atomic batch took 3 to 5 ms, whatever its size. With the default `sync_interval`, 64 single messages
/// took 1.1 ms.
pub(super) const FEW: usize = 16;
/// How many messages that were published alone are measured in a round. It is more than are on their way at once, so that
/// those that waited for an earlier batch do not decide; a few that were held up by chance change nothing either.
const ALONE: usize = 256;
/// How many batches are measured in a round.
const BATCHES: usize = 9;
/// How often the way that was more expensive is tried again.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// A way of publishing a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// By itself and at once.
    Alone,
    /// With the batch that collects.
    Together,
}

/// The measured costs of both ways.
#[derive(Debug)]
pub(super) struct Ways {
    alone: Costs,
    together: Costs,
    resting_until: Option<Instant>,
}

impl Ways {
    pub fn new() -> Self {
        Self { alone: Costs::in_rounds_of(ALONE), together: Costs::in_rounds_of(BATCHES), resting_until: None }
    }

    /// Chooses the way while this number of messages are on their way.
    pub fn choose(&mut self, in_flight: usize, now: Instant) -> Way {
        if in_flight <= FEW || self.is_resting(now) {
            return Way::Alone;
        }
        let Some((together, measured_at)) = self.together.of_last_round else { return Way::Together };
        let Some((alone, alone_measured_at)) = self.alone.of_last_round else { return Way::Alone };
        let (cheaper, other, costs, measured_at) = if alone <= together {
            (Way::Alone, Way::Together, &mut self.together, measured_at)
        } else {
            (Way::Together, Way::Alone, &mut self.alone, alone_measured_at)
        };
        if now < measured_at + TRY_AGAIN_AFTER {
            return cheaper;
        }
        costs.begin_again();
        other
    }

    /// Records how long it took to publish this number of messages, while more than [`FEW`] were on their way.
    pub fn took(&mut self, way: Way, count: usize, begun: Instant, now: Instant) {
        let costs = match way {
            Way::Alone => &mut self.alone,
            Way::Together => &mut self.together,
        };
        costs.add((now - begun).div_f64(count.max(1) as f64), now);
    }

    /// Chooses no batch until then.
    pub fn rest_until(&mut self, until: Instant) {
        self.resting_until = Some(until);
    }

    /// Whether no batch is to be tried at the moment.
    pub fn is_resting(&self, now: Instant) -> bool {
        self.resting_until.is_some_and(|until| now < until)
    }
}

/// What a message cost in one way.
#[derive(Debug)]
struct Costs {
    round: Vec<Duration>,
    length: usize,
    /// The median of the last complete round, and when it was complete.
    of_last_round: Option<(Duration, Instant)>,
}

impl Costs {
    fn in_rounds_of(length: usize) -> Self {
        Self { round: Vec::with_capacity(length), length, of_last_round: None }
    }

    fn begin_again(&mut self) {
        self.round.clear();
        self.of_last_round = None;
    }

    fn add(&mut self, of_a_message: Duration, now: Instant) {
        self.round.push(of_a_message);
        if self.round.len() == self.length {
            self.round.sort_unstable();
            self.of_last_round = self.round.get(self.length / 2).map(|median| (*median, now));
            self.round.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: usize = 64;

    /// A server at which [`MANY`] messages take this long, alone and together.
    struct Server {
        ways: Ways,
        alone: Duration,
        together: Duration,
        now: Instant,
    }

    impl Server {
        fn new(alone_ms: u64, together_ms: u64) -> Self {
            let (alone, together) = (Duration::from_millis(alone_ms), Duration::from_millis(together_ms));
            Self { ways: Ways::new(), alone, together, now: Instant::now() }
        }

        /// Publishes [`MANY`] messages this number of times, and returns how often together.
        fn publish(&mut self, times: usize) -> usize {
            (0..times).filter(|_| self.publish_one() == Way::Together).count()
        }

        fn publish_one(&mut self) -> Way {
            let (way, begun) = (self.ways.choose(MANY, self.now), self.now);
            self.now += if way == Way::Alone { self.alone } else { self.together };
            self.ways.took(way, MANY, begun, self.now);
            way
        }
    }

    #[test]
    fn the_cheaper_way_is_taken_once_both_are_measured() {
        let mut fsyncs_each = Server::new(13, 3);
        assert_eq!(fsyncs_each.publish(1_000), 1_000 - ALONE);
        let mut fsyncs_later = Server::new(1, 3);
        assert_eq!(fsyncs_later.publish(1_000), BATCHES);
    }

    #[test]
    fn those_that_were_held_up_by_chance_change_nothing() {
        let mut server = Server::new(1, 3);
        server.publish(BATCHES + ALONE);
        server.alone = Duration::from_millis(20);
        server.publish(ALONE / 2 - 1);
        server.alone = Duration::from_millis(1);
        assert_eq!(server.publish(1_000), 0);
    }

    #[test]
    fn the_other_way_is_tried_again_and_taken_once_it_is_cheaper() {
        let mut server = Server::new(1, 3);
        server.publish(BATCHES + ALONE);
        server.now += TRY_AGAIN_AFTER;
        assert_eq!(server.publish(1_000), BATCHES);
        server.alone = Duration::from_millis(13); // restarted with another sync_interval
        server.now += TRY_AGAIN_AFTER;
        assert!(server.publish(1_000) >= 1_000 - 2 * ALONE, "once a round shows it");
    }

    #[test]
    fn while_few_are_on_their_way_each_is_published_alone() {
        let mut ways = Ways::new();
        assert_eq!(ways.choose(FEW, Instant::now()), Way::Alone);
        assert_eq!(ways.choose(FEW + 1, Instant::now()), Way::Together, "not measured yet");
    }

    #[test]
    fn while_it_rests_nothing_is_published_together() {
        let mut ways = Ways::new();
        let now = Instant::now();
        ways.rest_until(now + Duration::from_secs(10));
        assert_eq!(ways.choose(MANY, now + Duration::from_secs(9)), Way::Alone);
        assert_eq!(ways.choose(MANY, now + Duration::from_secs(10)), Way::Together);
    }
}
