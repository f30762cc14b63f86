//! What happens to a conversation in one run: steps in time, and how the world behaves. It is generated as small
//! numbers and mapped to names, so that it is quick to draw, shrinks towards ordinary cases, and prints readably.

use std::fmt;

use proptest::prelude::*;

use crate::domain::conversation::{DeliveryStatus, TakenVia};

/// A run.
#[derive(Clone, Default)]
pub struct Scenario {
    /// What people do, in order.
    pub steps: Vec<Step>,
    /// How tasks are delivered, in their order; after that, the ordinary way.
    pub tasks: Vec<Task>,
    /// How DispatchBot behaves, request by request; after that, normally.
    pub bot: Vec<Bot>,
    /// How Twilio behaves, POST by POST; after that, normally.
    pub posts: Vec<Post>,
    /// How the timer behaves, arm by arm; after that, punctually.
    pub timers: Vec<Timer>,
    /// How the phones of the business behave, call by call; after that, nobody answers.
    pub rings: Vec<Ring>,
}

/// A step, `after_ms` after the previous one.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    pub after_ms: i64,
    pub what: Happens,
}

/// What may happen. Numbers say which of several, or how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happens {
    /// The customer writes. `held_up_ms` passes between the edge's timestamp and the processing, and a copy may follow.
    Text {
        held_up_ms: i64,
        copy_after_ms: Option<i64>,
    },
    /// The same, reporting an emergency.
    Emergency {
        held_up_ms: i64,
        copy_after_ms: Option<i64>,
    },
    /// An opt-out or opt-in, or a keyword that Twilio answers.
    Word {
        word: &'static str,
        held_up_ms: i64,
    },
    /// A call that nobody answers.
    MissedCall,
    TakeOver,
    Reply,
    Release,
    FalseAlarm,
    /// One of those who are alerted takes the emergency.
    AlertTaken {
        place: usize,
        via: TakenVia,
    },
    Complete,
    /// A person records that the customer wants no texts.
    OptOut,
    /// A person records that the customer wants texts again.
    OptIn,
    /// An earlier input is repeated.
    Again(usize),
    /// The timer fires without being due.
    Fires,
    /// The armed timer is lost.
    TimerLost,
    /// The workers' clock changes by `ms`.
    ClockStep {
        ms: i64,
    },
    /// A takeover of a conversation other than the newest.
    TakeOverOlder,
    /// The business gives up its number; the sweeper notices after `noticed_after_ms`.
    NumberLeaves {
        noticed_after_ms: i64,
    },
    /// The business has its number again.
    NumberReturns,
}

/// How a task is delivered.
#[derive(Debug, Clone, Copy)]
pub struct Task {
    pub after_ms: i64,
    /// If set, it is delivered once more after this time.
    pub again_after_ms: Option<i64>,
}

/// How DispatchBot behaves.
#[derive(Debug, Clone, Copy)]
pub struct Bot {
    pub after_ms: i64,
    pub says: Says,
}

/// DispatchBot's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    Answer,
    Nothing,
    Unsure,
    Empty,
    Emergency,
    Goodbye,
}

/// How Twilio behaves for one POST.
#[derive(Debug, Clone, Copy)]
pub struct Post {
    pub after_ms: i64,
    pub outcome: Outcome,
    pub callbacks: &'static [(i64, DeliveryStatus)],
}

/// Twilio's reaction to the POST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Accepts,
    Refuses(i32),
    Busy {
        retry_after_ms: i64,
    },
    /// Twilio's answer is lost. If the message was sent, the list shows it after `listed_after_ms`. The first
    /// `deaf_reads` reads of the list fail.
    Lost {
        sent: bool,
        listed_after_ms: i64,
        deaf_reads: u8,
    },
}

/// What becomes of a call to a person of the business.
#[derive(Debug, Clone, Copy)]
pub struct Ring {
    /// When Twilio accepts it; `None` if it refuses it.
    pub placed_after_ms: Option<i64>,
    /// The key that is pressed, if one is.
    pub digit: Option<(i64, char)>,
    /// When its end is reported; `None` if never.
    pub over_after_ms: Option<i64>,
}

impl Ring {
    pub const UNANSWERED: Self = Self { placed_after_ms: Some(100), digit: None, over_after_ms: Some(25_000) };
}

/// How the timer behaves for one arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    Late(i64),
    Early(i64),
    Twice(i64),
    Lost,
}

impl Task {
    pub const ORDINARY: Self = Self { after_ms: 20, again_after_ms: None };
}

impl Bot {
    pub const WELL: Self = Self { after_ms: 800, says: Says::Answer };
}

impl Post {
    pub const WELL: Self = Self { after_ms: 200, outcome: Outcome::Accepts, callbacks: CALLBACKS[0] };
}

