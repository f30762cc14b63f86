//! ETags: what changes them, and which conditions hold.

use rstest::rstest;

use super::*;

fn take_over() -> Input {
    Input::UserTookOver { user_id: "u7".into(), reason: "mine".into() }
}

fn reply() -> Input {
    Input::UserReplied { user_id: "u7".into(), body: "On my way.".into() }
}

fn etag(talk: &Talk) -> String {
    Seen::of(talk.state()).etag()
}

#[rstest]
#[case::a_takeover(take_over(), &[Newer::Ownership])]
#[case::a_message_of_a_person(reply(), &[Newer::Ownership])]
#[case::the_end(Input::Completed { user_id: "u7".into(), outcome: "booked".into(), summary: None }, &[Newer::Ownership])]
#[case::the_ai_takes_it(Input::WindowDue { complete_until: None }, &[Newer::Ownership])]
#[case::a_release_of_what_nobody_owns(Input::Released { user_id: "u7".into() }, &[])]
#[case::a_false_alarm(Input::FalseAlarm { user_id: "u7".into() }, &[])]
#[case::an_answered_call(Input::CallAnswered(AnsweredCall { call_sid: "CA2".into(), customer: customer(), business_phone: business() }), &[])]
fn an_etag_changes_with_the_ownership(#[case] input: Input, #[case] newer: &[Newer]) {
    let mut talk = Talk::new();
    talk.text("my sink is blocked");
    let before = IfMatch::parse(&etag(&talk)).unwrap();
    assert!(before.holds(talk.state()));
    talk.later(91.0).apply(&input);
    assert_eq!(before.holds(talk.state()), newer.is_empty());
    assert_eq!(Seen::of(talk.state()).changed_since(&before), newer);
}

#[test]
fn every_message_of_the_customer_changes_it_and_no_report_does() {
    let mut talk = Talk::new();
    talk.text("my sink is blocked");
    let window = talk.close_window();
    talk.answered(window, "We can help.");
    let before = etag(&talk);
    talk.report(0, accepted());
    let status = DeliveryStatus::Delivered;
    talk.report(0, MessageReport::Delivery { twilio_sid: "SMx".into(), status, error_code: None, why: None });
    talk.text("Liked “We can help.”");
    assert_eq!(etag(&talk), before);
    let mut earlier = before;
    for (n, body) in ["and the tub", "HELP", "STOP", "please stop texting me so much"].into_iter().enumerate() {
        // Also one that arrives late.
        let received_at = talk.start() - TimeDelta::seconds(i64::try_from(n).unwrap());
        talk.text_stamped(body, received_at);
        let condition = IfMatch::parse(&earlier).unwrap();
        assert_eq!(Seen::of(talk.state()).changed_since(&condition), [Newer::Message], "{body}");
        earlier = etag(&talk);
    }
}

#[test]
fn no_state_comes_again() {
    let mut talk = Talk::new();
    talk.text("my sink is blocked");
    let mut tags = vec![etag(&talk)];
    for _ in 0..3 {
        for input in [take_over(), reply(), Input::Released { user_id: "u7".into() }] {
            talk.apply(&input);
            assert!(!tags.contains(&etag(&talk)), "{tags:?}");
            tags.push(etag(&talk));
        }
    }
}

#[rstest]
#[case::the_tag("\"TAG\"", true)]
#[case::any("*", true)]
#[case::any_with_spaces(" * ", true)]
#[case::one_of_several("\"a\", \"TAG\"", true)]
#[case::with_empty_elements(", ,\"TAG\" ,", true)]
#[case::a_comma_in_another_tag("\"a,b\",\"TAG\"", true)]
#[case::weak("W/\"TAG\"", false)]
#[case::weak_among_others("\"a\", W/\"TAG\"", false)]
#[case::another("\"a\"", false)]
#[case::of_nothing("\"\"", false)]
fn conditions_hold_as_rfc_9110_says(#[case] value: &str, #[case] holds: bool) {
    let mut talk = Talk::new();
    talk.text("my sink is blocked");
    let tag = etag(&talk);
    let condition = IfMatch::parse(&value.replace("TAG", tag.trim_matches('"'))).unwrap();
    assert_eq!(condition.holds(talk.state()), holds, "{condition:?}");
    let elsewhere = Conversation { id: Uuid::from_u128(7), ..talk.state().clone() };
    assert_eq!(condition.holds(&elsewhere), condition == IfMatch::Any);
}

#[rstest]
#[case::nothing("")]
#[case::only_commas(", ,")]
#[case::without_quotes("a1b2.3.7")]
#[case::not_closed("\"a1b2.3.7")]
#[case::a_star_in_a_list("\"a\", *")]
#[case::no_comma("\"a\" \"b\"")]
#[case::a_space_in_a_tag("\"a b\"")]
#[case::small_w("w/\"a\"")]
fn what_is_no_condition_is_refused(#[case] value: &str) {
    assert!(IfMatch::parse(value).is_err());
    assert!(IfMatch::parse(&["\"a\""; 33].join(",")).is_err());
}
