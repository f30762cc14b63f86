//! How conversations open, and the effects of a missed call.

use rstest::rstest;

use super::*;

#[test]
fn a_missed_call_opens_a_conversation_and_sends_the_text() {
    let mut talk = Talk::new();
    let decision = talk.call_missed().clone();
    assert_eq!(events(&decision), ["conversation.created", "call.missed"]);
    assert!(is_sent(&decision));
    assert!(decision.messages[0].body.starts_with("Hi! I missed your call"), "{}", decision.messages[0].body);
    let state = talk.state();
    assert_eq!((state.status, state.ownership), (Status::Active, Ownership::None));
    assert_eq!(state.call_id, Some(call_id("CA1")));
    assert!(!state.ai_timer_started && state.window.is_none());
}

#[test]
fn a_business_has_its_own_words_for_a_missed_call() {
    let mut talk = Talk::new();
    talk.business.templates.en.missed_call = Some("Sorry we missed you!".into());
    assert_eq!(talk.call_missed().messages[0].body, "Sorry we missed you!");
}

#[test]
fn a_customer_who_texts_without_having_called_gets_a_conversation() {
    let mut talk = Talk::new();
    let decision = talk.text("hello").clone();
    assert_eq!(events(&decision), ["conversation.created", "message.received", "conversation.ai_timer_started"]);
    assert!(talk.state().ai_timer_started && talk.state().call_id.is_none());
    assert_eq!(talk.state().ai_timer_started_at, Some(talk.start()));
}

#[rstest]
#[case::at_once(0.0, false)]
#[case::just_within_the_cool_down(1799.0, false)]
#[case::after_it(1800.0, true)]
fn a_caller_is_texted_once_within_the_cool_down(#[case] later: f64, #[case] texted: bool) {
    let mut talk = Talk::new();
    talk.call_missed();
    let decision = talk.later(later).call_missed().clone();
    assert_eq!(events(&decision), ["call.missed"]);
    assert_eq!(is_sent(&decision), texted);
}

#[rstest]
#[case::just_within_the_cool_down(1799, false)]
#[case::after_it(1800, true)]
fn the_cool_down_counts_from_the_text_of_any_number_of_the_business(#[case] ago: i64, #[case] texted: bool) {
    let mut talk = Talk::new();
    talk.missed_call_sms_at = Some(talk.now - TimeDelta::seconds(ago));
    assert_eq!(is_sent(talk.call_missed()), texted);
}

#[test]
fn a_missed_call_is_not_texted_while_a_person_owns_the_conversation() {
    let mut talk = Talk::new();
    talk.text("hello");
    talk.state.as_mut().unwrap().ownership = Ownership::User;
    assert!(!is_sent(talk.call_missed()));
}

#[rstest]
#[case::window_due(Input::WindowDue { complete_until: None })]
#[case::late_answer(Input::AnalysisReady { window_id: Uuid::nil(), answer: answer("late") })]
fn without_a_conversation_only_a_customer_opens_one(#[case] input: Input) {
    let talk = Talk::new();
    assert_eq!(decide(talk.context(), None, "input", &input, talk.now), None);
}

#[test]
fn events_of_a_conversation_are_numbered_without_a_gap() {
    let mut talk = Talk::new();
    let mut sequences = Vec::new();
    let mut keep = |decision: &Decision| {
        sequences.extend(decision.effects.iter().filter_map(|effect| match effect {
            Effect::Emit(event) => Some(event.sequence),
            _ => None,
        }));
    };
    keep(talk.call_missed());
    keep(talk.text("hello"));
    let window = talk.close_window();
    keep(talk.last.as_ref().unwrap());
    keep(talk.answered(window, "hi"));
    keep(talk.report(1, accepted()));
    assert_eq!(sequences, (1..=i64::try_from(sequences.len()).unwrap()).collect::<Vec<_>>());
}

#[test]
fn ids_differ_between_inputs_and_between_what_one_input_makes() {
    let ids = [
        derive_id("c", "i1", "message", 0),
        derive_id("c", "i1", "message", 1),
        derive_id("c", "i1", "window", 0),
        derive_id("c", "i2", "message", 0),
        derive_id("d", "i1", "message", 0),
    ];
    assert_eq!(ids.iter().collect::<std::collections::HashSet<_>>().len(), ids.len());
}
