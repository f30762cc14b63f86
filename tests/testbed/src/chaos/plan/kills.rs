//! Which process is killed when, and how long it stays down.

use std::fmt;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::{chance, ms};

/// The longest time before a killed part is started again, in milliseconds.
const DOWN_MS: u64 = 2_000;
/// The probability that two are killed at once.
const TWO_AT_ONCE: f64 = 0.12;

/// What can be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::chaos) enum Part {
    /// A process that serves HTTP.
    Edge(usize),
    /// A process that processes streams.
    Worker(usize),
    /// The nats-server, if there is only one.
    Nats,
    /// The node of the cluster that is leader.
    Leader(Led),
    /// PostgreSQL with all its backends.
    Postgres,
    /// Redis.
    Redis,
    /// DispatchBot.
    DispatchBot,
}

/// What a leading node of the cluster leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::chaos) enum Led {
    /// The stream of webhooks, NMC_INBOUND.
    Inbound,
    /// The cluster itself.
    Meta,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edge(number) => write!(f, "edge {number}"),
            Self::Worker(number) => write!(f, "worker {number}"),
            Self::Nats => f.write_str("nats-server"),
            Self::Leader(Led::Inbound) => f.write_str("leader of NMC_INBOUND"),
            Self::Leader(Led::Meta) => f.write_str("leader of the cluster"),
            Self::Postgres => f.write_str("PostgreSQL"),
            Self::Redis => f.write_str("Redis"),
            Self::DispatchBot => f.write_str("DispatchBot"),
        }
    }
}

/// The parts that are killed at one moment.
#[derive(Debug, Clone)]
pub(in crate::chaos) struct Kill {
    /// The delay after the previous kill.
    pub after: Duration,
    /// The parts, and how long each stays down.
    pub victims: Vec<(Part, Duration)>,
}

/// All parts that a run kills.
pub(in crate::chaos) fn parts(clustered: bool) -> Vec<Part> {
    let nats = if clustered { vec![Part::Leader(Led::Inbound), Part::Leader(Led::Meta)] } else { vec![Part::Nats] };
    let others = [
        Part::Edge(0),
        Part::Edge(1),
        Part::Worker(0),
        Part::Worker(1),
        Part::Postgres,
        Part::Redis,
        Part::DispatchBot,
    ];
    nats.into_iter().chain(others).collect()
}

/// How often a part is killed, relative to the others: our processes are many in production and restart often, and
/// while PostgreSQL or NATS is down, little else can go wrong.
fn weight(part: Part) -> u32 {
    match part {
        Part::Edge(_) => 14,
        Part::Worker(_) => 18,
        Part::Nats | Part::Postgres => 12,
        Part::Leader(_) => 100,
        Part::Redis => 7,
        Part::DispatchBot => 5,
    }
}

/// A schedule of `count` kills at intervals of about `every`; each part is killed once before any is killed twice.
pub(in crate::chaos) fn schedule(seed: u64, count: usize, every: Duration, clustered: bool) -> Vec<Kill> {
    let random = &mut chance(seed, "kills", 0);
    let parts = parts(clustered);
    let mut first = parts.clone();
    first.shuffle(random);
    let mut dead = 0;
    let mut kills = Vec::new();
    while dead < count {
        let one = first.pop().unwrap_or_else(|| draw(random, &parts));
        let mut victims = vec![one];
        if first.is_empty() && dead + 1 < count && random.random_bool(TWO_AT_ONCE) {
            let other = draw(random, &parts);
            let both_lead = matches!((one, other), (Part::Leader(_), Part::Leader(_)));
            // With two of three nodes down, there is no cluster.
            victims.extend((other != one && !both_lead).then_some(other));
        }
        dead += victims.len();
        let victims = victims.into_iter().map(|part| (part, ms(random, 0, DOWN_MS))).collect();
        kills.push(Kill { after: every.mul_f64(random.random_range(0.4..=1.6)), victims });
    }
    kills
}

fn draw(random: &mut StdRng, parts: &[Part]) -> Part {
    let mut left = random.random_range(0..parts.iter().map(|part| weight(*part)).sum());
    for part in parts {
        match left.checked_sub(weight(*part)) {
            Some(rest) => left = rest,
            None => return *part,
        }
    }
    Part::Worker(0) // not reached: what is drawn is less than the sum
}
