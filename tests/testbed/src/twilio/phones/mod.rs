//! Simulated phones: calls are played by an interpreter of TwiML, with phones that answer, press keys, stay silent, are
//! busy or ring out.
//!
//! In: calls of customers ([`TwilioSim::ring`](super::TwilioSim::ring)), and calls that the server under test places
//! (`POST …/Calls.json`). Out: the requests of Twilio for the server's TwiML, each signed, with the results of its dials and
//! gathers, and the status callbacks. A document that Twilio would refuse ends its call, and is recorded: see
//! [`TwilioSim::twiml_faults`](super::TwilioSim::twiml_faults).

mod caller;
mod document;
mod leg;
mod outgoing;
mod play;
mod progress;
mod record;
mod verbs;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

pub(super) use caller::ring;
pub use caller::{CustomerCall, PlayedCall};
pub(super) use outgoing::{create, fetch};
pub use record::{PhoneCall, TwimlFault};

use crate::sim::{Journal, lock};

/// How a phone behaves when it is called. In JSON: the variant's name in snake case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Behaviour {
    /// A person answers, presses these keys as they are asked for them, and talks.
    Presses(String),
    /// A person answers and presses nothing.
    IsSilent,
    /// A voicemail answers, talks for long, and presses nothing.
    Voicemail,
    /// The line is busy, as with a second call.
    Busy,
    /// A person declines the call.
    Rejects,
    /// Nobody answers.
    #[default]
    RingsOut,
    /// A person answers and hangs up at once.
    HangsUp,
    /// The number does not exist.
    Unreachable,
}

/// A phone. Times are in seconds of the phones, see [`Options::second`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Phone {
    /// What it does.
    pub behaviour: Behaviour,
    /// For how long it rings before it answers, is declined, or is busy.
    pub rings_for: f64,
    /// For how long a person who answered stays; a voicemail stays for three minutes.
    pub talks_for: f64,
}

impl Default for Phone {
    fn default() -> Self {
        Self { behaviour: Behaviour::default(), rings_for: 3.0, talks_for: 30.0 }
    }
}

impl From<Behaviour> for Phone {
    fn from(behaviour: Behaviour) -> Self {
        Self { behaviour, ..Self::default() }
    }
}

/// What Twilio does in cases that its documentation leaves open, and how fast time passes for the phones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long a second of the phones takes. Default: a second.
    pub second: Duration,
    /// `DialCallStatus` of a leg that answered and was hung up by the document of its `<Number url>`. Default: `completed`.
    pub unbridged_status: &'static str,
    /// Whether a dial's result has `DialBridged`. Default: yes.
    pub tells_bridged: bool,
    /// Whether a dial's result reaches the server. Default: yes.
    pub tells_result: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { second: Duration::from_secs(1), unbridged_status: "completed", tells_bridged: true, tells_result: true }
    }
}

/// The phones and their calls.
#[derive(Default)]
pub(super) struct Phones {
    /// What each phone does in its next calls; the last entry stays.
    scripts: Mutex<HashMap<String, VecDeque<Phone>>>,
    options: Mutex<Options>,
    calls: Journal<PhoneCall>,
    faults: Journal<TwimlFault>,
    /// When the last call was placed, by account.
    placed: Mutex<HashMap<String, Instant>>,
}

impl Phones {
    pub(super) fn set(&self, number: &str, script: impl IntoIterator<Item = Phone>) {
        lock(&self.scripts).insert(number.to_owned(), script.into_iter().collect());
    }

    pub(super) fn set_options(&self, options: Options) {
        *lock(&self.options) = options;
    }

    pub(super) fn calls(&self) -> &Journal<PhoneCall> {
        &self.calls
    }

    pub(super) fn faults(&self) -> Vec<TwimlFault> {
        self.faults.snapshot()
    }

    pub(super) fn take_faults(&self) -> Vec<TwimlFault> {
        self.faults.change(std::mem::take)
    }

    pub(super) fn clear(&self) {
        self.calls.clear();
    }

    fn options(&self) -> Options {
        lock(&self.options).clone()
    }

    /// What the phone does in the call that begins now.
    fn pick_up(&self, number: &str) -> Phone {
        let mut scripts = lock(&self.scripts);
        let Some(script) = scripts.get_mut(number) else { return Phone::default() };
        let next = if script.len() > 1 { script.pop_front() } else { script.front().cloned() };
        next.unwrap_or_default()
    }

    /// This many seconds of the phones.
    fn seconds(&self, count: f64) -> Duration {
        lock(&self.options).second.mul_f64(count.max(0.0))
    }

    /// How many seconds of the phones have passed, rounded up.
    fn seconds_since(&self, then: Instant) -> u32 {
        let second = lock(&self.options).second.as_secs_f64().max(f64::MIN_POSITIVE);
        // A call has far fewer seconds than fit.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let count = (then.elapsed().as_secs_f64() / second).ceil() as u32;
        count
    }
}
