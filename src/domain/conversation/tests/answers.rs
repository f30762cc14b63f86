//! What the rules do with DispatchBot's answer.

use rstest::rstest;
use serde_json::json;

use super::*;

/// A conversation with a closed window that DispatchBot is analyzing, 60 s after its start.
fn asked() -> (Talk, Uuid) {
    let mut talk = Talk::new();
    talk.text("my sink is blocked");
    let window = talk.close_window();
    (talk, window)
}

#[test]
fn an_answer_is_sent_and_remembered() {
    let (mut talk, window) = asked();
    let decision = talk.answered(window, "We can help.").clone();
    assert!(is_sent(&decision));
    let message = &decision.messages[0];
    assert_eq!((message.body.as_str(), message.in_reply_to_window), ("We can help.", Some(window)));
    let fence = message.fence.unwrap();
    assert_eq!((fence.epoch, fence.hard_epoch), (talk.state().epoch, talk.state().hard_epoch));
    assert_eq!(fence.exempt_at, talk.start() + TimeDelta::seconds(90));
    assert_eq!(talk.state().job_type.as_deref(), Some("drain_cleaning"));
    assert_eq!(talk.state().urgency_level.as_deref(), Some("normal"));
    assert_eq!(talk.state().memory.ai_replies, [talk.now]);
}

#[test]
fn an_answer_that_comes_twice_is_sent_once() {
    let (mut talk, window) = asked();
    talk.answered(window, "We can help.");
    assert!(is_dropped(talk.answered(window, "We can help!")));
}

#[test]
fn an_answer_to_another_window_changes_nothing() {
    let (mut talk, _) = asked();
    assert!(is_dropped(talk.answered(Uuid::nil(), "What?")));
}

#[test]
fn an_answer_that_a_newer_text_overtook_is_dropped_and_the_newer_window_inherits_the_opening() {
    let (mut talk, window) = asked();
    talk.later(1.0).text("the one in the kitchen");
    let newer = talk.state().window.clone().unwrap();
    assert_eq!(newer.opened_at, talk.start());
    assert_eq!(talk.deadline(), Some(63.0));
    let decision = talk.later(1.0).answered(window, "We can help.").clone();
    assert!(!is_sent(&decision) && decision.messages.is_empty());
    assert_eq!(windows(&decision), [(WindowState::Superseded, "overtaken")]);
    talk.close_window();
    assert!(is_analyzed(talk.last.as_ref().unwrap()), "never silence");
    assert!(is_sent(talk.answered(newer.id, "We can help with both.")));
}

#[test]
fn a_waiting_reply_is_held_back_when_the_newer_window_closes() {
    let (mut talk, window) = asked();
    talk.answered(window, "We can help.");
    talk.later(1.0).text("the one in the kitchen");
    talk.close_window();
    assert_eq!(windows(talk.last.as_ref().unwrap())[0], (WindowState::Superseded, "newer window"));
    assert_eq!(talk.sent[0].status, MessageStatus::Superseded);
}

#[test]
fn past_its_longest_wait_an_answer_goes_out_though_newer_texts_came() {
    let (mut talk, window) = asked();
    talk.later(31.0).text("still there?");
    let newer = talk.state().window.clone().unwrap();
    assert_eq!(newer.opened_at, talk.now, "it has its own time, for the older answer goes out anyway");
    assert!(is_sent(talk.answered(window, "We can help.")));
}

#[test]
fn the_newer_window_waits_for_an_answer_that_goes_out_anyway() {
    let (mut talk, window) = asked();
    talk.later(31.0).text("still there?");
    talk.answered(window, "We can help.");
    talk.close_window();
    let waiting = talk.last.clone().unwrap();
    assert!(!is_analyzed(&waiting) && talk.state().window.is_some());
    talk.report(0, accepted());
    talk.close_window();
    assert!(is_analyzed(talk.last.as_ref().unwrap()));
}

#[test]
fn an_answer_that_never_comes_is_waited_for_no_longer_than_a_window_may_last() {
    let (mut talk, window) = asked();
    talk.later(31.0).text("still there?");
    assert!(!is_analyzed(talk.later(10.0).due()));
    let decision = talk.later(90.0).due().clone();
    assert!(is_analyzed(&decision));
    assert!(windows(&decision).contains(&(WindowState::Superseded, "newer window")), "{:?}", windows(&decision));
    assert!(is_dropped(talk.answered(window, "We can help.")));
}