use DeliveryStatus::{Accepted, Delivered, Failed, Sent, Undelivered};

/// Status callbacks with their times after the POST, in order and out of order.
const CALLBACKS: &[&[(i64, DeliveryStatus)]] = &[
    &[(400, Sent), (1_500, Delivered)],
    &[],
    &[(50, Delivered)],
    &[(10, Accepted), (20, Delivered), (90, Sent), (95, Delivered)],
    &[(900, Delivered), (1_000, Sent), (1_100, Undelivered)],
    &[(300, Sent), (300, Sent), (2_000, Undelivered), (2_100, Delivered)],
    &[(5, Failed), (3_000, Sent)],
    &[(45_000, Sent), (60_000, Failed), (61_000, Delivered)],
];

/// A family of runs: how likely each step is, and whether everything except people behaves well.
#[derive(Debug, Clone, Copy)]
pub struct Profile {
    pub name: &'static str,
    /// The share of all runs, in percent.
    pub share: u32,
    pub weights: &'static [(u8, Kind)],
    /// Timer, DispatchBot and Twilio work and the clock is right. Only then the time limits are checked.
    pub punctual: bool,
    /// The customer's pauses are short.
    pub steady: bool,
    /// The maximum number of steps.
    pub steps: usize,
}

/// The kind of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Emergency,
    Word,
    MissedCall,
    TakeOver,
    Reply,
    Release,
    FalseAlarm,
    AlertTaken,
    Complete,
    OptOut,
    OptIn,
    Again,
    Fires,
    TimerLost,
    ClockStep,
    TakeOverOlder,
    NumberLeaves,
    NumberReturns,
}

const WORDS: &[&str] = &[
    "STOP",
    "please stop texting me",
    "START",
    "HELP",
    "yes",
    "stop it",
    "don't text me, call me, the basement is flooding",
    "I smell gas, don't text me, call me",
    "Stop! The basement is flooding",
    "STOP!! I smell gas",
];

impl Profile {
    /// The runs of this family.
    pub fn scenarios(self) -> impl Strategy<Value = Scenario> {
        let total: u16 = self.weights.iter().map(|(weight, _)| u16::from(*weight)).sum();
        let steps = prop::collection::vec((0..total, 0u16..1_000, 0u16..1_000), 1..=self.steps);
        let plans = || prop::collection::vec((0u8..100, 0u16..1_000), 0..8);
        let plans = (plans(), plans(), plans(), plans(), plans());
        (steps, plans).prop_map(move |(steps, (tasks, bot, posts, timers, rings))| Scenario {
            steps: steps.into_iter().map(|(kind, gap, n)| self.step(kind, gap, n)).collect(),
            tasks: tasks.into_iter().map(|(kind, n)| self.task(kind, n)).collect(),
            bot: bot.into_iter().map(|(kind, n)| self.bot(kind, n)).collect(),
            posts: posts.into_iter().map(|(kind, n)| self.post(kind, n)).collect(),
            timers: timers.into_iter().map(|(kind, n)| self.timer(kind, n)).collect(),
            rings: rings.into_iter().map(|(kind, n)| ring(kind, n)).collect(),
        })
    }

    fn step(self, mut kind: u16, gap: u16, n: u16) -> Step {
        let mut chosen = Kind::Text;
        for (weight, candidate) in self.weights {
            chosen = *candidate;
            match kind.checked_sub(u16::from(*weight)) {
                Some(rest) => kind = rest,
                None => break,
            }
        }
        let gap = i64::from(gap);
        let after_ms = match gap {
            _ if self.steady => 200 + gap * 4,
            0..300 => gap,
            300..680 => (gap - 300) * 12,
            680..900 => (gap - 680) * 130,
            900..980 => (gap - 900) * 1_300,
            _ => (gap - 980) * 125_000,
        };
        let held_up_ms = match i64::from(n) {
            n if self.punctual => n % 3 * 100,
            n @ 0..700 => n % 40,
            n @ 700..850 => (n - 700) * 25,
            n @ 850..970 => (n - 850) * 900,
            n @ 970..990 => n * 300,
            _ => -2_000, // an edge whose clock is ahead
        };
        let copy_after_ms = (n % 9 == 8).then_some(i64::from(n) * 7);
        let what = match chosen {
            Kind::Text => Happens::Text { held_up_ms, copy_after_ms },
            Kind::Emergency => Happens::Emergency { held_up_ms, copy_after_ms },
            Kind::Word => Happens::Word { word: WORDS[usize::from(n) % WORDS.len()], held_up_ms },
            Kind::MissedCall => Happens::MissedCall,
            Kind::TakeOver => Happens::TakeOver,
            Kind::Reply => Happens::Reply,
            Kind::Release => Happens::Release,
            Kind::FalseAlarm => Happens::FalseAlarm,
            Kind::AlertTaken => Happens::AlertTaken {
                place: usize::from(n) % 3,
                via: if n < 500 { TakenVia::Sms } else { TakenVia::Call },
            },
            Kind::Complete => Happens::Complete,
            Kind::OptOut => Happens::OptOut,
            Kind::OptIn => Happens::OptIn,
            Kind::Again => Happens::Again(usize::from(n)),
            Kind::Fires => Happens::Fires,
            Kind::TimerLost => Happens::TimerLost,
            Kind::ClockStep => Happens::ClockStep { ms: i64::from(n) * 6 - 3_000 },
            Kind::TakeOverOlder => Happens::TakeOverOlder,
            Kind::NumberLeaves => Happens::NumberLeaves { noticed_after_ms: i64::from(n) * 3 },
            Kind::NumberReturns => Happens::NumberReturns,
        };
        Step { after_ms, what }
    }

