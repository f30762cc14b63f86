//! The limits of a day.

use rstest::rstest;

use super::*;
use crate::domain::day_limits::Limit;

fn limited(limit: Limit, most: u32) -> Talk {
    let mut talk = Talk::new();
    *talk.policy.day_limits.of_mut(limit) = most;
    talk.business.alert_numbers = ["+15555550001", "+15555550002"].map(|number| number.parse().unwrap()).to_vec();
    talk
}

/// The next customer of the same business on the same day.
fn next_customer(talk: &mut Talk) {
    talk.state = None;
    talk.inputs += 100;
    talk.sent.clear();
}

fn alerts(decision: &Decision) -> usize {
    decision.messages.iter().filter(|message| message.kind == MessageKind::Alert).count()
}

fn limits_told(decision: &Decision) -> Vec<String> {
    let told = |effect: &Effect| match effect {
        Effect::Emit(event) => {
            let data = serde_json::to_value(&event.data).unwrap();
            (data["reason"] == "limit").then(|| data["limit"].as_str().unwrap().to_owned())
        }
        _ => None,
    };
    decision.effects.iter().filter_map(told).collect()
}

#[rstest]
#[case::texts(Limit::Texts)]
#[case::new_numbers(Limit::NewNumbers)]
fn beyond_the_limit_missed_calls_are_kept_and_a_person_is_told_once(#[case] limit: Limit) {
    let mut talk = limited(limit, 2);
    for _ in 0..2 {
        let decision = talk.call_missed().clone();
        assert!(is_sent(&decision) && limits_told(&decision).is_empty());
        next_customer(&mut talk);
    }
    let first = talk.call_missed().clone();
    assert!(!is_sent(&first) && events(&first).contains(&"call.missed"));
    assert_eq!(limits_told(&first), [limit.as_str()]);
    assert_eq!(first.stopped_by, [limit]);
    next_customer(&mut talk);
    let second = talk.call_missed().clone();
    assert!(!is_sent(&second) && limits_told(&second).is_empty());
    assert_eq!(second.stopped_by, [limit]);
}

#[rstest]
#[case::texts(Limit::Texts)]
#[case::new_numbers(Limit::NewNumbers)]
#[case::ai(Limit::Ai)]
fn beyond_the_limit_each_window_is_handed_over(#[case] limit: Limit) {
    let mut talk = limited(limit, 1);
    talk.text("my sink is blocked");
    talk.close_window();
    assert!(is_analyzed(talk.last.as_ref().unwrap()));
    for _ in 0..2 {
        next_customer(&mut talk);
        talk.text("my sink is blocked");
        talk.close_window();
        let decision = talk.last.as_ref().unwrap();
        assert!(!is_analyzed(decision));
        assert_eq!(windows(decision), [(WindowState::HandedOver, "limit")]);
        assert_eq!(limits_told(decision), [limit.as_str()], "this customer waits for an answer, too");
    }
}

#[test]
fn whoever_was_texted_before_is_no_new_number() {
    let mut talk = limited(Limit::NewNumbers, 1);
    talk.text("my sink is blocked");
    let window = talk.close_window();
    talk.answered(window, "We can help.");
    talk.report(0, accepted());
    talk.later(10.0).text("When?");
    talk.close_window();
    assert!(is_analyzed(talk.last.as_ref().unwrap()));
    talk.apply(&Input::Completed { user_id: "u1".into(), outcome: "done".into(), summary: None });
    assert!(is_sent(talk.later(90_000.0).call_missed()), "nor in the next conversation");
    assert_eq!(talk.day_use.used.new_numbers, 1);
}

#[test]
fn danger_to_life_is_answered_and_told_beyond_every_limit() {
    let mut talk = Talk::new();
    talk.policy.day_limits = DayLimits::default();
    talk.business.alert_numbers = ["+15555550001", "+15555550002"].map(|number| number.parse().unwrap()).to_vec();
    let decision = talk.text("I smell gas in the kitchen").clone();
    assert!(is_analyzed(&decision) && limits_told(&decision).is_empty());
    assert!(decision.messages.iter().any(|message| message.kind == MessageKind::Notice));
    assert_eq!(alerts(&decision), 1);
    assert_eq!(alerts(talk.later(60.0).due()), 1);
    assert_eq!(talk.day_use.used.alerts, 0);
}

#[test]
fn beyond_the_limit_an_ordinary_emergency_is_published_and_a_person_is_told_once() {
    let mut talk = limited(Limit::Alerts, 2);
    assert_eq!(alerts(talk.text("basement is flooding")), 1);
    assert_eq!(alerts(talk.later(60.0).due()), 1);
    for told in [vec!["alerts"], vec![]] {
        next_customer(&mut talk);
        let decision = talk.text("basement is flooding").clone();
        assert!(events(&decision).contains(&"emergency.detected") && is_analyzed(&decision));
        assert_eq!((alerts(&decision), limits_told(&decision)), (0, told.into_iter().map(str::to_owned).collect()));
        assert_eq!(talk.state().arm_at(), None, "no alert is due");
    }
}

#[test]
fn an_ordinary_emergency_beyond_the_limit_of_answers_is_handed_over_and_told() {
    let mut talk = limited(Limit::Ai, 0);
    let decision = talk.text("basement is flooding").clone();
    assert_eq!(alerts(&decision), 1);
    assert_eq!(windows(&decision), [(WindowState::Open, "message"), (WindowState::HandedOver, "limit")]);
    assert_eq!(limits_told(&decision), ["ai"]);
}

#[test]
fn one_sender_raises_six_emergencies_a_day_even_if_they_are_about_life() {
    let mut talk = limited(Limit::Alerts, 1_000);
    for number in 0..8 {
        let decision = talk.later(1_801.0).text("I smell gas in the kitchen").clone();
        let expected = if number < 6 { (1, vec![]) } else { (0, vec!["alerts"; usize::from(number == 6)]) };
        assert_eq!(
            (alerts(&decision), limits_told(&decision)),
            (expected.0, expected.1.into_iter().map(str::to_owned).collect())
        );
        assert!(decision.messages.iter().any(|message| message.kind == MessageKind::Notice), "no cap stops the notice");
    }
    assert_eq!(alerts(talk.later(86_400.0).text("I smell gas in the kitchen")), 1);
}

#[test]
fn an_alert_about_danger_to_life_is_never_bundled() {
    let mut talk = limited(Limit::Alerts, 10);
    let line = |decision: &Decision| {
        decision.messages.iter().find(|m| m.kind == MessageKind::Alert).unwrap().bundle_line.clone()
    };
    assert_eq!(line(talk.text("I smell gas in the kitchen")), None);
    next_customer(&mut talk);
    assert_eq!(line(talk.text("basement is flooding")).as_deref(), Some("+12125551234 (flooding)"));
    next_customer(&mut talk);
    talk.text("basement is flooding");
    assert_eq!(line(talk.text("and now I smell gas")), None, "it has become one");
}

#[test]
fn what_the_service_writes_was_counted() {
    let mut talk = limited(Limit::Texts, 10);
    talk.call_missed();
    talk.later(10.0).text("my sink is blocked");
    let window = talk.close_window();
    talk.answered(window, "We can help.");
    assert_eq!((talk.day_use.used.texts, talk.day_use.used.ai, talk.day_use.used.new_numbers), (2, 1, 1));
}
