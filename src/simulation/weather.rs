//! Which faults happen in a run, and how often: drawn from the seed, so that some runs have no faults, some have many
//! of one kind, and some have a few of every kind.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// Something that may go wrong between a process and another service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process dies.
    Crash,
    /// The request does not arrive.
    RequestLost,
    /// The request was carried out, but the answer is lost.
    AnswerLost,
    /// A message is handed out, but does not arrive.
    DeliveryLost,
    /// A message is delivered to two workers at once.
    DeliveryDoubled,
    /// A later message is delivered first.
    DeliveryReordered,
    /// A timer does not fire until it is armed again.
    TimerStuck,
    /// A timer fires twice.
    TimerDoubled,
    /// A fire is stored late, and removes a newer arm.
    TimerSlow,
    /// A webhook comes twice.
    WebhookDoubled,
    /// Everything takes long.
    Slow,
    /// Twilio's answer to a send is missing or unusual.
    Send,
    /// DispatchBot's answer is missing or unusual.
    Analysis,
    /// A webhook waits in PostgreSQL, because JetStream is unavailable for that edge.
    Kept,
    /// A copy of a webhook takes the express lane.
    Express,
    /// Another transaction holds a lock that a batch needs.
    Locked,
    /// Redis loses its memory.
    RedisForgets,
    /// Redis refuses an event.
    EventRefused,
    /// A webhook cannot be committed for a while, however often that is attempted.
    Stuck,
    /// Each step of a worker takes long, from its start to its end.
    SlowWorker,
}

const KINDS: usize = 20;
/// The maximum rate of each fault, in 10,000, in the order of [`Fault`].
const WORST: [u32; KINDS] = [
    40, 300, 300, 500, 1_500, 2_000, 2_500, 2_500, 5_000, 3_000, 400, 4_500, 5_000, 3_000, 3_000, 1_000, 300, 300,
    1_500, 6_000,
];

/// The faults of a run, and all its other random choices.
pub struct Weather {
    rng: SmallRng,
    /// In 10,000.
    rates: [u32; KINDS],
    fair: bool,
}

impl Weather {
    /// The weather of a seed.
    pub fn of(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed ^ 0x005e_ed0f_a117_ea9e);
        let rates = WORST.map(|worst| if rng.random_bool(0.5) { 0 } else { rng.random_range(0..=worst) });
        Self { rng, rates, fair: false }
    }

    /// From now on, no fault happens.
    pub fn clear_up(&mut self) {
        self.fair = true;
    }

    /// Whether faults still happen.
    pub fn is_foul(&self) -> bool {
        !self.fair
    }

    /// Whether this fault happens now.
    pub fn strikes(&mut self, fault: Fault) -> bool {
        let rate = self.rates[fault as usize];
        !self.fair && rate > 0 && self.rng.random_range(0..10_000) < rate
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.rng.random_range(0..limit.max(1))
    }

    /// True with this probability, in percent.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of these.
    pub fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    /// A duration between two bounds, in milliseconds.
    pub fn between(&mut self, least_ms: u64, most_ms: u64) -> Duration {
        Duration::from_millis(least_ms + self.below(most_ms - least_ms + 1))
    }

    /// How long a step takes, of a worker that is slow or of any other task; if zero, it only lets other tasks run first.
    pub fn step(&mut self, is_slow: bool) -> Duration {
        if is_slow && !self.fair {
            return self.between(20, 120);
        }
        if self.strikes(Fault::Slow) {
            return self.between(50, 4_000);
        }
        if self.fair || self.chance(70) { Duration::ZERO } else { self.between(1, 12) }
    }

    /// A random id.
    pub fn id(&mut self) -> uuid::Uuid {
        uuid::Uuid::from_u128(self.rng.random())
    }
}
