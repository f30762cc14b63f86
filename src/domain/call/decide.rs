//! The entry point for reports of calls: every report goes through it.

use chrono::{DateTime, Utc};

use super::dialling::{DialResult, rings_for};
use super::state::{Call, CallStatus, SettledBy};
use crate::domain::conversation::{AnsweredCall, CallData, Event, EventData, MissedCall, Policy, call_id};
use crate::domain::phone::PhoneNumber;

/// The `dial_status` of a call of which Twilio reports neither an end nor a leg to the owner's phone.
const NO_RESULT: &str = "no_result";

/// A report of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum CallInput {
    /// Twilio's first webhook.
    Ringing(Ringing),
    /// A screened phone has taken the call.
    Accepted(Acceptance),
    /// The result of the dialling.
    Dialled(DialReport),
    /// The call is over, which says nothing about the dialling.
    Ended(EndReport),
    /// The result of the dialling has not come, and Twilio was asked about the leg to the owner's phone.
    Asked(LegReport),
    /// The call was found at Twilio after a restore of the database.
    Recovered(RecoveredCall),
}

impl CallInput {
    pub fn call_sid(&self) -> &str {
        match self {
            Self::Ringing(ringing) => &ringing.call_sid,
            Self::Accepted(acceptance) => &acceptance.call_sid,
            Self::Dialled(report) => &report.call_sid,
            Self::Ended(report) => &report.call_sid,
            Self::Asked(report) => &report.call_sid,
            Self::Recovered(found) => &found.leg.call_sid,
        }
    }

    /// The number called, if the report names it.
    pub fn business_phone(&self) -> Option<&PhoneNumber> {
        match self {
            Self::Ringing(ringing) => Some(&ringing.business_phone),
            Self::Dialled(report) => report.business_phone.as_ref(),
            Self::Ended(report) => report.business_phone.as_ref(),
            Self::Accepted(_) | Self::Asked(_) => None,
            Self::Recovered(found) => Some(&found.business_phone),
        }
    }

    /// The account that signed the report: the business's own, or `None` for the main account. Twilio's answers are
    /// not signed.
    fn own_account(&self) -> Option<&Option<String>> {
        match self {
            Self::Ringing(ringing) => Some(&ringing.own_account),
            Self::Dialled(report) => Some(&report.own_account),
            Self::Ended(report) => Some(&report.own_account),
            Self::Accepted(_) | Self::Asked(_) => None,
            Self::Recovered(found) => Some(&found.own_account),
        }
    }

