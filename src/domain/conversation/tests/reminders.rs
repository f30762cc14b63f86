//! What is said and done while a customer waits for an answer.

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::domain::business_policy::ReturnAfter;
use crate::domain::hours::DailyHours;

const MINUTE: f64 = 60.0;

/// A person has taken over, and a minute later the customer writes, at the start.
fn owned() -> Talk {
    let mut talk = Talk::new();
    talk.business.alert_numbers = vec!["+12125550001".parse().unwrap(), "+12125550002".parse().unwrap()];
    talk.business.remind_to = talk.business.alert_numbers.first().cloned();
    let start = talk.now;
    talk.now -= TimeDelta::minutes(1);
    talk.call_missed();
    talk.apply(&Input::UserTookOver { user_id: "joe".into(), reason: "mine".into() });
    talk.now = start;
    talk.text("my sink is blocked");
    talk
}

fn returning(after: &str) -> Talk {
    let mut talk = owned();
    talk.business.policy.return_to_ai_after = Some(after.parse::<ReturnAfter>().unwrap());
    talk.due();
    talk
}

/// Lets the timer fire whenever it is due, until this many minutes after the start. Returns what was said, with the minute.
fn until(talk: &mut Talk, minutes: f64) -> Vec<(i64, String)> {
    let end = talk.start() + TimeDelta::seconds((minutes * MINUTE) as i64);
    let mut said = Vec::new();
    while let Some(at) = talk.state().next_look().filter(|at| *at <= end) {
        talk.now = talk.now.max(at);
        talk.due();
        said.extend(spoken(talk));
    }
    talk.now = end;
    said
}

fn spoken(talk: &Talk) -> Vec<(i64, String)> {
    let minute = (talk.now - talk.start()).num_minutes();
    let decision = talk.last.as_ref().unwrap();
    let events = decision.effects.iter().filter_map(|effect| match effect {
        Effect::Emit(event) => match &event.data {
            EventData::Waiting(data) => Some(format!("waiting {}", data.minutes)),
            EventData::NeedsAttention(data) => Some(data.reason.to_string()),
            EventData::Released(data) => Some(format!("released by {}", data.by)),
            _ => None,
        },
        _ => None,
    });
    let sms = decision.messages.iter().filter(|message| message.kind == MessageKind::Reminder);
    events.chain(sms.map(|_| "reminder".to_owned())).map(|said| (minute, said)).collect()
}

fn said(expected: &[(i64, &str)]) -> Vec<(i64, String)> {
    expected.iter().map(|(minute, said)| (*minute, (*said).to_owned())).collect()
}

#[test]
fn while_a_person_is_silent_each_time_is_announced_once_and_the_owner_is_reminded_once() {
    let mut talk = owned();
    let expected = [(1, "waiting 1"), (5, "waiting 5"), (10, "person_silent"), (10, "reminder"), (30, "waiting 30")];
    assert_eq!(until(&mut talk, 1_000.0), said(&expected));
    assert_eq!(talk.state().next_look(), None, "no timer is left");
    assert_eq!(talk.state().window.as_ref().unwrap().deadline, None);
}

#[test]
fn the_event_says_since_when_and_who_owns_the_conversation() {
    let mut talk = owned();
    let start = talk.start();
    talk.later(MINUTE).due();
    let data = event_data(talk.last.as_ref().unwrap(), EventType::Waiting);
    assert_eq!(data, json!({ "since": start, "minutes": 1, "ownership": "user", "owned_by": "joe" }));
}

#[test]
fn a_reminder_goes_to_the_owner_and_names_the_customer() {
    let mut talk = owned();
    talk.later(10.0 * MINUTE).due();
    let decision = talk.last.clone().unwrap();
    let reminder = decision.messages.iter().find(|message| message.kind == MessageKind::Reminder).unwrap();
    assert_eq!(reminder.recipient.as_ref().unwrap().as_str(), "+12125550001");
    assert!(reminder.body.starts_with("Reminder for Joe's Plumbing: +12125551234 has waited 10 minutes"));
    assert_eq!(reminder.fence, None);
    assert!(is_sent(&decision));
}

#[test]
fn a_worker_that_is_late_announces_only_the_newest_time() {
    let mut talk = owned();
    talk.later(7.0 * MINUTE).due();
    assert_eq!(spoken(&talk), said(&[(7, "waiting 5")]));
    talk.due();
    assert_eq!(spoken(&talk), said(&[]));
}

#[test]
fn an_answer_of_the_person_ends_the_waiting() {
    let mut talk = owned();
    talk.later(6.0 * MINUTE).due();
    talk.apply(&Input::UserReplied { user_id: "joe".into(), body: "On my way".into() });
    assert_eq!((talk.state().next_look(), talk.state().memory.spell), (None, None));
    talk.later(MINUTE).text("when?");
    let expected = [(8, "waiting 1"), (12, "waiting 5"), (17, "person_silent"), (17, "reminder"), (37, "waiting 30")];
    assert_eq!(until(&mut talk, 1_000.0), said(&expected));
}

