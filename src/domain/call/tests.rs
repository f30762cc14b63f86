//! The rules of a call, as case tables.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rstest::rstest;

use super::decide::CallDecision;
use super::*;
use crate::domain::conversation::{Policy, call_id};
use crate::domain::day_limits::DayLimits;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::seconds(seconds)
}

/// The rules' time limits, of which a call needs two.
fn policy() -> Policy {
    let none = Duration::ZERO;
    Policy {
        hold: none,
        quiet: none,
        max: none,
        ai_max_replies: 0,
        ai_max_period: none,
        fallback_every: none,
        missed_call_cooldown: none,
        reopen_within: none,
        idle_after: none,
        alert_every: none,
        dial_timeout: Duration::from_secs(20),
        call_result_wait: Duration::from_secs(15),
        day_limits: DayLimits { texts: 1_000, new_numbers: 1_000, ai: 1_000, alerts: 1_000 },
        public_url: String::new(),
    }
}

fn decide(
    business_id: &str,
    state: Option<&Call>,
    input: &CallInput,
    may_text: bool,
    now: DateTime<Utc>,
) -> Option<CallDecision> {
    super::decide(&policy(), business_id, state, input, may_text, now)
}

fn ringing(not_dialled: Option<&str>) -> CallInput {
    CallInput::Ringing(Ringing {
        call_sid: "CA1".into(),
        customer: Some("+12125551234".parse().unwrap()),
        business_phone: "+15555551111".parse().unwrap(),
        not_dialled: not_dialled.map(str::to_owned),
        phones: 1,
        screened: false,
        stir_verstat: None,
        own_account: Some("AC2".into()),
        received_at: at(0),
    })
}

fn dialled(dial_status: &str, bridged: Option<bool>) -> CallInput {
    CallInput::Dialled(DialReport {
        call_sid: "CA1".into(),
        customer: None,
        business_phone: None,
        dial_status: dial_status.into(),
        bridged,
        screened: false,
        duration_seconds: Some(42),
        own_account: Some("AC2".into()),
        received_at: at(20),
    })
}

fn ended(call_status: &str) -> CallInput {
    CallInput::Ended(EndReport {
        call_sid: "CA1".into(),
        customer: Some("+12125551234".parse().unwrap()),
        business_phone: Some("+15555551111".parse().unwrap()),
        call_status: call_status.into(),
        own_account: Some("AC2".into()),
        received_at: at(60),
    })
}

fn asked(leg_status: Option<&str>, seconds: Option<i32>) -> CallInput {
    CallInput::Asked(LegReport {
        call_sid: "CA1".into(),
        leg_status: leg_status.map(str::to_owned),
        duration_seconds: seconds,
        asked_at: at(75),
    })
}

fn after(call: &Call, input: &CallInput) -> Call {
    decide("b1", Some(call), input, true, at(80)).unwrap().call
}

fn event_types(decision: &CallDecision) -> Vec<&'static str> {
    decision.events.iter().map(|event| event.data.event_type().as_str()).collect()
}

fn rung() -> Call {
    decide("b1", None, &ringing(None), true, at(0)).unwrap().call
}

#[test]
fn a_ringing_call_is_recorded() {
    let decision = decide("b1", None, &ringing(None), true, at(0)).unwrap();
    assert_eq!(event_types(&decision), ["call.received"]);
    assert_eq!((decision.call.id, decision.call.status), (call_id("CA1"), CallStatus::Ringing));
    assert!(decision.missed.is_none());
}

