//! The ladder of calls: whom it calls, in which order, and what ends it.

use rstest::rstest;

use super::*;

const OWNER: &str = "+15555552222";
const CONTACT: &str = "+15555553333";

fn talk() -> Talk {
    let mut talk = Talk::new();
    talk.business.policy.voice_ladder = Some(true);
    talk.business.alert_numbers = [OWNER, CONTACT].iter().map(|number| number.parse().unwrap()).collect();
    talk
}

/// The calls that a decision asks for.
fn rings(decision: &Decision) -> Vec<(Uuid, String)> {
    let of = |effect: &Effect| match effect {
        Effect::Ring { call_id, phone, .. } => Some((*call_id, phone.to_string())),
        _ => None,
    };
    decision.effects.iter().filter_map(of).collect()
}

fn reported(talk: &mut Talk, call_id: Uuid, report: RingReport) -> Decision {
    talk.apply(&Input::RingReported { call_id, report }).clone()
}

fn placed(talk: &mut Talk, call_id: Uuid) -> Decision {
    reported(talk, call_id, RingReport::Placed { call_sid: "CA9".into() })
}

fn took(talk: &mut Talk, call_id: Uuid) -> Decision {
    let at = talk.now;
    reported(talk, call_id, RingReport::Took { at })
}

fn ended(status: &str) -> RingReport {
    RingReport::Ended { status: status.into() }
}

#[test]
fn without_the_setting_nobody_is_called() {
    let mut talk = talk();
    talk.business.policy.voice_ladder = None;
    assert!(rings(talk.text("Gas leak in house!")).is_empty());
    assert!(talk.state().memory.ladder.is_none());
}

#[test]
fn the_owner_is_called_at_once_and_then_the_contacts_twice_each() {
    let mut talk = talk();
    let mut ring = rings(talk.text("Gas leak in house!"));
    let mut called = Vec::new();
    let mut last = None;
    while let [(call_id, phone)] = &ring[..] {
        called.push(phone.clone());
        placed(&mut talk, *call_id);
        let decision = reported(&mut talk, *call_id, ended("no-answer"));
        ring = rings(&decision);
        last = Some(decision);
    }
    assert_eq!(called, [OWNER, CONTACT, OWNER, CONTACT]);
    assert_eq!(event_data(&last.unwrap(), EventType::EmergencyUnanswered)["calls"], 4);
    assert!(talk.state().memory.ladder.is_none());
}

#[rstest]
#[case::voicemail(ended("completed"), "completed")]
#[case::nobody(ended("no-answer"), "no-answer")]
#[case::busy(ended("busy"), "busy")]
#[case::failed(ended("failed"), "failed")]
#[case::two(RingReport::Passed, "passed")]
#[case::never_placed(RingReport::NotPlaced { reason: "capped".into() }, "capped")]
fn whatever_is_not_a_one_goes_on_to_the_next(#[case] report: RingReport, #[case] outcome: &str) {
    let mut talk = talk();
    let (first, _) = rings(talk.text("Gas leak in house!"))[0].clone();
    placed(&mut talk, first);
    let decision = reported(&mut talk, first, report.clone());
    assert_eq!(rings(&decision)[0].1, CONTACT);
    let data = event_data(&decision, EventType::EmergencyCall);
    assert_eq!((data["outcome"].as_str(), data["to"].as_str()), (Some(outcome), Some("u1")));
    assert!(rings(&reported(&mut talk, first, report)).is_empty(), "a late report of the call before changes nothing");
}

#[test]
fn a_report_that_never_comes_is_not_waited_for() {
    let mut talk = talk();
    let (first, _) = rings(talk.text("Gas leak in house!"))[0].clone();
    placed(&mut talk, first);
    talk.business.alert_numbers.truncate(2);
    assert!(rings(talk.later(119.0).due()).is_empty());
    let looked = talk.state().next_look().unwrap();
    assert!(looked <= talk.now + TimeDelta::seconds(1), "the timer is armed for it");
    assert_eq!(rings(talk.later(1.0).due())[0].1, CONTACT);
}

#[test]
fn a_one_takes_the_emergency_and_ends_the_calls() {
    let mut talk = talk();
    let (first, _) = rings(talk.text("Gas leak in house!"))[0].clone();
    placed(&mut talk, first);
    let (second, _) = rings(&reported(&mut talk, first, ended("busy")))[0].clone();
    placed(&mut talk, second);
    let decision = took(&mut talk, second);
    let taken = event_data(&decision, EventType::UserTaken);
    assert_eq!(
        (taken["by"].as_str(), taken["reason"].as_str()),
        (Some("phone:+15555553333"), Some("alert_answered_by_call"))
    );
    assert!(decision.messages.iter().any(|message| message.kind == MessageKind::Taken));
    assert!(talk.state().memory.ladder.is_none());
    assert!(rings(&reported(&mut talk, second, ended("completed"))).is_empty());
    assert!(rings(talk.later(600.0).due()).is_empty());
}