#[test]
fn what_silences_the_ai_drops_an_answer_whatever_the_time() {
    let (mut talk, window) = asked();
    talk.state.as_mut().unwrap().hard_epoch += 1;
    let decision = talk.later(100.0).answered(window, "We can help.").clone();
    assert!(!is_sent(&decision));
    assert_eq!(windows(&decision), [(WindowState::Superseded, "overtaken")]);
}

#[rstest]
#[case::empty("  ", 0.9, "empty_answer")]
#[case::too_long(&"a".repeat(1601), 0.9, "answer_too_long")]
#[case::of_four_segments(&"a".repeat(460), 0.9, "answer_too_long")]
#[case::of_four_segments_of_ucs_2(&"ж".repeat(202), 0.9, "answer_too_long")]
#[case::with_a_link("Pay at https://pay.example.net", 0.9, "link_not_allowed")]
#[case::with_another_number("Call 212-555-0199", 0.9, "unknown_phone_number")]
#[case::with_hidden_characters("Pay \u{202e}051$", 0.9, "hidden_characters")]
#[case::with_what_is_hidden_until_it_is_sent("ex\u{ad}ample", 0.9, "hidden_characters")]
#[case::unsure("Maybe?", 0.49, "low_confidence")]
#[case::not_a_number("Maybe?", f64::NAN, "low_confidence")]
fn an_answer_that_is_unfit_is_replaced_by_the_fallback_and_a_person_is_told(
    #[case] text: &str,
    #[case] confidence: f64,
    #[case] reason: &str,
) {
    let (mut talk, window_id) = asked();
    let answer = Answer { confidence: Some(confidence), ..answer(text) };
    let decision = talk.apply(&Input::AnalysisReady { window_id, answer }).clone();
    assert!(decision.messages[0].body.contains("received your message"));
    assert_eq!(event_data(&decision, EventType::NeedsAttention)["reason"], reason);
}

#[rstest]
#[case::as_long_as_may_be(&"a".repeat(459), 0.9)]
#[case::as_long_as_may_be_once_its_dashes_are_plain(&format!("{}—", "a".repeat(458)), 0.9)]
#[case::just_sure_enough("Yes.", 0.5)]
fn an_answer_at_the_limit_is_sent(#[case] text: &str, #[case] confidence: f64) {
    let (mut talk, window_id) = asked();
    let answer = Answer { confidence: Some(confidence), ..answer(text) };
    assert_eq!(talk.apply(&Input::AnalysisReady { window_id, answer }).messages[0].kind, MessageKind::Reply);
}

#[rstest]
#[case::with_plain_signs("We’re at smithplumbing.com", MessageKind::Reply)]
#[case::with_a_dash_that_becomes_a_hyphen("Pay at evil–smithplumbing.com", MessageKind::Fallback)]
#[case::with_a_long_dash_that_becomes_a_hyphen("Pay at evil—smithplumbing.com", MessageKind::Fallback)]
#[case::with_a_long_dash_that_stays("👍 Book online—smithplumbing.com", MessageKind::Reply)]
fn a_link_is_judged_as_it_is_sent(#[case] text: &str, #[case] kind: MessageKind) {
    let (mut talk, window) = asked();
    talk.business.policy.links = Some(vec!["smithplumbing.com".parse().unwrap()]);
    assert_eq!(talk.answered(window, text).messages[0].kind, kind);
}

#[test]
fn without_an_answer_the_fallback_goes_out_once_and_later_windows_are_handed_over() {
    let (mut talk, window) = asked();
    let failed = |window_id| Input::AnalysisFailed { window_id, reason: AnalysisReason::TimedOut };
    let first = talk.apply(&failed(window)).clone();
    assert_eq!(first.messages[0].kind, MessageKind::Fallback);
    assert_eq!(event_data(&first, EventType::NeedsAttention)["reason"], "timed_out");
    talk.report(0, accepted());
    talk.later(60.0).text("hello?");
    let window = talk.close_window();
    let second = talk.apply(&failed(window)).clone();
    assert!(!is_sent(&second));
    assert_eq!(windows(&second), [(WindowState::HandedOver, "timed_out")]);
    assert_eq!(events(&second), ["conversation.needs_attention"]);
    talk.later(1800.0).text("hello??");
    let window = talk.close_window();
    assert!(is_sent(talk.apply(&failed(window))), "half an hour later it may go out again");
}