#[rstest]
#[case::no_answer("no-answer", None, CallStatus::Missed)]
#[case::busy("busy", None, CallStatus::Missed)]
#[case::failed("failed", None, CallStatus::Missed)]
#[case::the_caller_hung_up_first("canceled", None, CallStatus::Missed)]
#[case::completed("completed", None, CallStatus::Answered)]
#[case::an_older_word_for_it("answered", None, CallStatus::Answered)]
#[case::completed_and_connected("completed", Some(true), CallStatus::Answered)]
#[case::completed_but_never_connected("completed", Some(false), CallStatus::Missed)]
fn a_call_ends_answered_or_missed(#[case] word: &str, #[case] bridged: Option<bool>, #[case] ends: CallStatus) {
    let decision = decide("b1", Some(&rung()), &dialled(word, bridged), true, at(20)).unwrap();
    assert_eq!(decision.call.status, ends);
    assert_eq!(decision.call.dial_status.as_deref(), Some(word));
    assert_eq!(decision.missed.is_some(), ends == CallStatus::Missed);
    assert_eq!(event_types(&decision), if ends == CallStatus::Answered { vec!["call.answered"] } else { vec![] });
    assert_eq!(decision.call.ended_at, Some(at(20)));
}

#[rstest]
#[case::missed_stands("no-answer", "completed", CallStatus::Missed)]
#[case::answered_stands("completed", "no-answer", CallStatus::Answered)]
fn the_first_word_on_how_a_call_ended_stands(#[case] first: &str, #[case] second: &str, #[case] ends: CallStatus) {
    let call = decide("b1", Some(&rung()), &dialled(first, None), true, at(20)).unwrap().call;
    let again = decide("b1", Some(&call), &dialled(second, None), true, at(21)).unwrap();
    assert_eq!((again.call.status, again.changed), (ends, false));
    assert!(again.missed.is_none());
}

/// Twilio's status of the call says nothing about the dialling, and its length includes the ringing.
#[rstest]
#[case::completed("completed")]
#[case::busy("busy")]
#[case::no_answer("no-answer")]
#[case::canceled("canceled")]
fn the_end_of_a_call_alone_settles_nothing_and_the_dial_result_decides(#[case] word: &str) {
    for (result, expected) in [("completed", CallStatus::Answered), ("no-answer", CallStatus::Missed)] {
        let decision = decide("b1", Some(&rung()), &ended(word), true, at(60)).unwrap();
        assert!(decision.missed.is_none() && decision.answered.is_none() && decision.events.is_empty());
        let call = decision.call;
        assert_eq!((call.status, call.settle_at, call.ended_at), (CallStatus::Ringing, Some(at(75)), Some(at(60))));
        let settled = after(&call, &dialled(result, None));
        assert_eq!((settled.status, settled.settle_at), (expected, None));
        assert_eq!(settled.settled_by, Some(SettledBy::DialResult));
    }
}

#[test]
fn a_call_whose_result_never_comes_is_asked_about_after_it_has_rung_and_some_time_more() {
    assert_eq!(rung().settle_at, Some(at(35)));
    let first = decide("b1", None, &ended("completed"), true, at(60)).unwrap().call;
    assert_eq!(first.settle_at, Some(at(75)), "the first report of a call may be of its end");
    assert_eq!(after(&first, &ringing(None)).settle_at, Some(at(75)));
}

#[rstest]
#[case::talked(Some("completed"), Some(42), CallStatus::Answered)]
#[case::hung_up_at_once(Some("completed"), Some(0), CallStatus::Missed)]
#[case::not_answered(Some("no-answer"), None, CallStatus::Missed)]
#[case::no_leg(None, None, CallStatus::Missed)]
fn without_a_dial_result_the_leg_decides(
    #[case] status: Option<&str>,
    #[case] seconds: Option<i32>,
    #[case] expected: CallStatus,
) {
    let decision = decide("b1", Some(&rung()), &asked(status, seconds), true, at(80)).unwrap();
    let call = &decision.call;
    assert_eq!((call.status, call.settled_by, call.settle_at), (expected, Some(SettledBy::Leg), None));
    assert_eq!((decision.answered.is_some(), decision.missed.is_some()), {
        let is_answered = expected == CallStatus::Answered;
        (is_answered, !is_answered)
    });
    assert_eq!(call.dial_status.as_deref(), Some(status.unwrap_or("no_result")));
    assert_eq!(call.duration_seconds, Some(if expected == CallStatus::Answered { 42 } else { 0 }));
}

