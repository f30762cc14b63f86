//! Since when the customer waits for an answer.

use rstest::rstest;

use super::*;

fn take_over() -> Input {
    Input::UserTookOver { user_id: "u7".into(), reason: "mine".into() }
}

fn reply() -> Input {
    Input::UserReplied { user_id: "u7".into(), body: "On my way.".into() }
}

/// A customer who wrote at the start, and whose window has closed.
fn asked() -> (Talk, Uuid) {
    let mut talk = Talk::new();
    talk.text("my sink is blocked");
    let window = talk.close_window();
    (talk, window)
}

fn delivery(status: DeliveryStatus) -> MessageReport {
    MessageReport::Delivery { twilio_sid: "SMx".into(), status, error_code: None, why: None }
}

#[test]
fn a_customer_waits_from_the_first_text_until_twilio_has_the_answer() {
    let (mut talk, window) = asked();
    assert_eq!(talk.state().waiting_since, Some(talk.start()));
    talk.answered(window, "We can help.");
    assert_eq!(talk.state().waiting_since, Some(talk.start()));
    talk.report(0, accepted());
    assert_eq!(talk.state().waiting_since, None);
    let again = talk.later(10.0).now;
    talk.text("and the tub");
    talk.later(1.0).text("and the shower");
    assert_eq!(talk.state().waiting_since, Some(again));
}

#[rstest]
#[case::a_reply_of_a_person(reply(), false)]
#[case::the_end(Input::Completed { user_id: "u7".into(), outcome: "booked".into(), summary: None }, false)]
#[case::an_opt_out(Input::OptOutRecorded { user_id: "u7".into(), source: OptOutSource::Phone, note: None }, false)]
#[case::a_talk(Input::CallAnswered(AnsweredCall { call_sid: "CA2".into(), customer: customer(), business_phone: business() }), false)]
#[case::a_takeover(take_over(), true)]
#[case::a_false_alarm(Input::FalseAlarm { user_id: "u7".into() }, true)]
fn what_ends_the_wait(#[case] input: Input, #[case] waits: bool) {
    let mut talk = Talk::new();
    talk.text("my sink is blocked");
    talk.later(5.0).apply(&input);
    assert_eq!(talk.state().waiting_since, waits.then_some(talk.start()));
}

#[test]
fn a_text_after_the_window_has_closed_is_not_answered_by_its_answer() {
    let (mut talk, window) = asked();
    talk.answered(window, "We can help.");
    talk.sent[0].status = MessageStatus::Sending;
    let newer = talk.later(3.0).now;
    talk.text("and the tub");
    talk.report(0, accepted());
    assert_eq!(talk.state().waiting_since, Some(newer));
}

#[test]
fn a_text_that_arrives_late_waits_since_the_edge_received_it() {
    let mut talk = Talk::new();
    talk.later(20.0).text("my sink is blocked");
    let earlier = talk.start() + TimeDelta::seconds(5);
    talk.text_stamped("hello", earlier);
    assert_eq!(talk.state().waiting_since, Some(earlier));
    // The answer was decided on without it.
    talk.apply(&reply());
    talk.text_stamped("anybody?", earlier - TimeDelta::seconds(1));
    assert_eq!(talk.state().waiting_since, Some(earlier - TimeDelta::seconds(1)));
}

#[rstest]
#[case::a_fallback_text(None)]
#[case::a_text_that_leaves_it_to_a_person(Some(Answer { is_escalated: true, ..answer("Somebody will call you.") }))]
fn what_only_promises_an_answer_leaves_the_customer_waiting(#[case] said: Option<Answer>) {
    let (mut talk, window_id) = asked();
    talk.apply(&match said {
        Some(answer) => Input::AnalysisReady { window_id, answer },
        None => Input::AnalysisFailed { window_id, reason: AnalysisReason::TimedOut },
    });
    talk.report(0, accepted());
    talk.report(0, delivery(DeliveryStatus::Delivered));
    assert_eq!(talk.state().waiting_since, Some(talk.start()));
    talk.apply(&reply());
    assert_eq!(talk.state().waiting_since, None);
}

