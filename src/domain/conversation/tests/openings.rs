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

fn missed_call_of(talk: &mut Talk, caller: &str, verification_failed: bool) -> Decision {
    let call = MissedCall {
        call_id: call_id("CA1"),
        call_sid: "CA1".into(),
        dial_status: "no-answer".into(),
        customer: caller.parse().unwrap(),
        business_phone: business(),
        own_account: None,
        verification_failed,
        recovered: false,
    };
    talk.apply(&Input::CallMissed(call)).clone()
}

/// Jamaica is not the USA, though both begin with +1. The called number is fictitious, of no region: the main region of its
/// country code counts.
#[rstest]
#[case::new_york("+12125551234", None, None)]
#[case::jamaica("+18765551234", None, Some("region"))]
#[case::toronto("+14165551234", None, Some("region"))]
#[case::toronto_is_allowed("+14165551234", Some(&["US", "CA"][..]), None)]
#[case::new_york_is_not("+12125551234", Some(&["CA"][..]), Some("region"))]
#[case::london("+442079460000", None, Some("region"))]
#[case::fictitious("+15555550199", None, None)]
#[case::of_no_known_region("+15555550199", Some(&["CA"][..]), None)]
#[case::a_satellite("+881612345678", None, Some("costly_number"))]
#[case::premium_rate_is_never_allowed("+449098765432", Some(&["GB"][..]), Some("costly_number"))]
fn callers_of_the_business_s_own_region_are_texted_and_of_others_told(
    #[case] caller: &str,
    #[case] regions: Option<&[&str]>,
    #[case] reason: Option<&str>,
) {
    let mut talk = Talk::new();
    let parsed = |regions: &[&str]| regions.iter().map(|region| region.parse().unwrap()).collect();
    talk.business.policy.regions = regions.map(parsed);
    let decision = missed_call_of(&mut talk, caller, false);
    assert_eq!(is_sent(&decision), reason.is_none());
    assert!(events(&decision).contains(&"call.missed"), "it is kept");
    if let Some(reason) = reason {
        assert_eq!(event_data(&decision, EventType::NeedsAttention)["reason"], reason);
    }
}

#[rstest]
#[case::by_default(None, true)]
#[case::allowed(Some(true), true)]
#[case::not_allowed(Some(false), false)]
fn a_caller_whose_number_the_carriers_could_not_confirm_is_texted_unless_the_business_says_no(
    #[case] text_unverified: Option<bool>,
    #[case] texted: bool,
) {
    let mut talk = Talk::new();
    talk.business.policy.text_unverified = text_unverified;
    let decision = missed_call_of(&mut talk, "+12125551234", true);
    assert_eq!(is_sent(&decision), texted);
    if !texted {
        assert_eq!(event_data(&decision, EventType::NeedsAttention)["reason"], "unverified_caller");
    }
    assert!(is_sent(&missed_call_of(&mut Talk::new(), "+12125551234", false)));
}