/// The leg of an answered call may be over before the caller was connected to it.
#[rstest]
#[case::to_answered(asked(None, None), "completed", Some(true), CallStatus::Answered)]
#[case::to_missed(asked(Some("completed"), Some(3)), "completed", Some(false), CallStatus::Missed)]
fn a_dial_result_that_comes_late_corrects_what_was_concluded_without_it(
    #[case] concluded: CallInput,
    #[case] result: &str,
    #[case] bridged: Option<bool>,
    #[case] expected: CallStatus,
) {
    let call = after(&rung(), &concluded);
    let decision = decide("b1", Some(&call), &dialled(result, bridged), true, at(80)).unwrap();
    assert_eq!(decision.call.status, expected);
    assert_eq!((decision.answered.is_some(), decision.missed.is_some()), {
        let is_answered = expected == CallStatus::Answered;
        (is_answered, !is_answered)
    });
    assert_eq!(after(&decision.call, &asked(Some("completed"), Some(9))), decision.call);
}

#[test]
fn a_dial_result_that_agrees_with_the_leg_tells_nobody_again() {
    let call = after(&rung(), &asked(Some("no-answer"), None));
    let decision = decide("b1", Some(&call), &dialled("busy", None), true, at(80)).unwrap();
    assert!(decision.changed && decision.missed.is_none() && decision.events.is_empty());
    assert_eq!(decision.call.dial_status.as_deref(), Some("busy"));
}

#[test]
fn the_end_of_an_answered_call_changes_nothing() {
    let call = after(&rung(), &dialled("completed", None));
    assert!(!decide("b1", Some(&call), &ended("completed"), true, at(60)).unwrap().changed);
}

#[test]
fn a_caller_who_gets_no_text_is_missed_without_a_conversation() {
    let decision = decide("b1", Some(&rung()), &dialled("no-answer", None), false, at(20)).unwrap();
    assert!(decision.missed.is_none());
    assert_eq!(event_types(&decision), ["call.missed"]);
}

#[test]
fn a_withheld_number_is_recorded_without_it_and_not_texted() {
    let CallInput::Ringing(ringing) = ringing(None) else { panic!("a ringing call") };
    let withheld = CallInput::Ringing(Ringing { customer: None, ..ringing });
    let call = decide("b1", None, &withheld, true, at(0)).unwrap().call;
    assert_eq!(call.customer_phone, None);
    let ended = decide("b1", Some(&call), &dialled("no-answer", None), true, at(20)).unwrap();
    assert!(ended.missed.is_none());
    assert_eq!(event_types(&ended), ["call.missed"]);
}

#[test]
fn a_report_before_its_call_is_taken_if_it_names_the_numbers_and_waits_otherwise() {
    assert!(decide("b1", None, &dialled("no-answer", None), true, at(20)).is_none());
    let CallInput::Dialled(report) = dialled("no-answer", None) else { panic!("a dial report") };
    let named = CallInput::Dialled(DialReport {
        customer: Some("+12125551234".parse().unwrap()),
        business_phone: Some("+15555551111".parse().unwrap()),
        ..report
    });
    let decision = decide("b1", None, &named, true, at(20)).unwrap();
    assert_eq!(event_types(&decision), ["call.received"]);
    assert!(decision.missed.is_some());
}