    /// The caller, if reported.
    pub fn customer(&self) -> Option<&PhoneNumber> {
        match self {
            Self::Ringing(ringing) => ringing.customer.as_ref(),
            Self::Dialled(report) => report.customer.as_ref(),
            Self::Ended(report) => report.customer.as_ref(),
            Self::Accepted(_) | Self::Asked(_) => None,
            Self::Recovered(found) => found.customer.as_ref(),
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
    /// Why the edge did not dial; `None` if it did.
    pub not_dialled: Option<String>,
    /// How many phones may ring, one after the other.
    pub phones: u32,
    /// Whether each of them is asked for a key before it is connected.
    pub screened: bool,
    /// `StirVerstat`, if Twilio sends it.
    pub stir_verstat: Option<String>,
    /// The business's own Twilio account that received the call, or `None` for the main account.
    pub own_account: Option<String>,
    /// When the edge received it.
    pub received_at: DateTime<Utc>,
}

/// A key pressed on a screened phone, by which a person takes the call.
#[derive(Debug, Clone, PartialEq)]
pub struct Acceptance {
    /// The caller's call.
    pub call_sid: String,
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
    /// `DialCallStatus`.
    pub dial_status: String,
    /// `DialBridged`, if present.
    pub bridged: Option<bool>,
    /// Whether the phone was asked for a key before it was connected.
    pub screened: bool,
    /// The length of the call in seconds, once connected.
    pub duration_seconds: Option<i32>,
    /// The business's own Twilio account that received the call, or `None` for the main account.
    pub own_account: Option<String>,
    /// When the edge received it.
    pub received_at: DateTime<Utc>,
}

impl DialReport {
    /// Whether something answered: `completed` (or its older name `answered`), unless Twilio reports that the two were
    /// never connected. Without screening it counts as a person.
    fn was_connected(&self) -> bool {
        DialResult { dial_status: &self.dial_status, bridged: self.bridged, call_status: None }.was_connected()
    }
}

/// Twilio's report that a call is over, without a result of the dialling.
#[derive(Debug, Clone, PartialEq)]
pub struct EndReport {
    pub call_sid: String,
    /// The caller, if the report contains it.
    pub customer: Option<PhoneNumber>,
    /// The called number, if the report contains it.
    pub business_phone: Option<PhoneNumber>,
    /// The terminal `CallStatus`.
    pub call_status: String,
    /// The business's own Twilio account that received the call, or `None` for the main account.
    pub own_account: Option<String>,
    /// When the edge received it.
    pub received_at: DateTime<Utc>,
}

/// How the leg to the owner's phone ended, as Twilio says when it is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct LegReport {
    pub call_sid: String,
    /// The status of the leg. `None` if there is no leg, or Twilio cannot tell.
    pub leg_status: Option<String>,
    /// How long the leg lasted, in seconds.
    pub duration_seconds: Option<i32>,
    /// When Twilio was asked.
    pub asked_at: DateTime<Utc>,
}

impl LegReport {
    /// Whether something answered: the owner's phone was connected for some time.
    fn answered(&self) -> bool {
        self.leg_status.as_deref() == Some("completed") && self.duration_seconds.is_some_and(|seconds| seconds > 0)
    }
}

/// A call that was found at Twilio after a restore of the database.
#[derive(Debug, Clone, PartialEq)]
pub struct RecoveredCall {
    /// How the leg to the owner's phone ended; the call's own status if nobody was dialled.
    pub leg: LegReport,
    /// The caller; `None` if the number is withheld.
    pub customer: Option<PhoneNumber>,
    pub business_phone: PhoneNumber,
    /// The business's own Twilio account that received the call, or `None` for the main account.
    pub own_account: Option<String>,
    /// When it began.
    pub began_at: DateTime<Utc>,
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
    policy: &Policy,
    business_id: &str,
    state: Option<&Call>,
    input: &CallInput,
    may_text: bool,
    now: DateTime<Utc>,
) -> Option<CallDecision> {
    let mut decision = start(business_id, state, input, now)?;
    if let Some(account) = input.own_account() {
        decision.call.own_account.clone_from(account);
    }
    if let CallInput::Ringing(Ringing { stir_verstat: Some(verstat), .. }) = input {
        decision.call.stir_verstat = Some(verstat.clone());
    }
    match input {
        CallInput::Ringing(Ringing { not_dialled: Some(why), received_at, .. }) => {
            let end = End { dial_status: why, answered: false, duration_seconds: None, at: *received_at };
            settle(&mut decision, &end, SettledBy::NotDialled, may_text);
        }
        CallInput::Ringing(ringing) => rings(policy, &mut decision.call, ringing),
        CallInput::Accepted(acceptance) => accept(&mut decision, acceptance, may_text),
        CallInput::Dialled(report) => dialled(policy, &mut decision, report, may_text),
        CallInput::Ended(report) => {
            let call = &mut decision.call;
            // The length of a call includes the time that it rang, so that only the dialling shows whether anybody
            // talked.
            if call.status == CallStatus::Ringing && call.ended_at.is_none() {
                call.dial_status = Some(report.call_status.clone());
                call.ended_at = Some(report.received_at);
                call.settle_at = Some(report.received_at + policy.call_result_wait);
            }
        }
        CallInput::Asked(report) | CallInput::Recovered(RecoveredCall { leg: report, .. }) => {
            let known = report.leg_status.clone().or_else(|| decision.call.dial_status.clone());
            let dial_status = known.as_deref().unwrap_or(NO_RESULT);
            // A screened phone that answered without a key is a voicemail.
            let answered = report.answered() && decision.call.may_count_as_answered();
            let at = decision.call.ended_at.unwrap_or(report.asked_at);
            let duration_seconds = report.duration_seconds.filter(|_| answered);
            settle(&mut decision, &End { dial_status, answered, duration_seconds, at }, SettledBy::Leg, may_text);
            if let Some(missed) = &mut decision.missed {
                missed.recovered = matches!(input, CallInput::Recovered(_));
            }
        }
    }
    correct_what_was_taken_for_a_person(&mut decision, may_text, now);
    decision.changed = state != Some(&decision.call) || !decision.events.is_empty();
    Some(decision)
}

fn start(business_id: &str, state: Option<&Call>, input: &CallInput, now: DateTime<Utc>) -> Option<CallDecision> {
    let fresh = |call: Call| CallDecision { call, changed: false, events: Vec::new(), missed: None, answered: None };
    if let Some(call) = state {
        return Some(fresh(call.clone()));
    }
    let received_at = match input {
        CallInput::Ringing(ringing) => ringing.received_at,
        CallInput::Accepted(acceptance) => acceptance.received_at,
        CallInput::Dialled(report) => report.received_at,
        CallInput::Ended(report) => report.received_at,
        CallInput::Asked(report) => report.asked_at,
        CallInput::Recovered(found) => found.began_at,
    };
    let call = Call {
        id: call_id(input.call_sid()),
        call_sid: input.call_sid().to_owned(),
        business_id: business_id.to_owned(),
        conversation_id: None,
        customer_phone: input.customer().cloned(),
        business_phone: input.business_phone()?.clone(),
        status: CallStatus::Ringing,
        dial_status: None,
        settled_by: None,
        settle_at: None,
        own_account: None,
        stir_verstat: None,
        screened: false,
        accepted_at: None,
        duration_seconds: None,
        created_at: received_at.min(now),
        ended_at: None,
        version: 0,
        event_sequence: 0,
    };
    let mut decision = fresh(call);
    emit(&mut decision, EventData::CallReceived);
    Some(decision)
}

fn rings(policy: &Policy, call: &mut Call, ringing: &Ringing) {
    if call.status == CallStatus::Ringing {
        call.screened = ringing.screened;
        let rings_for = rings_for(policy.dial_timeout, ringing.phones, ringing.screened);
        call.settle_at.get_or_insert(ringing.received_at + rings_for + policy.call_result_wait);
    } else if call.settled_by == Some(SettledBy::Leg) {
        call.screened |= ringing.screened;
    }
}

/// If Twilio was asked before any report said that the call is screened, a phone that answered was taken for a person.
/// Without the key it was none, and the caller gets the text.
fn correct_what_was_taken_for_a_person(decision: &mut CallDecision, may_text: bool, now: DateTime<Utc>) {
    let call = &decision.call;
    if call.status == CallStatus::Answered && !call.may_count_as_answered() {
        let (at, dial_status) = (call.ended_at.unwrap_or(now), call.dial_status.clone().unwrap_or_default());
        let end = End { dial_status: &dial_status, answered: false, duration_seconds: None, at };
        conclude(decision, &end, SettledBy::Leg, may_text);
    }
}

/// A person has pressed the key. Whether the two were connected is for the result of the dialling to say, which may be known
/// already, or for Twilio if it is asked; if Twilio was asked before the key was known, a voicemail was concluded, and that
/// is corrected.
fn accept(decision: &mut CallDecision, acceptance: &Acceptance, may_text: bool) {
    let call = &mut decision.call;
    if call.accepted_at.is_some() {
        return;
    }
    call.screened = true;
    call.accepted_at = Some(acceptance.received_at);
    let by = match (call.status, call.duration_seconds) {
        // The connected result waits for the key.
        (CallStatus::Ringing, Some(_)) => SettledBy::DialResult,
        (CallStatus::Ringing, None) => return,
        _ if call.settled_by == Some(SettledBy::Leg) && call.dial_status.as_deref() == Some("completed") => {
            call.duration_seconds = None;
            SettledBy::Leg
        }
        _ => return,
    };
    let (at, duration_seconds) = (call.ended_at.unwrap_or(acceptance.received_at), call.duration_seconds);
    let dial_status = call.dial_status.clone().unwrap_or_default();
    conclude(decision, &End { dial_status: &dial_status, answered: true, duration_seconds, at }, by, may_text);
}

/// A screened phone that answered counts only with the key. Both come by webhooks of their own, in either order: without
/// the key the result waits for it as long as for any missing report, and then Twilio is asked.
fn dialled(policy: &Policy, decision: &mut CallDecision, report: &DialReport, may_text: bool) {
    let (connected, at) = (report.was_connected(), report.received_at);
    let call = &mut decision.call;
    call.screened = report.screened;
    if connected && !call.may_count_as_answered() {
        if call.status == CallStatus::Ringing {
            call.dial_status = Some(report.dial_status.clone());
            call.duration_seconds = Some(report.duration_seconds.unwrap_or_default());
            call.ended_at = Some(at);
            call.settle_at = Some(at + policy.call_result_wait);
        }
        return;
    }
    let duration_seconds = report.duration_seconds.filter(|_| connected);
    let end = End { dial_status: &report.dial_status, answered: connected, duration_seconds, at };
    settle(decision, &end, SettledBy::DialResult, may_text);
}

/// How a call ended.
struct End<'a> {
    dial_status: &'a str,
    answered: bool,
    duration_seconds: Option<i32>,
    at: DateTime<Utc>,
}