#[test]
fn a_reminder_counts_from_what_the_person_did_last() {
    let mut talk = Talk::new();
    talk.business.alert_numbers = vec!["+12125550001".parse().unwrap()];
    talk.business.remind_to = talk.business.alert_numbers.first().cloned();
    talk.text("my sink is blocked");
    talk.later(40.0);
    talk.apply(&Input::UserTookOver { user_id: "joe".into(), reason: "mine".into() });
    let expected = [(1, "waiting 1"), (5, "waiting 5"), (10, "person_silent"), (10, "reminder")];
    assert_eq!(until(&mut talk, 20.0), said(&expected));
    let sent = talk.sent.iter().find(|message| message.kind == MessageKind::Reminder).unwrap();
    assert_eq!(sent.created_at, talk.start() + TimeDelta::seconds(640));
}

#[test]
fn an_answered_reminder_that_was_not_sent_yet_is_held_back() {
    let mut talk = owned();
    talk.later(10.0 * MINUTE).due();
    talk.apply(&Input::UserReplied { user_id: "joe".into(), body: "On my way".into() });
    let reminder = talk.sent.iter().find(|message| message.kind == MessageKind::Reminder).unwrap();
    assert_eq!(reminder.status, MessageStatus::Superseded);
}

#[test]
fn an_owner_who_sleeps_is_reminded_when_the_quiet_hours_end() {
    let mut talk = owned();
    // The talk begins at 8:00.
    talk.business.policy.owner_quiet_hours = Some(DailyHours::new("22:00", "08:45").unwrap());
    talk.due();
    let expected = [(1, "waiting 1"), (5, "waiting 5"), (10, "person_silent"), (30, "waiting 30"), (45, "reminder")];
    assert_eq!(until(&mut talk, 1_000.0), said(&expected));
}

#[test]
fn an_owner_who_sleeps_is_not_reminded_of_who_has_an_answer_by_then() {
    let mut talk = owned();
    talk.business.policy.owner_quiet_hours = Some(DailyHours::new("22:00", "08:45").unwrap());
    until(&mut talk, 20.0);
    talk.apply(&Input::UserReplied { user_id: "joe".into(), body: "On my way".into() });
    assert_eq!(until(&mut talk, 1_000.0), said(&[]));
}

#[test]
fn reminders_can_be_switched_off() {
    let mut talk = owned();
    talk.business.policy.remind_after = Some("off".parse().unwrap());
    talk.due();
    assert_eq!(until(&mut talk, 1_000.0), said(&[(1, "waiting 1"), (5, "waiting 5"), (30, "waiting 30")]));
}

#[test]
fn a_reminder_that_twilio_refuses_changes_nothing_else() {
    let mut talk = owned();
    talk.later(10.0 * MINUTE).due();
    let place = talk.sent.iter().position(|message| message.kind == MessageKind::Reminder).unwrap();
    let refused = MessageReport::Rejected { code: Some(21_610), why: "opted out".into() };
    let decision = talk.report(place, refused).clone();
    assert_eq!((events(&decision), talk.sent[place].status), (vec![], MessageStatus::Failed));
    assert!(!talk.state().opted_out);
}

#[test]
fn a_silent_person_loses_the_conversation_to_the_ai() {
    let mut talk = returning("12m");
    // A minute has passed since the takeover when the customer writes.
    let expected =
        [(1, "waiting 1"), (5, "waiting 5"), (10, "person_silent"), (10, "reminder"), (11, "released by timer")];
    let mut heard = Vec::new();
    while talk.state().ownership == Ownership::User {
        talk.now = talk.state().next_look().unwrap();
        talk.due();
        heard.extend(spoken(&talk));
    }
    assert_eq!(heard, said(&expected));
    assert_eq!((talk.state().ownership, talk.state().status), (Ownership::Ai, Status::AiHandling));
    assert_eq!(talk.state().window.as_ref().unwrap().deadline, Some(talk.now), "the window is armed");
    let (epoch, hard_epoch) = (talk.state().epoch, talk.state().hard_epoch);
    talk.due();
    assert!(is_analyzed(talk.last.as_ref().unwrap()));
    let answering = talk.state().answering.clone().unwrap();
    assert_eq!((answering.epoch, answering.hard_epoch), (epoch, hard_epoch));
}

#[test]
fn an_act_of_the_person_in_time_keeps_the_conversation() {
    let mut talk = returning("5m");
    talk.later(4.0 * MINUTE - 1.0);
    talk.apply(&Input::UserReplied { user_id: "joe".into(), body: "One moment".into() });
    talk.later(1.0).text("ok");
    let fire = talk.due().clone();
    assert_eq!((events(&fire), talk.state().ownership), (vec![], Ownership::User));
    let at = talk.state().memory.spell.unwrap().return_at.unwrap();
    assert_eq!((at - talk.start()).num_seconds(), 9 * 60 - 1);
}

