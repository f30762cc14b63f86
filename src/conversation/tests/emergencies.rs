//! Emergencies: nobody waits.

use super::*;

#[test]
fn an_emergency_closes_its_window_at_once() {
    let mut talk = Talk::new();
    let decision = talk.text("Gas leak in house!").clone();
    assert!(decision.effects.iter().any(|e| matches!(e, Effect::Analyze { urgent: Urgent::Emergency, .. })));
    assert!(!decision.effects.iter().any(|e| matches!(e, Effect::ArmTimer { .. })), "there is no timer to wait for");
    assert_eq!(windows(&decision), [(WindowState::Open, "message"), (WindowState::Claimed, "emergency")]);
    assert!(events(&decision).contains(&"conversation.ai_timer_started"));
    assert_eq!(event_data(&decision, EventType::EmergencyDetected)["rule"], "gas");
    let state = talk.state();
    assert!(state.emergency_detected && state.window.is_none());
    assert_eq!((state.urgency_level.as_deref(), state.ownership), (Some("emergency"), Ownership::Ai));
}

#[test]
fn an_emergency_takes_what_was_collected_along() {
    let mut talk = Talk::new();
    let first = talk.text("my water heater is making noises").messages[0].window_id;
    let decision = talk.later(5.0).text("basement is flooding").clone();
    assert_eq!(decision.messages[0].window_id, first);
    assert!(is_analyzed(&decision));
}

#[test]
fn an_emergency_overtakes_an_answer_under_way() {
    let mut talk = Talk::new();
    talk.text("my sink is blocked");
    let window = talk.close_window();
    let decision = talk.later(1.0).text("now the basement is flooding").clone();
    assert!(windows(&decision).contains(&(WindowState::Superseded, "newer window")));
    assert!(is_analyzed(&decision));
    assert!(!talk.answered(window, "We can come on Friday.").changed);
}

#[test]
fn the_answer_to_an_emergency_goes_out_though_newer_texts_come() {
    let mut talk = Talk::new();
    talk.text("Gas leak in house!");
    let window = talk.state().answering.clone().unwrap().window_id;
    talk.later(0.5).text("please hurry");
    assert!(is_sent(talk.answered(window, "Get out and call 911.")));
    let newer = talk.state().window.clone().unwrap();
    assert_eq!(newer.deadline, Some(talk.now + TimeDelta::seconds(2)), "after it, quiet applies again");
}

#[test]
fn an_emergency_is_told_once_and_bypasses_the_timer_once() {
    let mut talk = Talk::new();
    talk.text("Gas leak in house!");
    let window = talk.state().answering.clone().unwrap().window_id;
    talk.answered(window, "Get out.");
    talk.report(0, accepted());
    let decision = talk.later(5.0).text("gas leak is getting worse").clone();
    assert!(!events(&decision).contains(&"emergency.detected"));
    assert!(!is_analyzed(&decision) && talk.deadline().is_some());
}

#[test]
fn without_an_answer_in_time_the_emergency_text_goes_out_whatever_went_out_before() {
    let mut talk = Talk::new();
    talk.text("my sink is blocked");
    let window_id = talk.close_window();
    talk.apply(&Input::AnalysisFailed { window_id, reason: "timed_out".into() });
    talk.report(0, accepted());
    talk.later(10.0).text("the pipe burst");
    let window_id = talk.state().answering.clone().unwrap().window_id;
    let decision = talk.apply(&Input::AnalysisFailed { window_id, reason: "timed_out".into() }).clone();
    assert_eq!(decision.messages[0].kind, MessageKind::Emergency);
    assert!(decision.messages[0].body.contains("911"));
    assert_eq!(event_data(&decision, EventType::NeedsAttention)["reason"], "timed_out");
}

#[test]
fn a_business_has_its_own_words_for_an_emergency() {
    let mut talk = Talk::new();
    talk.business.templates.emergency = Some("Joe is on his way!".into());
    talk.text("the pipe burst");
    let window_id = talk.state().answering.clone().unwrap().window_id;
    let decision = talk.apply(&Input::AnalysisFailed { window_id, reason: "timed_out".into() });
    assert_eq!(decision.messages[0].body, "Joe is on his way!");
}

#[test]
fn while_a_person_owns_the_conversation_the_customer_hears_nothing_from_us() {
    let mut talk = Talk::new();
    talk.text("my sink is blocked");
    talk.apply(&Input::UserTookOver { user_id: "u1".into(), reason: "mine".into() });
    let decision = talk.text("basement is flooding").clone();
    assert!(events(&decision).contains(&"emergency.detected"));
    assert!(!is_analyzed(&decision));
    assert_eq!(talk.deadline(), None);
}

#[test]
fn who_has_opted_out_is_not_answered_in_an_emergency_either() {
    let mut talk = Talk::new();
    talk.text("STOP");
    let decision = talk.text("basement is flooding").clone();
    assert!(!is_analyzed(&decision));
    assert_eq!(event_data(&decision, EventType::NeedsAttention)["reason"], "opted_out");
}

#[test]
fn a_second_emergency_text_leaves_the_answer_to_the_first_alone() {
    let mut talk = Talk::new();
    talk.text("Gas leak in house!");
    let window = talk.state().answering.clone().unwrap().window_id;
    talk.later(0.5).text("GAS LEAK!!! hurry");
    let decision = talk.answered(window, "Get out and call 911.").clone();
    assert!(is_sent(&decision));
    assert_eq!(decision.messages[0].fence.unwrap().hard_epoch, talk.state().hard_epoch);
}

#[test]
fn dispatchbots_verdict_counts_though_its_answer_is_unfit() {
    let mut talk = Talk::new();
    talk.text("it is all over the floor");
    let window_id = talk.close_window();
    let answer = Answer { emergency_detected: true, confidence: 0.1, ..answer("Hm.") };
    let decision = talk.apply(&Input::AnalysisReady { window_id, answer }).clone();
    assert!(events(&decision).contains(&"emergency.detected"));
    assert_eq!(decision.messages.last().unwrap().kind, MessageKind::Emergency);
}
