//! Emergencies: they do not wait for a window.

use rstest::rstest;

use super::*;

#[test]
fn an_emergency_closes_its_window_at_once() {
    let mut talk = Talk::new();
    let decision = talk.text("Gas leak in house!").clone();
    assert!(decision.effects.iter().any(|e| matches!(e, Effect::Analyze { priority: Priority::Urgent, .. })));
    assert!(!decision.effects.iter().any(|e| matches!(e, Effect::ArmTimer { .. })), "there is no timer to wait for");
    assert_eq!(windows(&decision), [(WindowState::Open, "message"), (WindowState::Claimed, "emergency")]);
    assert!(events(&decision).contains(&"conversation.ai_timer_started"));
    assert_eq!(event_data(&decision, EventType::EmergencyDetected)["rule"], "gas_leak");
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
    assert!(is_dropped(talk.answered(window, "We can come on Friday.")));
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
    talk.apply(&Input::AnalysisFailed { window_id, reason: AnalysisReason::TimedOut });
    talk.report(0, accepted());
    talk.later(10.0).text("the pipe burst");
    let window_id = talk.state().answering.clone().unwrap().window_id;
    let decision = talk.apply(&Input::AnalysisFailed { window_id, reason: AnalysisReason::TimedOut }).clone();
    assert_eq!(decision.messages[0].kind, MessageKind::Emergency);
    assert!(decision.messages[0].body.contains("911"));
    assert_eq!(event_data(&decision, EventType::NeedsAttention)["reason"], "timed_out");
}

#[test]
fn a_business_has_its_own_words_for_an_emergency() {
    let mut talk = Talk::new();
    talk.business.templates.en.emergency = Some("Joe is on his way!".into());
    talk.text("the pipe burst");
    let window_id = talk.state().answering.clone().unwrap().window_id;
    let decision = talk.apply(&Input::AnalysisFailed { window_id, reason: AnalysisReason::TimedOut });
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
    talk.text("can you come and look at the heater");
    let window_id = talk.close_window();
    let answer = Answer { emergency_detected: true, confidence: Some(0.1), ..answer("Hm.") };
    let decision = talk.apply(&Input::AnalysisReady { window_id, answer }).clone();
    assert!(events(&decision).contains(&"emergency.detected"));
    assert_eq!(decision.messages.last().unwrap().kind, MessageKind::Emergency);
}

/// The safety notices of a decision.
fn notices(decision: &Decision) -> Vec<&str> {
    decision.messages.iter().filter(|m| m.kind == MessageKind::Notice).map(|m| m.body.as_str()).collect()
}

#[rstest]
#[case::gas("I smell gas in the kitchen", &["gas", "911", "get everyone out"])]
#[case::gas_in_spanish("huele a gas en la cocina", &["gas", "911", "salgan todos"])]
#[case::carbon_monoxide("the carbon monoxide alarm is going off", &["carbon monoxide", "911"])]
#[case::fire("electrical fire in kitchen", &["fire", "911"])]
fn who_is_in_danger_of_life_is_told_how_to_get_safe(#[case] text: &str, #[case] parts: &[&str]) {
    let mut talk = Talk::new();
    let decision = talk.text(text).clone();
    let [notice] = notices(&decision)[..] else { panic!("no notice: {:?}", decision.messages) };
    parts.iter().for_each(|part| assert!(notice.contains(part), "{part}: {notice}"));
    assert!(is_analyzed(&decision), "it is beside the window's answer");
    let window = talk.state().answering.clone().unwrap().window_id;
    assert!(is_sent(talk.answered(window, "We are on our way.")));
}

#[test]
fn other_emergencies_have_no_notice() {
    assert!(notices(Talk::new().text("basement is flooding")).is_empty());
}

#[test]
fn a_takeover_holds_a_notice_back_and_another_text_does_not() {
    let mut talk = Talk::new();
    talk.text("I smell gas in the kitchen");
    let fence = talk.last.as_ref().unwrap().messages[0].fence.unwrap();
    talk.text("please hurry");
    assert!(fence.hard_epoch == talk.state().hard_epoch && fence.exempt_at <= talk.now);
    talk.apply(&Input::UserTookOver { user_id: "u1".into(), reason: "mine".into() });
    assert_ne!(fence.hard_epoch, talk.state().hard_epoch);
}

#[test]
fn a_notice_that_waits_is_not_held_back_by_another_danger() {
    let mut talk = Talk::new();
    talk.text("I smell gas in the kitchen");
    let fence = talk.last.as_ref().unwrap().messages[0].fence.unwrap();
    let decision = talk.later(0.5).text("now there is smoke and fire").clone();
    assert_eq!(notices(&decision).len(), 1, "the other danger has its own");
    assert!(fence.hard_epoch == talk.state().hard_epoch && fence.exempt_at <= talk.now);
}

#[test]
fn who_may_not_be_written_to_is_told_through_the_alert() {
    let alert = |talk: &mut Talk| {
        talk.business.alert_numbers = vec!["+15555552222".parse().unwrap()];
        let decision = talk.text("I smell gas in the kitchen").clone();
        assert!(notices(&decision).is_empty());
        decision.messages.iter().find(|m| m.kind == MessageKind::Alert).unwrap().body.clone()
    };
    let mut owned = Talk::new();
    owned.text("my sink is blocked");
    owned.apply(&Input::UserTookOver { user_id: "u1".into(), reason: "mine".into() });
    let mut out = Talk::new();
    out.text("STOP");
    for talk in [&mut owned, &mut out] {
        let alert = alert(talk);
        assert!(alert.contains("did NOT tell them") && alert.contains("911"), "{alert}");
    }
}