/// The edge did not dial. It counts as missed once, whatever Twilio later reports about the end of the call.
#[rstest]
#[case::nothing_more(None)]
#[case::busy(Some("busy"))]
#[case::completed(Some("completed"))]
fn a_call_that_was_not_dialled_is_missed_at_once_and_once(#[case] later: Option<&str>) {
    let decision = decide("b1", None, &ringing(Some("forwarded_by_owner")), true, at(0)).unwrap();
    assert_eq!(decision.call.status, CallStatus::Missed);
    assert_eq!(decision.missed.as_ref().map(|missed| missed.dial_status.as_str()), Some("forwarded_by_owner"));
    let Some(word) = later else { return };
    for report in [dialled(word, None), ended(word)] {
        let again = decide("b1", Some(&decision.call), &report, true, at(5)).unwrap();
        assert!(!again.changed && again.missed.is_none());
    }
}

fn screened_ringing() -> CallInput {
    let CallInput::Ringing(ringing) = ringing(None) else { panic!("a ringing call") };
    CallInput::Ringing(Ringing { screened: true, ..ringing })
}

/// The call of a business whose calls are screened.
fn screened() -> Call {
    decide("b1", None, &screened_ringing(), true, at(0)).unwrap().call
}

fn accepted() -> CallInput {
    CallInput::Accepted(Acceptance { call_sid: "CA1".into(), received_at: at(12) })
}

fn screened_result(dial_status: &str, bridged: Option<bool>) -> CallInput {
    let CallInput::Dialled(report) = dialled(dial_status, bridged) else { panic!("a dial report") };
    CallInput::Dialled(DialReport { screened: true, ..report })
}

/// The reports of a screened call in their order, how it ends, and by what. Twilio's answer about the leg is the last, as it
/// is asked only if the call is not settled.
#[rstest]
#[case::with_the_key(vec![accepted(), screened_result("completed", Some(true))], CallStatus::Answered, SettledBy::DialResult)]
#[case::twilio_does_not_say_bridged(
    vec![accepted(), screened_result("completed", None)],
    CallStatus::Answered,
    SettledBy::DialResult
)]
#[case::the_caller_hung_up_meanwhile(
    vec![accepted(), screened_result("completed", Some(false))],
    CallStatus::Missed,
    SettledBy::DialResult
)]
#[case::a_voicemail(vec![screened_result("completed", Some(false))], CallStatus::Missed, SettledBy::DialResult)]
#[case::nobody_answered(vec![screened_result("no-answer", Some(false))], CallStatus::Missed, SettledBy::DialResult)]
#[case::busy_after_a_key_of_another_phone(
    vec![accepted(), screened_result("busy", None)],
    CallStatus::Missed,
    SettledBy::DialResult
)]
#[case::connected_without_a_key(
    vec![screened_result("completed", Some(true)), asked(Some("completed"), Some(42))],
    CallStatus::Missed,
    SettledBy::Leg
)]
#[case::the_key_after_the_result(
    vec![screened_result("completed", Some(true)), accepted()],
    CallStatus::Answered,
    SettledBy::DialResult
)]
#[case::the_key_without_a_result(vec![accepted(), asked(Some("completed"), Some(42))], CallStatus::Answered, SettledBy::Leg)]
#[case::neither(vec![asked(Some("completed"), Some(42))], CallStatus::Missed, SettledBy::Leg)]
#[case::the_key_after_twilio_was_asked(
    vec![asked(Some("completed"), Some(42)), accepted()],
    CallStatus::Answered,
    SettledBy::Leg
)]
#[case::the_result_and_the_key_after_twilio_was_asked(
    vec![asked(Some("completed"), Some(42)), screened_result("completed", None), accepted()],
    CallStatus::Answered,
    SettledBy::Leg
)]
#[case::the_key_and_the_result_after_twilio_was_asked(
    vec![asked(Some("completed"), Some(42)), accepted(), screened_result("completed", Some(false))],
    CallStatus::Missed,
    SettledBy::DialResult
)]
#[case::a_late_key_of_a_phone_that_did_not_answer(
    vec![asked(Some("no-answer"), None), accepted()],
    CallStatus::Missed,
    SettledBy::Leg
)]
#[case::dialled_without_screening_after_all(vec![dialled("completed", None)], CallStatus::Answered, SettledBy::DialResult)]
fn a_screened_call_is_answered_only_with_the_key_in_whatever_order_it_becomes_known(
    #[case] reports: Vec<CallInput>,
    #[case] ends: CallStatus,
    #[case] by: SettledBy,
) {
    let call = reports.iter().fold(screened(), |call, report| after(&call, report));
    assert_eq!((call.status, call.settled_by, call.settle_at), (ends, Some(by), None));
    for report in &reports {
        assert_eq!(after(&call, report).status, ends, "what comes twice changes nothing: {report:?}");
    }
}