#[test]
fn who_is_called_gets_the_alert_with_the_customers_number_at_the_same_time() {
    let mut talk = talk();
    let (first, _) = rings(talk.text("Gas leak in house!"))[0].clone();
    placed(&mut talk, first);
    let alerts = |decision: &Decision| -> Vec<String> {
        let alerts = decision.messages.iter().filter(|message| message.kind == MessageKind::Alert);
        alerts.filter_map(|alert| Some(alert.recipient.as_ref()?.to_string())).collect()
    };
    talk.later(25.0);
    let (second, _) = rings(&reported(&mut talk, first, ended("no-answer")))[0].clone();
    let decision = placed(&mut talk, second);
    assert_eq!(alerts(&decision), [CONTACT]);
    assert!(alerts(talk.later(60.0).due()).is_empty(), "they have it");
}

#[test]
fn a_new_emergency_leaves_the_call_that_rings_its_digit() {
    let mut talk = talk();
    let (first, _) = rings(talk.text("Gas leak in house!"))[0].clone();
    placed(&mut talk, first);
    // The timer was late.
    let (second, _) = rings(talk.later(31.0 * 60.0).due())[0].clone();
    placed(&mut talk, second);
    talk.later(10.0).text("Now there is fire!");
    let decision = took(&mut talk, second);
    assert_eq!(event_data(&decision, EventType::UserTaken)["by"], "phone:+15555553333");
    assert!(talk.state().memory.ladder.is_none());
}

#[test]
fn the_digit_of_an_earlier_call_counts() {
    let mut talk = talk();
    let (first, _) = rings(talk.text("Gas leak in house!"))[0].clone();
    placed(&mut talk, first);
    talk.later(120.0).due();
    let decision = took(&mut talk, first);
    assert_eq!(event_data(&decision, EventType::UserTaken)["by"], "u1");
}

#[rstest]
#[case::a_takeover(Input::UserTookOver { user_id: "u1".into(), reason: "mine".into() })]
#[case::a_reply(Input::UserReplied { user_id: "u1".into(), body: "On my way.".into() })]
#[case::the_end(Input::Completed { user_id: "u1".into(), outcome: "done".into(), summary: None })]
#[case::a_false_alarm(Input::FalseAlarm { user_id: "u1".into() })]
#[case::a_one_by_sms(Input::AlertTaken { phone: OWNER.parse().unwrap(), via: TakenVia::Sms, at: DateTime::UNIX_EPOCH })]
fn what_a_person_does_ends_the_calls(#[case] input: Input) {
    let mut talk = talk();
    let (first, _) = rings(talk.text("Gas leak in house!"))[0].clone();
    placed(&mut talk, first);
    let input = match input {
        Input::AlertTaken { phone, via, .. } => Input::AlertTaken { phone, via, at: talk.now },
        other => other,
    };
    talk.apply(&input);
    assert!(talk.state().memory.ladder.is_none());
    assert!(rings(&reported(&mut talk, first, ended("busy"))).is_empty());
}

#[test]
fn while_a_person_owns_the_conversation_only_the_owner_is_called() {
    let mut talk = talk();
    talk.text("my sink is blocked");
    talk.apply(&Input::UserTookOver { user_id: "u1".into(), reason: "mine".into() });
    let (first, phone) = rings(talk.text("basement is flooding"))[0].clone();
    assert_eq!(phone, OWNER);
    placed(&mut talk, first);
    assert_eq!(rings(&reported(&mut talk, first, ended("no-answer")))[0].1, OWNER);
}

#[rstest]
#[case::takes_over_again(Input::UserTookOver { user_id: "u7".into(), reason: "mine".into() })]
#[case::writes(Input::UserReplied { user_id: "u7".into(), body: "On my way.".into() })]
fn who_owns_the_conversation_and_acts_has_the_emergency(#[case] input: Input) {
    let mut talk = talk();
    talk.text("my sink is blocked");
    talk.apply(&Input::UserTookOver { user_id: "u7".into(), reason: "mine".into() });
    talk.text("basement is flooding");
    talk.apply(&input);
    let memory = &talk.state().memory;
    assert_eq!((memory.ladder.is_none(), memory.emergency_taken.clone().unwrap().by.as_str()), (true, "u7"));
}

#[test]
fn a_phone_that_was_removed_meanwhile_is_not_called() {
    let mut talk = talk();
    let (first, _) = rings(talk.text("Gas leak in house!"))[0].clone();
    placed(&mut talk, first);
    talk.business.alert_numbers.truncate(1);
    assert_eq!(rings(&reported(&mut talk, first, ended("busy")))[0].1, OWNER);
}

#[test]
fn a_new_danger_begins_two_rounds_anew_and_calls_nobody_twice_at_once() {
    let mut talk = talk();
    let (first, _) = rings(talk.text("basement is flooding"))[0].clone();
    placed(&mut talk, first);
    assert!(rings(talk.text("I smell gas")).is_empty());
    let ladder = talk.state().memory.ladder.clone().unwrap();
    assert_eq!((ladder.left, ladder.about_life, ladder.call), (4, true, Some(first)));
    assert!(ladder.words.contains("I smell gas"), "{}", ladder.words);
}

#[test]
fn the_words_have_the_business_what_happened_and_the_number_digit_by_digit() {
    let mut talk = talk();
    talk.text("Gas leak in house!");
    assert_eq!(
        talk.state().memory.ladder.as_ref().unwrap().words,
        "Emergency for Joe's Plumbing. The customer with the number 1 2 1 2 5 5 5 1 2 3 4 wrote: Gas leak in house!"
    );
}