/// The first word on how a call ended stands, except that a result of the dialling corrects what was concluded without
/// it.
fn settle(decision: &mut CallDecision, end: &End<'_>, by: SettledBy, may_text: bool) {
    let corrects = by == SettledBy::DialResult && decision.call.settled_by == Some(SettledBy::Leg);
    if decision.call.status == CallStatus::Ringing || corrects {
        conclude(decision, end, by, may_text);
    }
}

/// Ends the call, whatever was concluded before.
fn conclude(decision: &mut CallDecision, end: &End<'_>, by: SettledBy, may_text: bool) {
    let was = decision.call.status;
    let call = &mut decision.call;
    call.status = if end.answered { CallStatus::Answered } else { CallStatus::Missed };
    call.dial_status = Some(end.dial_status.to_owned());
    call.duration_seconds = if end.answered { end.duration_seconds } else { Some(0) };
    call.ended_at = Some(end.at);
    call.settled_by = Some(by);
    call.settle_at = None;
    if call.status == was {
        return;
    }
    let caller = call.customer_phone.clone().filter(|_| may_text);
    if end.answered {
        decision.answered = caller.map(|customer| AnsweredCall {
            call_sid: decision.call.call_sid.clone(),
            customer,
            business_phone: decision.call.business_phone.clone(),
        });
        emit(decision, EventData::CallAnswered);
        return;
    }
    match caller {
        Some(customer) => {
            decision.missed = Some(MissedCall {
                call_id: decision.call.id,
                call_sid: decision.call.call_sid.clone(),
                dial_status: end.dial_status.to_owned(),
                customer,
                business_phone: decision.call.business_phone.clone(),
                own_account: decision.call.own_account.clone(),
                verification_failed: decision.call.verification_failed(),
                recovered: false,
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
