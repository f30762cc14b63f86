//! A conversation: what the customer writes, what a person of the business does, and which faults Twilio has meanwhile.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

use super::{chance, ms};
use crate::chaos::BUSINESSES;
use crate::sim::Span;
use crate::twilio::{Fault, Refusal};

const TEXTS: [&str; 8] = [
    "My kitchen sink is blocked",
    "Hello?",
    "The one in the kitchen",
    "Can somebody come today?",
    "How much would that be?",
    "The toilet runs all the time",
    "Yes, 3pm tomorrow works",
    "Do you also look at boilers?",
];
const EMERGENCY: &str = "A pipe burst and water is pouring through the ceiling!";
const DIALS: [&str; 5] = ["no-answer", "no-answer", "busy", "failed", "canceled"];

/// One customer and one conversation with a business, from beginning to end.
#[derive(Debug, Clone)]
pub(in crate::chaos) struct ConversationPlan {
    /// The number of the conversation.
    pub number: u64,
    /// The delay after the previous conversation.
    pub after: Duration,
    /// The customer's number; no other conversation has it.
    pub customer: String,
    /// The index of the business.
    pub business: usize,
    /// Twilio's fault for messages to the customer, and how often it applies.
    pub fault: Option<(u32, Fault)>,
    /// The customer's calls and texts, by time.
    pub said: Vec<Planned>,
    /// A person's commands, carried out one after the other.
    pub deeds: Vec<Deed>,
}

/// A webhook, and its repetitions.
#[derive(Debug, Clone)]
pub(in crate::chaos) struct Planned {
    /// The time since the conversation's beginning.
    pub at: Duration,
    /// The call or text.
    pub say: Say,
    /// Twilio's SID.
    pub sid: String,
    /// The edge that receives it.
    pub edge: usize,
    /// Repetitions: delay and edge of each.
    pub again: Vec<(Duration, usize)>,
}

/// An action of a customer.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::chaos) enum Say {
    /// A call that rings for some time and is not answered.
    Call {
        /// `DialCallStatus`.
        outcome: &'static str,
        /// The time between the call and its end.
        rings: Duration,
    },
    /// A text message.
    Text {
        /// The content.
        body: &'static str,
        /// Whether it is an opt-out.
        stop: bool,
    },
}

/// A person's action, through the App Server.
#[derive(Debug, Clone)]
pub(in crate::chaos) struct Deed {
    /// The earliest time since the conversation's beginning; the previous action must have ended.
    pub at: Duration,
    /// The command that carries it out.
    pub command: Command,
}

/// A command of the App Server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chaos) enum Command {
    /// Takes over.
    TakeOver,
    /// Writes to the customer.
    Reply,
    /// Gives it back to the AI.
    Release,
    /// Completes the conversation.
    Complete,
}

/// The plan of the conversation with this number; `rate` is the number of conversations that begin per second.
pub(in crate::chaos) fn conversation(seed: u64, number: u64, rate: f64) -> ConversationPlan {
    let random = &mut chance(seed, "conversation", number);
    ConversationPlan {
        number,
        after: Duration::from_secs_f64(random.random_range(0.0..=2.0) / rate),
        customer: format!("+1{}{:06}", 2_120 + number / 1_000_000, number % 1_000_000),
        business: random.random_range(0..BUSINESSES.len()),
        fault: fault(random),
        said: said(random),
        deeds: deeds(random),
    }
}

fn said(random: &mut StdRng) -> Vec<Planned> {
    let mut all = Vec::new();
    let mut at = Duration::ZERO;
    if random.random_bool(0.6) {
        let say = Say::Call { outcome: DIALS[random.random_range(0..DIALS.len())], rings: ms(random, 100, 1_200) };
        all.push(planned(random, at, say));
        at += ms(random, 800, 3_000);
    }
    for chance_of_burst in [1.0, 0.5, 0.2] {
        if !random.random_bool(chance_of_burst) {
            break;
        }
        for _ in 0..random.random_range(1..=4) {
            let body = if random.random_bool(0.02) { EMERGENCY } else { TEXTS[random.random_range(0..TEXTS.len())] };
            all.push(planned(random, at, Say::Text { body, stop: false }));
            at += ms(random, 0, 800);
        }
        at += ms(random, 2_500, 7_000);
    }
    if random.random_bool(0.04) {
        all.push(planned(random, at, Say::Text { body: "STOP", stop: true }));
        at += ms(random, 300, 3_000);
        if random.random_bool(0.5) {
            all.push(planned(random, at, Say::Text { body: TEXTS[0], stop: false }));
        }
    }
    all
}

fn planned(random: &mut StdRng, at: Duration, say: Say) -> Planned {
    let prefix = if matches!(say, Say::Call { .. }) { "CA" } else { "SM" };
    let times = match random.random_range(0..100) {
        0..12 => 1,
        12..16 => 2,
        _ => 0,
    };
    let again = (0..times).map(|_| (ms(random, 0, 2_500), random.random_range(0..2))).collect();
    Planned {
        at,
        say,
        sid: format!("{prefix}{:032x}", random.random::<u128>()),
        edge: random.random_range(0..2),
        again,
    }
}

fn deeds(random: &mut StdRng) -> Vec<Deed> {
    let mut all = Vec::new();
    let mut at = ms(random, 300, 8_000);
    let mut then = |random: &mut StdRng, at: &mut Duration, command| {
        all.push(Deed { at: *at, command });
        *at += ms(random, 0, 3_000);
    };
    if random.random_bool(0.35) {
        then(random, &mut at, Command::TakeOver);
        if random.random_bool(0.6) {
            then(random, &mut at, Command::Reply);
        }
        match random.random_range(0..100) {
            0..45 => then(random, &mut at, Command::Release),
            45..65 => then(random, &mut at, Command::Complete),
            _ => {}
        }
    } else if random.random_bool(0.1) {
        then(random, &mut at, Command::Reply);
    }
    all
}

/// A POST is accepted within `NMC_RECONCILE_AFTER`: after that, absence could not be proven.
fn fault(random: &mut StdRng) -> Option<(u32, Fault)> {
    let second = |seconds: f64| Duration::from_secs_f64(seconds);
    Some(match random.random_range(0..100) {
        0..7 => (1, Fault::DropAfter),
        7..10 => (1, Fault::DropBefore),
        // Longer than the service's timeout.
        10..13 => (1, Fault::Hold(Span::between(second(10.5), second(12.0)))),
        13..22 => (2, Fault::Hold(Span::between(second(0.2), second(2.0)))),
        22..27 => (2, Fault::Delay(Span::between(second(0.1), second(1.0)))),
        27..32 => (1, Fault::RespondAfter(Refusal::status(500))),
        32..35 => (1, Fault::Respond(Refusal::status(503))),
        35..40 => (2, Fault::Respond(Refusal::too_many(1))),
        40..43 => (1, Fault::Deliver { status: "undelivered".to_owned(), error_code: Some(30_003) }),
        _ => return None,
    })
}
