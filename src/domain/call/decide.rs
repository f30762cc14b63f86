//! The entry point for reports of calls: every report goes through it.

use chrono::{DateTime, Utc};

use super::state::{Call, CallStatus};
use crate::domain::conversation::{AnsweredCall, CallData, Event, EventData, MissedCall, call_id};
use crate::domain::phone::PhoneNumber;

/// A report of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum CallInput {
    /// Twilio's first webhook, or a later one on the same path.
    Ringing(Ringing),
    /// The result of the dialling.
    Dialled(DialReport),
}

impl CallInput {
    pub fn call_sid(&self) -> &str {
        match self {
            Self::Ringing(ringing) => &ringing.call_sid,
            Self::Dialled(report) => &report.call_sid,
        }
    }

    /// The number called, if the report names it.
    pub fn business_phone(&self) -> Option<&PhoneNumber> {
        match self {
            Self::Ringing(ringing) => Some(&ringing.business_phone),
            Self::Dialled(report) => report.business_phone.as_ref(),
        }
    }

    /// The business's own Twilio account that received the call, or `None` for the main account.
    fn own_account(&self) -> Option<&String> {
        match self {
            Self::Ringing(ringing) => ringing.own_account.as_ref(),
            Self::Dialled(report) => report.own_account.as_ref(),
        }
    }

    /// The caller, if reported.
    pub fn customer(&self) -> Option<&PhoneNumber> {
        match self {
            Self::Ringing(ringing) => ringing.customer.as_ref(),
            Self::Dialled(report) => report.customer.as_ref(),
        }
    }
}

/// Twilio's webhook for an incoming call.
#[derive(Debug, Clone, PartialEq)]
pub struct Ringing {
    pub call_sid: String,
    /// The caller; `None` if the number is withheld.
    pub customer: Option<PhoneNumber>,
    pub business_phone: PhoneNumber,
    /// The terminal `CallStatus`, if the call has ended without a Dial result.
    pub ended_as: Option<String>,
    /// The business's own Twilio account that received the call, or `None` for the main account.
    pub own_account: Option<String>,
    /// When the edge received it.
    pub received_at: DateTime<Utc>,
}

/// Twilio's report of the result of the dialling.
#[derive(Debug, Clone, PartialEq)]
pub struct DialReport {
    pub call_sid: String,
    /// The caller, if the report contains it.
    pub customer: Option<PhoneNumber>,
    /// The called number, if the report contains it.
    pub business_phone: Option<PhoneNumber>,
    /// `DialCallStatus`, or the call's own terminal status if Twilio sends no `DialCallStatus`.
    pub dial_status: String,
    /// `DialBridged`, if present.
    pub bridged: Option<bool>,
    /// The length of the call in seconds, once connected.
    pub duration_seconds: Option<i32>,
    /// The business's own Twilio account that received the call, or `None` for the main account.
    pub own_account: Option<String>,
    /// When the edge received it.
    pub received_at: DateTime<Utc>,
}

impl DialReport {
    /// Whether a person answered: `completed` (or its older name `answered`), unless Twilio reports that the two were
    /// never connected.
    fn answered(&self) -> bool {
        matches!(self.dial_status.as_str(), "completed" | "answered") && self.bridged != Some(false)
    }
}

/// The decision on a report of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct CallDecision {
    /// The new state of the call.
    pub call: Call,
    /// Whether there is anything to write.
    pub changed: bool,
    /// Events of the call itself.
    pub events: Vec<Event>,
    /// The missed call, if it becomes an input of the caller's conversation.
    pub missed: Option<MissedCall>,
    /// The answered call, if it becomes an input of the caller's conversation.
    pub answered: Option<AnsweredCall>,
}