    fn task(self, kind: u8, n: u16) -> Task {
        let n = i64::from(n);
        match kind {
            _ if self.punctual => Task { after_ms: n % 200, again_after_ms: (kind > 70).then_some(n) },
            0..60 => Task { after_ms: n % 50, again_after_ms: None },
            60..85 => Task { after_ms: n % 50, again_after_ms: Some(n * 3) },
            85..95 => Task { after_ms: n * 10, again_after_ms: None },
            _ => Task { after_ms: n * 2_500, again_after_ms: None }, // an outage
        }
    }

    fn bot(self, kind: u8, n: u16) -> Bot {
        let says = match kind {
            0..55 => Says::Answer,
            55..70 => Says::Nothing,
            70..76 => Says::Unsure,
            76..80 => Says::Empty,
            80..88 => Says::Emergency,
            _ => Says::Goodbye,
        };
        Bot { after_ms: i64::from(n) * 4, says }
    }

    fn post(self, kind: u8, n: u16) -> Post {
        let callbacks = CALLBACKS[usize::from(n) % CALLBACKS.len()];
        let n = i64::from(n);
        let lost = |sent| Outcome::Lost {
            sent,
            listed_after_ms: n * 25,
            deaf_reads: if n > 900 { 255 } else { (n % 4) as u8 },
        };
        let outcome = match kind {
            _ if self.punctual => Outcome::Accepts,
            0..50 => Outcome::Accepts,
            50..55 => Outcome::Refuses(21_610),
            55..60 => Outcome::Refuses(21_211),
            60..75 => Outcome::Busy { retry_after_ms: n * 10 },
            75..88 => lost(true),
            _ => lost(false),
        };
        let after_ms = if self.punctual { n } else { n * 10 };
        let never = matches!(outcome, Outcome::Refuses(_) | Outcome::Busy { .. } | Outcome::Lost { sent: false, .. });
        Post { after_ms, outcome, callbacks: if never { &[] } else { callbacks } }
    }

    fn timer(self, kind: u8, n: u16) -> Timer {
        let n = i64::from(n);
        match kind {
            0..50 => Timer::Late(n / 4),
            _ if self.punctual && kind < 80 => Timer::Late(n / 4),
            50..65 => Timer::Late(n * 3),
            65..75 => Timer::Early(n * 5),
            75..88 => Timer::Twice(n * 3),
            _ => Timer::Lost,
        }
    }
}

fn ring(kind: u8, n: u16) -> Ring {
    let n = i64::from(n);
    let digit = match kind {
        0..15 => Some((n * 20, '1')),
        15..25 => Some((n * 20, '2')),
        _ => None,
    };
    let over_after_ms = (kind % 10 != 9).then_some(n * 30);
    Ring { placed_after_ms: (kind < 90).then_some(n * 5), digit, over_after_ms }
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut at = 0;
        writeln!(f)?;
        for step in &self.steps {
            at += step.after_ms;
            writeln!(f, "  at {:>9.3} s  {:?}", at as f64 / 1_000.0, step.what)?;
        }
        let plans: [(&str, Vec<String>); 5] = [
            ("tasks", self.tasks.iter().map(|plan| format!("{plan:?}")).collect()),
            ("DispatchBot", self.bot.iter().map(|plan| format!("{plan:?}")).collect()),
            ("Twilio", self.posts.iter().map(|plan| format!("{plan:?}")).collect()),
            ("calls", self.rings.iter().map(|plan| format!("{plan:?}")).collect()),
            ("timers", self.timers.iter().map(|plan| format!("{plan:?}")).collect()),
        ];
        for (name, lines) in plans.iter().filter(|(_, lines)| !lines.is_empty()) {
            writeln!(f, "  {name}:")?;
            for (n, line) in lines.iter().enumerate() {
                writeln!(f, "    {n}. {line}")?;
            }
        }
        Ok(())
    }
}
