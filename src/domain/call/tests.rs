//! The rules of a call, as case tables.

use chrono::{DateTime, TimeDelta, Utc};
use rstest::rstest;

use super::decide::CallDecision;
use super::*;
use crate::domain::conversation::call_id;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::seconds(seconds)
}

fn ringing(ended_as: Option<&str>) -> CallInput {
    CallInput::Ringing(Ringing {
        call_sid: "CA1".into(),
        customer: Some("+12125551234".parse().unwrap()),
        business_phone: "+15555551111".parse().unwrap(),
        ended_as: ended_as.map(str::to_owned),
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
        duration_seconds: Some(42),
        own_account: Some("AC2".into()),
        received_at: at(20),
    })
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

#[test]
fn a_call_that_is_over_without_a_dial_result_was_missed() {
    let decision = decide("b1", None, &ringing(Some("completed")), true, at(0)).unwrap();
    assert_eq!(decision.call.status, CallStatus::Missed);
    assert!(decision.missed.is_some());
}

#[test]
fn the_end_of_an_answered_call_is_no_missed_call() {
    let call = decide("b1", Some(&rung()), &dialled("completed", None), true, at(20)).unwrap().call;
    assert!(decide("b1", Some(&call), &ringing(Some("completed")), true, at(60)).unwrap().missed.is_none());
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
    for report in [dialled(word, None), ringing(Some(word))] {
        let again = decide("b1", Some(&decision.call), &report, true, at(5)).unwrap();
        assert!(!again.changed && again.missed.is_none());
    }
}