#[test]
fn a_danger_that_is_new_is_told_at_once() {
    let mut talk = Talk::new();
    talk.business.alert_numbers = vec!["+15555552222".parse().unwrap()];
    talk.text("basement is flooding");
    let decision = talk.later(60.0).text("and now I smell gas").clone();
    assert!(events(&decision).contains(&"emergency.detected") && notices(&decision).len() == 1);
    assert!(decision.messages.iter().any(|message| message.kind == MessageKind::Alert));
    assert!(!events(talk.later(5.0).text("I still smell gas")).contains(&"emergency.detected"));
}

#[test]
fn what_several_texts_of_a_window_tell_adds_up() {
    let mut talk = Talk::new();
    let first = talk.text("water heater").clone();
    assert!(!is_analyzed(&first) && first.messages[0].verdict.is_none());
    let second = talk.later(5.0).text("it's all over the floor").clone();
    assert!(is_analyzed(&second), "{second:?}");
    assert!(
        second.messages.iter().any(|message| message.verdict.is_some()),
        "it is kept with the text that completes it"
    );
}

#[test]
fn a_verdict_is_kept_with_the_text_that_tells_it_and_not_with_the_next() {
    let mut talk = Talk::new();
    talk.text("my sink is blocked");
    talk.apply(&Input::UserTookOver { user_id: "u1".into(), reason: "mine".into() });
    let verdict = |decision: &Decision| decision.messages[0].verdict.as_ref().map(|kept| kept.accepted);
    assert_eq!(verdict(talk.text("basement is flooding")), Some(true));
    assert_eq!(verdict(talk.later(3600.0).text("thanks")), None);
    assert!(!events(talk.last.as_ref().unwrap()).contains(&"emergency.detected"));
}

#[test]
fn a_business_that_takes_no_emergencies_has_ordinary_texts_unless_it_is_about_life() {
    let mut talk = Talk::new();
    talk.business.accepts_emergencies = false;
    let flood = talk.text("basement is flooding").clone();
    assert!(!is_analyzed(&flood) && !talk.state().emergency_detected);
    assert_eq!(flood.messages[0].verdict.as_ref().map(|kept| kept.accepted), Some(false));
    let gas = talk.text("I smell gas in the kitchen").clone();
    assert!(is_analyzed(&gas) && notices(&gas).len() == 1);
}

#[test]
fn dispatchbots_verdict_alone_is_enough_and_the_disagreement_is_told() {
    let mut talk = Talk::new();
    talk.text("can you come and look at the heater");
    let window_id = talk.close_window();
    let answer = Answer { urgency: Urgency::Emergency, ..answer("We are on our way.") };
    let decision = talk.apply(&Input::AnalysisReady { window_id, answer }).clone();
    let data = event_data(&decision, EventType::EmergencyDetected);
    assert_eq!((&data["by"], &data["disagreement"]), (&"dispatchbot".into(), &true.into()));
    assert_eq!(decision.disagreement, Some(Detector::DispatchBot));
}

#[test]
fn where_dispatchbot_sees_none_it_stays_one_and_the_disagreement_is_told() {
    let mut talk = Talk::new();
    talk.text("basement is flooding");
    let window = talk.state().answering.clone().unwrap().window_id;
    let decision = talk.answered(window, "We can come on Friday.").clone();
    let data = event_data(&decision, EventType::NeedsAttention);
    assert_eq!((&data["reason"], &data["by"]), (&"emergency_disagreement".into(), &"words".into()));
    assert_eq!(decision.disagreement, Some(Detector::Words));
    assert!(talk.state().emergency_detected);
}

#[test]
fn where_both_see_one_nobody_disagrees() {
    let mut talk = Talk::new();
    talk.text("basement is flooding");
    let window_id = talk.state().answering.clone().unwrap().window_id;
    let answer = Answer { emergency_detected: true, ..answer("We are on our way.") };
    let decision = talk.apply(&Input::AnalysisReady { window_id, answer }).clone();
    assert_eq!((decision.disagreement, events(&decision).len()), (None, 0));
}

#[test]
fn a_false_alarm_stops_the_alerts_and_the_next_emergency_is_told_again() {
    let mut talk = Talk::new();
    talk.business.alert_numbers = vec!["+15555552222".parse().unwrap(), "+15555553333".parse().unwrap()];
    talk.text("basement is flooding");
    let decision = talk.apply(&Input::FalseAlarm { user_id: "u1".into() }).clone();
    assert_eq!(decision.false_alarm.as_deref(), Some("u1"));
    assert_eq!((talk.state().emergency_detected, talk.state().urgency_level.as_deref()), (false, Some("normal")));
    assert!(talk.later(60.0).due().messages.is_empty());
    assert!(events(talk.text("the pipe burst")).contains(&"emergency.detected"));
}

#[test]
fn dispatchbot_does_not_contradict_who_called_it_a_false_alarm() {
    let mut talk = Talk::new();
    talk.text("basement is flooding");
    let window_id = talk.state().answering.clone().unwrap().window_id;
    talk.later(0.5).apply(&Input::FalseAlarm { user_id: "u1".into() });
    let answer = Answer { emergency_detected: true, ..answer("We are on our way.") };
    let decision = talk.later(0.5).apply(&Input::AnalysisReady { window_id, answer }).clone();
    assert!(is_sent(&decision) && !events(&decision).contains(&"emergency.detected"));
    assert!(!talk.state().emergency_detected);
}

#[test]
fn without_an_emergency_there_is_no_false_alarm() {
    let mut talk = Talk::new();
    talk.text("my sink is blocked");
    assert!(!talk.apply(&Input::FalseAlarm { user_id: "u1".into() }).changed);
}