#[test]
fn a_result_without_its_key_waits_for_it_and_then_twilio_is_asked() {
    let decision = decide("b1", Some(&screened()), &screened_result("completed", None), true, at(20)).unwrap();
    assert!(decision.missed.is_none() && decision.answered.is_none() && decision.events.is_empty());
    assert_eq!((decision.call.status, decision.call.settle_at), (CallStatus::Ringing, Some(at(35))));
}

#[test]
fn a_late_key_tells_of_the_answered_call_once() {
    let concluded = after(&screened(), &asked(Some("completed"), Some(42)));
    let decision = decide("b1", Some(&concluded), &accepted(), true, at(90)).unwrap();
    assert!(decision.answered.is_some());
    assert_eq!(event_types(&decision), ["call.answered"]);
}

/// The webhook of the ringing call is late, so that Twilio is asked before it is known that the call is screened.
#[rstest]
#[case::a_voicemail(vec![screened_ringing()], CallStatus::Missed)]
#[case::a_voicemail_by_its_result(vec![screened_result("completed", None)], CallStatus::Missed)]
#[case::a_person(vec![accepted(), screened_ringing()], CallStatus::Answered)]
#[case::a_person_whose_key_comes_last(vec![screened_ringing(), accepted()], CallStatus::Answered)]
#[case::a_person_by_the_result(vec![screened_result("completed", Some(true)), accepted()], CallStatus::Answered)]
#[case::no_screening(vec![ringing(None)], CallStatus::Answered)]
fn a_call_that_is_known_as_screened_too_late_is_corrected(#[case] late: Vec<CallInput>, #[case] ends: CallStatus) {
    let early = decide("b1", None, &ended("completed"), true, at(60)).unwrap().call;
    let taken_for_a_person = after(&early, &asked(Some("completed"), Some(42)));
    assert_eq!(taken_for_a_person.status, CallStatus::Answered);
    let call = late.iter().fold(taken_for_a_person, |call, report| after(&call, report));
    assert_eq!((call.status, call.settle_at), (ends, None));
    for report in &late {
        assert_eq!(after(&call, report).status, ends, "what comes twice changes nothing: {report:?}");
    }
}

#[test]
fn the_caller_of_a_voicemail_that_is_found_late_gets_the_text() {
    let early = decide("b1", None, &ended("completed"), true, at(60)).unwrap().call;
    let taken_for_a_person = after(&early, &asked(Some("completed"), Some(42)));
    let decision = decide("b1", Some(&taken_for_a_person), &screened_ringing(), true, at(90)).unwrap();
    assert!(decision.missed.is_some() && decision.answered.is_none());
}

#[test]
fn a_key_before_its_call_waits_for_it() {
    assert!(decide("b1", None, &accepted(), true, at(12)).is_none());
}

#[test]
fn a_call_to_several_phones_is_asked_about_once_all_have_rung() {
    let CallInput::Ringing(ringing) = ringing(None) else { panic!("a ringing call") };
    let call = |phones, screened| {
        let input = CallInput::Ringing(Ringing { phones, screened, ..ringing.clone() });
        decide("b1", None, &input, true, at(0)).unwrap().call.settle_at
    };
    assert_eq!(call(3, false), Some(at(3 * 20 + 15)));
    assert_eq!(call(1, true), Some(at(20 + 20 + 15)));
}