#[rstest]
#[case::refused(vec![MessageReport::Rejected { code: Some(30_007), why: "no".into() }], true)]
#[case::not_delivered(vec![accepted(), delivery(DeliveryStatus::Undelivered)], true)]
#[case::failed(vec![accepted(), delivery(DeliveryStatus::Failed)], true)]
#[case::unknown(vec![MessageReport::Unknown], true)]
#[case::unknown_and_sent_after_all(vec![MessageReport::Unknown, delivery(DeliveryStatus::Sent)], false)]
#[case::delivered(vec![accepted(), delivery(DeliveryStatus::Delivered)], false)]
fn an_answer_that_does_not_arrive_is_none(#[case] reports: Vec<MessageReport>, #[case] waits: bool) {
    let (mut talk, window) = asked();
    talk.answered(window, "We can help.");
    talk.sent[0].status = MessageStatus::Sending;
    let mut written = Talk::new();
    written.text("my sink is blocked");
    written.apply(&reply());
    written.sent[0].status = MessageStatus::Sending;
    for mut talk in [talk, written] {
        for report in &reports {
            talk.report(0, report.clone());
        }
        assert_eq!(talk.state().waiting_since, waits.then_some(talk.start()), "{:?}", talk.sent[0]);
    }
}

#[test]
fn a_later_answer_makes_up_for_one_that_was_lost() {
    let mut talk = Talk::new();
    talk.text("my sink is blocked");
    talk.apply(&reply());
    talk.report(0, accepted());
    talk.text("hello?");
    talk.apply(&reply());
    talk.report(1, accepted());
    talk.report(0, delivery(DeliveryStatus::Undelivered));
    assert_eq!(talk.state().waiting_since, None);
    talk.report(1, delivery(DeliveryStatus::Undelivered));
    assert_eq!(talk.state().waiting_since, Some(talk.start()));
}

#[test]
fn a_window_that_is_handed_over_leaves_the_customer_waiting() {
    let mut talk = Talk::new();
    talk.policy.ai_max_replies = 0;
    talk.text("my sink is blocked");
    talk.close_window();
    assert!(talk.state().window.is_none());
    assert_eq!(talk.state().waiting_since, Some(talk.start()));
}

#[test]
fn a_reopened_conversation_waits_since_the_text_that_reopens_it() {
    let (mut talk, _) = asked();
    talk.apply(&Input::Completed { user_id: "u7".into(), outcome: "booked".into(), summary: None });
    let again = talk.later(60.0).now;
    talk.text("one more thing");
    assert_eq!(talk.state().status, Status::Active);
    assert_eq!(talk.state().waiting_since, Some(again));
}

#[rstest]
#[case::a_reaction("Liked “We can help.”")]
#[case::a_keyword("HELP")]
fn what_needs_no_answer_does_not_wait(#[case] body: &str) {
    let mut talk = Talk::new();
    talk.call_missed();
    talk.text(body);
    assert_eq!(talk.state().waiting_since, None);
}

#[test]
fn what_a_version_without_it_has_left_in_windows_waits() {
    let (mut talk, _) = asked();
    talk.later(1.0).text("and the tub");
    let state = talk.state.as_mut().unwrap();
    state.memory.unanswered = None;
    state.waiting_since = None;
    let took_nothing = talk.apply(&Input::Released { user_id: "u7".into() }).changed;
    assert!(!took_nothing, "a command that changes nothing");
    talk.later(1.0).call_missed();
    assert_eq!(talk.state().waiting_since, Some(talk.start()));
}

#[test]
fn the_conversation_knows_the_person_who_owns_it() {
    let (mut talk, _) = asked();
    assert_eq!(talk.state().owned_by, None);
    talk.apply(&take_over());
    assert_eq!(talk.state().owned_by.as_deref(), Some("u7"));
    // Another person who writes does not take it from the first.
    talk.apply(&Input::UserReplied { user_id: "u8".into(), body: "Hi.".into() });
    assert_eq!(talk.state().owned_by.as_deref(), Some("u7"));
    talk.apply(&Input::Released { user_id: "u8".into() });
    assert_eq!(talk.state().owned_by, None);
}

#[test]
fn what_is_remembered_of_texts_is_bounded() {
    let at = |n: i64| DateTime::from_timestamp(1_800_000_000 + n, 0).unwrap();
    let id = |n: i64| Uuid::from_u128(u128::try_from(n).unwrap());
    let mut unanswered = Unanswered::default();
    for n in 0..1_000 {
        unanswered.text(at(n));
        for m in 0..20 {
            unanswered.known_to(id(n * 20 + m));
        }
    }
    assert_eq!(unanswered.since(), Some(at(0)));
    assert!(serde_json::to_string(&unanswered).unwrap().len() < 5_000);
    unanswered.replied(id(1_000_000));
    assert_eq!(unanswered.since(), None);
}
