//! A customer that is another business: the AI answers once a day, then a person must. An emergency is reported in any
//! case.

use super::*;

/// A conversation with another business, which the AI answered this many seconds ago.
fn answered_before(seconds: Option<i64>) -> Talk {
    let mut talk = Talk::new();
    talk.business.alert_numbers = vec!["+12125550001".parse().unwrap()];
    let answered_at = seconds.map(|seconds| talk.now - TimeDelta::seconds(seconds));
    talk.other_business = Some(OtherBusiness { answered_at });
    talk
}

#[test]
fn its_first_text_is_answered_as_any_customers() {
    let mut talk = answered_before(None);
    talk.text("my sink is blocked");
    let window = talk.close_window();
    assert!(is_analyzed(talk.last.as_ref().unwrap()));
    assert!(is_sent(talk.answered(window, "We can help.")));
}

#[rstest::rstest]
#[case::within_a_day(23 * 3_600, false)]
#[case::a_day_later(24 * 3_600, true)]
fn its_next_one_is_a_persons_for_a_day(#[case] ago: i64, #[case] answered: bool) {
    let mut talk = answered_before(Some(ago - 60)); // the window takes a minute
    talk.text("thanks, we received your message");
    talk.close_window();
    let decision = talk.last.clone().unwrap();
    assert_eq!(is_analyzed(&decision), answered);
    if !answered {
        assert_eq!(windows(&decision), [(WindowState::HandedOver, "other_business")]);
        assert_eq!(event_data(&decision, EventType::NeedsAttention)["reason"], "other_business");
        assert!(talk.state().window.is_none() && talk.state().answering.is_none());
    }
}

#[rstest::rstest]
#[case::with_an_answer(true)]
#[case::without_one(false)]
fn an_answer_that_another_conversation_was_quicker_with_is_not_sent_twice(#[case] bot_answers: bool) {
    let mut talk = answered_before(None);
    talk.text("my sink is blocked");
    let window = talk.close_window();
    talk.other_business = Some(OtherBusiness { answered_at: Some(talk.now) });
    let decision = if bot_answers {
        talk.answered(window, "We can help.").clone()
    } else {
        talk.apply(&Input::AnalysisFailed { window_id: window, reason: AnalysisReason::TimedOut }).clone()
    };
    assert!(!is_sent(&decision));
    assert_eq!(windows(&decision), [(WindowState::HandedOver, "other_business")]);
    assert_eq!(event_data(&decision, EventType::NeedsAttention)["reason"], "other_business");
    assert!(talk.state().answering.is_none());
}

#[test]
fn an_emergency_is_told_and_who_is_in_danger_is_told_how_to_get_safe_whatever_was_said_before() {
    let mut talk = answered_before(Some(60));
    let decision = talk.text("I smell gas").clone();
    assert!(events(&decision).contains(&"emergency.detected"));
    let kinds: Vec<_> = decision.messages.iter().map(|message| message.kind).collect();
    assert_eq!(kinds, [MessageKind::Alert, MessageKind::Notice, MessageKind::Customer]);
    assert!(!is_analyzed(&decision), "a person answers");
    assert_eq!(windows(&decision).last(), Some(&(WindowState::HandedOver, "other_business")));
}

#[test]
fn its_first_emergency_is_answered_at_once() {
    let mut talk = answered_before(None);
    let decision = talk.text("I smell gas").clone();
    assert!(is_analyzed(&decision) && is_sent(&decision));
}

#[test]
fn what_dispatchbot_alone_sees_is_told_even_where_its_answer_is_not_sent() {
    let mut talk = answered_before(None);
    talk.text("can you have a look at something");
    let window = talk.close_window();
    talk.other_business = Some(OtherBusiness { answered_at: Some(talk.now) });
    let answer = Answer { emergency_detected: true, ..answer("We are on our way.") };
    let decision = talk.apply(&Input::AnalysisReady { window_id: window, answer }).clone();
    assert!(events(&decision).contains(&"emergency.detected"));
    assert!(decision.messages.iter().all(|message| message.kind == MessageKind::Alert));
}

#[test]
fn a_call_of_another_business_is_told_that_it_was_missed() {
    assert!(is_sent(answered_before(Some(60)).call_missed()));
}

/// Two servers that answer everything: the answer of each is a text to the other.
#[rstest::rstest]
#[case::about_a_sink("my sink is blocked")]
#[case::about_gas("I smell gas")]
fn two_businesses_that_answer_each_other_come_to_an_end(#[case] first: &str) {
    let mut talks = [answered_before(None), answered_before(None)];
    let mut said = std::collections::VecDeque::from([(0, first.to_owned())]);
    let mut texts = 0;
    while let Some((at, body)) = said.pop_front() {
        texts += 1;
        assert!(texts < 20, "they never stop: {body}");
        let talk = &mut talks[at];
        talk.later(5.0);
        let mut decisions = vec![talk.text(&body).clone()];
        if talk.state().window.is_some() {
            talk.close_window();
            decisions.push(talk.last.clone().unwrap());
        }
        if let Some(answering) = talk.state().answering.clone().filter(|a| a.phase == Phase::Analyzing) {
            decisions.push(talk.answered(answering.window_id, "If you smell gas, get out. When may we come?").clone());
        }
        for message in decisions.iter().flat_map(|decision| &decision.messages) {
            match message.kind {
                MessageKind::Reply => talk.other_business = Some(OtherBusiness { answered_at: Some(talk.now) }),
                MessageKind::Notice => {}
                _ => continue,
            }
            said.push_back((1 - at, message.body.clone()));
        }
    }
}