#[test]
fn an_appointment_ends_the_conversation_and_its_last_reply_still_goes_out() {
    let (mut talk, window_id) = asked();
    let starts_at = talk.now;
    let answer = Answer {
        appointment: Some(Appointment { starts_at, ends_at: None, notes: None }),
        complete: true,
        outcome: Some("appointment_requested".into()),
        summary: Some("Sink at 3pm.".into()),
        ..answer("See you at 3pm.")
    };
    let decision = talk.apply(&Input::AnalysisReady { window_id, answer }).clone();
    assert_eq!(events(&decision), ["appointment.requested", "conversation.completed"]);
    assert_eq!(event_data(&decision, EventType::AppointmentRequested)["appointment"]["starts_at"], json!(starts_at));
    let state = talk.state();
    assert_eq!(state.status, Status::Completed);
    assert_eq!(state.outcome.as_deref(), Some("appointment_requested"));
    assert_eq!(state.summary.as_deref(), Some("Sink at 3pm."));
    let fence = decision.messages[0].fence.unwrap();
    assert_eq!((fence.epoch, fence.hard_epoch), (state.epoch, state.hard_epoch), "its own completion fenced it");
    assert_eq!(events(talk.report(0, accepted())), ["message.sent"]);
}

#[test]
fn a_customer_who_has_written_again_has_not_finished() {
    let (mut talk, window_id) = asked();
    talk.later(31.0).text("wait, one more thing");
    let answer = Answer { complete: true, outcome: Some("done".into()), ..answer("Bye.") };
    talk.apply(&Input::AnalysisReady { window_id, answer });
    assert_eq!(talk.state().status, Status::AiHandling);
}

#[rstest]
#[case::said_so(true, Urgency::Normal)]
#[case::by_urgency(false, Urgency::Emergency)]
fn an_emergency_that_dispatchbot_sees_is_told_once(#[case] emergency_detected: bool, #[case] urgency: Urgency) {
    let (mut talk, window_id) = asked();
    let answer = Answer { emergency_detected, urgency, ..answer("Shut the main valve.") };
    let input = |window_id| Input::AnalysisReady { window_id, answer: answer.clone() };
    assert!(events(talk.apply(&input(window_id))).contains(&"emergency.detected"));
    assert!(talk.state().emergency_detected);
    talk.report(0, accepted());
    talk.later(1.0).text("done");
    let window = talk.close_window();
    assert!(!events(talk.apply(&input(window))).contains(&"emergency.detected"));
}

#[test]
fn an_answer_without_a_confidence_is_not_held_back_for_one() {
    let (mut talk, window_id) = asked();
    let answer = Answer { confidence: None, ..answer("Yes.") };
    assert_eq!(talk.apply(&Input::AnalysisReady { window_id, answer }).messages[0].kind, MessageKind::Reply);
}

#[test]
fn a_price_beside_the_text_is_judged_like_one_in_it() {
    let (mut talk, window_id) = asked();
    let answer = Answer { prices: vec![0.0, 5_000.0], ..answer("Does 3 pm work?") };
    let decision = talk.apply(&Input::AnalysisReady { window_id, answer }).clone();
    assert_eq!(event_data(&decision, EventType::NeedsAttention)["reason"], "price_out_of_range");
}

#[test]
fn what_dispatchbot_escalates_is_answered_and_handed_over_and_ends_nothing() {
    let (mut talk, window_id) = asked();
    let answer = Answer { is_escalated: true, complete: true, ..answer("Somebody will call you.") };
    let decision = talk.apply(&Input::AnalysisReady { window_id, answer }).clone();
    assert_eq!(decision.messages[0].body, "Somebody will call you.");
    assert_eq!(event_data(&decision, EventType::NeedsAttention)["reason"], "escalated");
    assert_eq!(talk.state().status, Status::AiHandling);
    let sent = talk.report(0, accepted()).clone();
    assert_eq!(windows(&sent), [(WindowState::HandedOver, "escalated")]);
    assert!(!events(&sent).contains(&"conversation.needs_attention"), "it was said before");
}
