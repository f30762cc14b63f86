//! What is recorded about the calls of the phones.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::super::legs::{Leg, ListedCall};
use super::super::state::State;

/// A call to or from a phone: the call of a customer, the leg that a `<Dial>` rings, or a call that the server placed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PhoneCall {
    /// `CA…`.
    pub call_sid: String,
    /// The customer's call for which this leg was dialled.
    pub parent_call_sid: Option<String>,
    /// The account.
    pub account_sid: String,
    /// `inbound`, `outbound-dial` or `outbound-api`.
    pub direction: &'static str,
    /// The calling number.
    pub from: String,
    /// The number that is called.
    pub to: String,
    /// `queued`, `ringing`, `in-progress`, `completed`, `no-answer`, `busy`, `failed` or `canceled`.
    pub status: String,
    /// What was said to it, in order; a busy signal is `(busy)`.
    pub heard: Vec<String>,
    /// The keys that it has pressed.
    pub pressed: String,
    /// Whether it was connected to the other side.
    pub bridged: bool,
    /// When it began.
    pub began_at: DateTime<Utc>,
    /// When it was answered.
    pub answered_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// How long it was connected, in seconds of the phones.
    pub duration_seconds: u32,
    /// The error that Twilio would have logged, such as 11200 if a document could not be read.
    pub error: Option<u32>,
}

impl PhoneCall {
    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.ended_at.is_some()
    }
}

/// A document that Twilio would refuse, or a part of one that it would not play.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TwimlFault {
    /// The call.
    pub call_sid: String,
    /// The URL that the document came from.
    pub url: String,
    /// What is wrong with it.
    pub reason: String,
    /// The document.
    pub twiml: String,
}

/// Records a call that begins.
pub(super) fn begin(state: &State, call: PhoneCall) {
    list(state, &call);
    state.phones.calls.push(call);
}

/// Changes a call, and shows it in the lists as it is then.
pub(super) fn change(state: &State, call_sid: &str, change: impl FnOnce(&mut PhoneCall)) {
    let changed = state.phones.calls.change(|all| {
        let call = all.iter_mut().rev().find(|call| call.call_sid == call_sid)?;
        change(call);
        Some(call.clone())
    });
    if let Some(call) = changed {
        list(state, &call);
    }
}

/// A call, by its id.
pub(super) fn of(state: &State, call_sid: &str) -> Option<PhoneCall> {
    state.phones.calls.shared().iter().rev().find(|call| call.call_sid == call_sid).cloned()
}

fn list(state: &State, call: &PhoneCall) {
    match &call.parent_call_sid {
        Some(parent) => state.set_leg(Leg {
            parent_call_sid: parent.clone(),
            call_sid: call.call_sid.clone(),
            status: call.status.clone(),
            duration_seconds: call.duration_seconds,
        }),
        None => state.set_call(ListedCall {
            account_sid: call.account_sid.clone(),
            sid: call.call_sid.clone(),
            from: call.from.clone(),
            to: call.to.clone(),
            status: call.status.clone(),
            direction: call.direction,
            duration_seconds: call.is_over().then_some(call.duration_seconds),
            began_at: call.began_at,
        }),
    }
}