/// Applies a report to the call.
///
/// `may_text` says whether the caller may get a text: not the business itself, and not its owner. Returns `None` if the
/// report contains no called number and there is no call record yet: the input must be retried.
pub fn decide(
    business_id: &str,
    state: Option<&Call>,
    input: &CallInput,
    may_text: bool,
    now: DateTime<Utc>,
) -> Option<CallDecision> {
    let mut decision = start(business_id, state, input, now)?;
    match input {
        CallInput::Ringing(ringing) => {
            if let Some(ended_as) = &ringing.ended_as {
                missed(&mut decision, ended_as, may_text, ringing.received_at);
            }
        }
        CallInput::Dialled(report) if report.answered() => answered(&mut decision, report, may_text),
        CallInput::Dialled(report) => missed(&mut decision, &report.dial_status, may_text, report.received_at),
    }
    if let Some(missed) = decision.missed.as_mut() {
        missed.own_account = input.own_account().cloned();
    }
    decision.changed = state != Some(&decision.call) || !decision.events.is_empty();
    Some(decision)
}

fn start(business_id: &str, state: Option<&Call>, input: &CallInput, now: DateTime<Utc>) -> Option<CallDecision> {
    let (call_sid, customer, business_phone, at) = match input {
        CallInput::Ringing(r) => (&r.call_sid, r.customer.clone(), Some(r.business_phone.clone()), r.received_at),
        CallInput::Dialled(d) => (&d.call_sid, d.customer.clone(), d.business_phone.clone(), d.received_at),
    };
    let fresh = |call: Call| CallDecision { call, changed: false, events: Vec::new(), missed: None, answered: None };
    if let Some(call) = state {
        return Some(fresh(call.clone()));
    }
    let call = Call {
        id: call_id(call_sid),
        call_sid: call_sid.clone(),
        business_id: business_id.to_owned(),
        conversation_id: None,
        customer_phone: customer,
        business_phone: business_phone?,
        status: CallStatus::Ringing,
        dial_status: None,
        duration_seconds: None,
        created_at: at.min(now),
        ended_at: None,
        version: 0,
        event_sequence: 0,
    };
    let mut decision = fresh(call);
    emit(&mut decision, EventData::CallReceived);
    Some(decision)
}

fn answered(decision: &mut CallDecision, report: &DialReport, may_text: bool) {
    if decision.call.status != CallStatus::Ringing {
        return;
    }
    decision.call.status = CallStatus::Answered;
    decision.call.dial_status = Some(report.dial_status.clone());
    decision.call.duration_seconds = report.duration_seconds;
    decision.call.ended_at = Some(report.received_at);
    let caller = decision.call.customer_phone.clone().filter(|_| may_text);
    decision.answered = caller.map(|customer| AnsweredCall {
        call_sid: decision.call.call_sid.clone(),
        customer,
        business_phone: decision.call.business_phone.clone(),
    });
    emit(decision, EventData::CallAnswered);
}

/// The first report of the end of a call counts: Twilio reports the end of the whole call after that of the dialling.
fn missed(decision: &mut CallDecision, dial_status: &str, may_text: bool, at: DateTime<Utc>) {
    if decision.call.status != CallStatus::Ringing {
        return;
    }
    decision.call.status = CallStatus::Missed;
    decision.call.dial_status = Some(dial_status.to_owned());
    decision.call.duration_seconds = Some(0);
    decision.call.ended_at = Some(at);
    let caller = decision.call.customer_phone.clone().filter(|_| may_text);
    match caller {
        Some(customer) => {
            decision.missed = Some(MissedCall {
                call_id: decision.call.id,
                call_sid: decision.call.call_sid.clone(),
                dial_status: dial_status.to_owned(),
                customer,
                business_phone: decision.call.business_phone.clone(),
                own_account: None,
            });
        }
        None => emit(decision, EventData::CallMissed),
    }
}

fn emit(decision: &mut CallDecision, event: fn(CallData) -> EventData) {
    decision.call.event_sequence += 1;
    let call = &decision.call;
    let data = event(CallData {
        call_id: call.id,
        call_sid: call.call_sid.clone(),
        business_phone: call.business_phone.to_string(),
        dial_status: call.dial_status.clone(),
        duration_seconds: call.duration_seconds,
    });
    decision.events.push(Event { sequence: decision.call.event_sequence, data });
}