#[test]
fn a_person_who_was_away_for_long_has_the_usual_time_to_answer_a_new_text() {
    let mut talk = Talk::new();
    talk.business.policy.return_to_ai_after = Some("5m".parse().unwrap());
    talk.call_missed();
    talk.apply(&Input::UserTookOver { user_id: "joe".into(), reason: "mine".into() });
    talk.later(3_600.0).text("are you coming?");
    assert_eq!(talk.state().ownership, Ownership::User);
    talk.later(59.0).due();
    assert_eq!(talk.state().ownership, Ownership::User);
    talk.later(1.0).due();
    assert_eq!(talk.state().ownership, Ownership::Ai);
}

#[rstest]
#[case::nothing_to_answer(true)]
#[case::no_right_to_write(false)]
fn without_anything_that_the_ai_can_do_the_person_keeps_the_conversation(#[case] may_write: bool) {
    let mut talk = returning("5m");
    talk.may_write = may_write;
    if may_write {
        talk.apply(&Input::UserReplied { user_id: "joe".into(), body: "On my way".into() });
    }
    talk.due();
    let returns = talk.state().memory.spell.and_then(|spell| spell.return_at);
    assert_eq!(returns, None);
    talk.later(3_600.0).due();
    assert_eq!(talk.state().ownership, Ownership::User);
}

#[test]
fn a_command_that_is_refused_says_nothing_of_the_waiting() {
    let mut talk = owned();
    talk.may_write = false;
    let reply = Input::UserReplied { user_id: "joe".into(), body: "On my way".into() };
    assert!(!talk.later(11.0 * MINUTE).apply(&reply).changed);
    let again = Input::UserTookOver { user_id: "joe".into(), reason: "mine".into() };
    assert!(!talk.apply(&again).changed);
}

#[test]
fn an_answer_of_the_ai_in_time_is_not_announced_as_waiting() {
    let mut talk = Talk::new();
    talk.text("my sink is blocked");
    let window = talk.close_window();
    assert!(is_analyzed(talk.last.as_ref().unwrap()));
    assert_eq!(spoken(&talk), said(&[]), "it comes within seconds");
    talk.later(2.0).answered(window, "We can help.");
    let place = talk.sent.len() - 1;
    talk.later(1.0).report(place, accepted());
    assert_eq!((spoken(&talk), talk.state().next_look()), (said(&[]), None));
}

#[test]
fn who_gets_the_fallback_text_still_waits() {
    let mut talk = Talk::new();
    talk.text("my sink is blocked");
    let window_id = talk.close_window();
    talk.later(3.0).apply(&Input::AnalysisFailed { window_id, reason: AnalysisReason::TimedOut });
    let place = talk.sent.len() - 1;
    talk.later(1.0).report(place, accepted());
    assert_eq!(spoken(&talk), said(&[]));
    assert_eq!(until(&mut talk, 1_000.0), said(&[(1, "waiting 1"), (5, "waiting 5"), (30, "waiting 30")]));
}

#[test]
fn an_answer_that_does_not_come_is_announced_half_a_minute_later() {
    let mut talk = Talk::new();
    talk.text("my sink is blocked");
    talk.close_window();
    talk.now = talk.state().next_look().unwrap();
    talk.due();
    assert_eq!(talk.now - talk.start(), TimeDelta::seconds(90));
    assert_eq!(spoken(&talk), said(&[(1, "waiting 1")]));
}

#[test]
fn a_window_that_waits_longer_for_a_person_announces_it_by_its_minute() {
    let mut talk = Talk::new();
    (talk.policy.hold, talk.policy.max) = (Duration::from_secs(120), Duration::from_secs(150));
    talk.text("my sink is blocked");
    talk.now = talk.state().next_look().unwrap();
    talk.due();
    assert_eq!((talk.now - talk.start(), spoken(&talk)), (TimeDelta::seconds(60), said(&[(1, "waiting 1")])));
    assert_eq!(talk.deadline(), Some(120.0));
}

#[test]
fn an_old_conversation_counts_from_the_takeover() {
    let mut talk = owned();
    let state = talk.state.as_mut().unwrap();
    (state.memory.person_at, state.memory.spell) = (None, None);
    talk.later(9.0 * MINUTE).due();
    assert_eq!(spoken(&talk), said(&[(9, "waiting 5")]));
    talk.later(MINUTE).due();
    assert_eq!(spoken(&talk), said(&[(10, "person_silent"), (10, "reminder")]));
}

#[test]
fn who_is_away_is_not_reminded() {
    let mut talk = owned();
    talk.business.remind_to = None;
    assert!(until(&mut talk, 1_000.0).iter().all(|(_, what)| what != "reminder"));
}
