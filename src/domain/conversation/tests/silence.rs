//! Texts that are opt-outs, or may be, and report an emergency: one reading never suppresses another.

use rstest::rstest;

use super::*;

fn talk_with_contacts() -> Talk {
    let mut talk = Talk::new();
    talk.business.alert_numbers =
        ["+15555552222", "+15555553333", "+15555554444"].iter().map(|number| number.parse().unwrap()).collect();
    talk
}

/// The recipients and texts of a decision's alerts.
fn alerts(decision: &Decision) -> Vec<(String, String)> {
    let alerts = decision.messages.iter().filter(|message| message.kind == MessageKind::Alert);
    alerts.map(|alert| (alert.recipient.as_ref().unwrap().to_string(), alert.body.clone())).collect()
}

fn alert(decision: &Decision) -> String {
    let [(_, text)] = &alerts(decision)[..] else { panic!("not one alert: {:?}", decision.messages) };
    text.clone()
}

/// The kinds of messages that a decision sends to the customer.
fn to_the_customer(decision: &Decision) -> Vec<MessageKind> {
    let ours = decision.messages.iter().filter(|message| message.kind != MessageKind::Customer);
    ours.filter(|message| message.recipient.is_none()).map(|message| message.kind).collect()
}

fn reasons(decision: &Decision) -> Vec<String> {
    let reasons = decision.effects.iter().filter_map(|effect| match effect {
        Effect::Emit(Event { data: EventData::NeedsAttention(data), .. }) => Some(data.reason.as_str()),
        _ => None,
    });
    reasons.map(str::to_owned).collect()
}

#[rstest]
#[case::gas("I smell gas, don't text me, call me", "did NOT tell them")]
#[case::fire("STOP TEXTING ME!!! my kitchen is on fire", "did NOT tell them")]
#[case::carbon_monoxide("carbon monoxide alarm is going off. do not text me", "did NOT tell them")]
#[case::water("basement is flooding, don't text me, call", "did NOT answer them")]
#[case::in_spanish("huele a gas en la cocina, no me escriban, llámenme", "did NOT tell them")]
fn an_opt_out_hides_no_emergency(#[case] words: &str, #[case] said: &str) {
    let mut talk = talk_with_contacts();
    let decision = talk.text(words).clone();
    assert!(events(&decision).contains(&"emergency.detected") && events(&decision).contains(&"conversation.opted_out"));
    assert_eq!(decision.ledger, Some(LedgerChange::Out { by: "sentence".into(), at: talk.now, note: None }));
    assert_eq!(reasons(&decision), ["opted_out_call_them"]);
    let text = alert(&decision);
    assert!(text.contains(said) && text.contains("want no texts") && text.contains("+12125551234"), "{text}");
    assert!(to_the_customer(&decision).is_empty() && !is_analyzed(&decision));
    assert!(decision.messages.iter().any(|message| message.verdict.is_some()), "and the verdict is kept");
    // Nobody takes over: the contacts get alerts, and the customer gets no message.
    let next = talk.later(60.0).due().clone();
    assert!(alert(&next).contains(said) && to_the_customer(&next).is_empty());
}

#[test]
fn what_a_text_completes_counts_though_it_opts_out() {
    let mut talk = talk_with_contacts();
    talk.text("water heater");
    let decision = talk.later(1.0).text("its all over the floor. don't text me, call me").clone();
    assert!(alert(&decision).contains("did NOT answer them"), "{:?}", decision.messages);
    assert_eq!(windows(&decision), [(WindowState::HandedOver, "opted_out")]);
}

#[rstest]
#[case::out("STOP", "want no texts")]
#[case::twilios_help("HELP", "did NOT answer them")]
#[case::twilios_start("START", "did NOT answer them")]
fn what_twilio_calls_a_word_hides_no_emergency(#[case] said: &str, #[case] told: &str) {
    let mut talk = talk_with_contacts();
    let body = "basement is flooding";
    let sms = InboundSms {
        twilio_sid: "SM1".into(),
        customer: customer(),
        business_phone: business(),
        own_account: None,
        body: body.into(),
        media: Vec::new(),
        opt_out_type: Some(said.into()),
        reading: crate::domain::emergency::read(body, None, &crate::domain::emergency::OwnPhrases::default()),
        received_at: talk.now,
        stream_sequence: 1,
        is_followed: false,
    };
    let decision = talk.apply(&Input::SmsReceived(sms)).clone();
    assert!(alert(&decision).contains(told), "{}", alert(&decision));
    assert!(to_the_customer(&decision).is_empty());
}

#[test]
fn who_is_out_and_says_so_again_is_still_heard() {
    let mut talk = talk_with_contacts();
    talk.text("STOP");
    let decision = talk.text("I smell gas! don't text me, call me").clone();
    assert_eq!(reasons(&decision), ["opted_out_call_them"]);
    assert!(alert(&decision).contains("did NOT tell them"));
}

#[test]
fn a_request_that_sounds_like_an_opt_out_is_an_emergency_like_any_other() {
    let mut talk = talk_with_contacts();
    let decision = talk.text("Stop sending me to voicemail!! my kitchen is on fire").clone();
    assert_eq!(decision.ledger, None);
    assert_eq!(to_the_customer(&decision), [MessageKind::Notice]);
    assert!(is_analyzed(&decision) && alert(&decision).contains("take the conversation over"));
}

#[test]
fn who_opts_out_while_people_are_told_changes_what_the_next_is_told() {
    let mut talk = talk_with_contacts();
    talk.text("basement is flooding");
    talk.later(1.0).text("STOP");
    let next = talk.later(60.0).due().clone();
    assert!(alert(&next).contains("NOT answer them any more"), "{}", alert(&next));
}

#[rstest]
#[case::by_the_opt_out(MessageReport::Superseded)]
#[case::by_twilio(MessageReport::Rejected { code: Some(21610), why: "opted out".into() })]
#[case::by_the_carrier(MessageReport::Delivery { twilio_sid: "SMx".into(), status: DeliveryStatus::Undelivered, error_code: Some(30003), why: None })]
#[case::for_all_that_is_known(MessageReport::Unknown)]
fn a_notice_that_does_not_reach_who_is_in_danger_is_told_once(#[case] report: MessageReport) {
    let mut talk = talk_with_contacts();
    talk.text("I smell gas");
    let notice = talk.sent.iter().position(|sent| sent.kind == MessageKind::Notice).unwrap();
    talk.later(0.1).text("STOP");
    let decision = talk.report(notice, report.clone()).clone();
    let [(owner, text)] = &alerts(&decision)[..] else { panic!("{:?}", decision.messages) };
    assert!(owner == "+15555552222" && text.contains("did NOT tell them"), "{text}");
    assert!(alerts(talk.report(notice, report)).is_empty(), "once");
    assert!(alert(talk.later(60.0).due()).contains("did NOT tell them"), "and whoever is next");
}

#[test]
fn a_notice_that_a_takeover_holds_back_is_the_persons() {
    let mut talk = talk_with_contacts();
    talk.text("I smell gas");
    let notice = talk.sent.iter().position(|sent| sent.kind == MessageKind::Notice).unwrap();
    talk.apply(&Input::UserTookOver { user_id: "u1".into(), reason: "mine".into() });
    assert!(alerts(talk.report(notice, MessageReport::Superseded)).is_empty());
}

#[test]
fn a_doubtful_text_is_not_entered_not_answered_and_handed_over_with_its_window() {
    let mut talk = Talk::new();
    talk.text("my sink is blocked");
    let decision = talk.later(1.0).text("stop it").clone();
    assert_eq!(
        (&decision.ledger, events(&decision)),
        (&None, vec!["message.received", "conversation.needs_attention"])
    );
    let data = event_data(&decision, EventType::NeedsAttention);
    assert_eq!(data["reason"], "possible_opt_out");
    assert_eq!(windows(&decision), [(WindowState::HandedOver, "possible_opt_out")]);
    assert_eq!(decision.messages[0].window_id, Some(decision.windows[0].id), "the two texts are in it");
    assert_eq!(data["window_id"], decision.windows[0].id.to_string());
    assert!(!talk.state().opted_out && talk.state().window.is_none());
    let fire = talk.later(200.0).due().clone();
    assert_eq!((events(&fire), fire.messages.len()), (vec!["conversation.waiting"], 0), "nothing automatic");
    talk.text("my sink is still blocked");
    assert!(talk.deadline().is_some(), "an ordinary text is answered again");
}

#[test]
fn a_doubtful_text_alone_has_a_window_for_the_record() {
    let mut talk = Talk::new();
    let decision = talk.text("wrong number").clone();
    assert_eq!(windows(&decision), [(WindowState::Open, "message"), (WindowState::HandedOver, "possible_opt_out")]);
    assert_eq!(talk.state().arm_at(), None);
}

#[test]
fn a_doubtful_text_stops_the_answer_under_way_and_what_waits() {
    let mut talk = Talk::new();
    talk.call_missed();
    talk.text("my sink is blocked");
    let window = talk.close_window();
    let decision = talk.later(0.5).text("stop calling me").clone();
    assert!(windows(&decision).contains(&(WindowState::HandedOver, "possible_opt_out")));
    assert!(is_dropped(talk.answered(window, "We can help.")));
    let fence = talk.last.as_ref().map(|_| talk.state().hard_epoch).unwrap();
    assert!(fence > 0, "and the missed-call text, should it still wait");
}

#[rstest]
#[case::life("Stop! I smell gas", &[MessageKind::Notice], "how to get safe")]
#[case::water("Stop! The basement is flooding", &[], "did NOT answer them")]
fn life_outweighs_doubt_and_nothing_else_does(#[case] words: &str, #[case] sent: &[MessageKind], #[case] told: &str) {
    let mut talk = talk_with_contacts();
    let decision = talk.text(words).clone();
    assert_eq!(decision.ledger, None);
    assert_eq!(to_the_customer(&decision), sent);
    assert!(alert(&decision).contains("may want no texts") && alert(&decision).contains(told), "{}", alert(&decision));
    assert_eq!(reasons(&decision), ["possible_opt_out"]);
    assert!(!is_analyzed(&decision) && talk.state().window.is_none());
}

#[test]
fn a_doubtful_text_holds_no_safety_notice_back() {
    let mut talk = talk_with_contacts();
    talk.text("I smell gas");
    let before = talk.state().hard_epoch;
    talk.later(0.2).text("stop it");
    assert_eq!(talk.state().hard_epoch, before, "the notice's fence still holds");
    let window = talk.state().answering.clone();
    assert_eq!(window, None, "the answer that was being asked for is not wanted any more");
}

#[test]
fn a_doubtful_text_of_one_who_is_out_is_like_any_other_of_theirs() {
    let mut talk = Talk::new();
    talk.text("STOP");
    let decision = talk.text("stop it").clone();
    assert_eq!(reasons(&decision), ["opted_out"]);
    assert!(decision.windows.is_empty());
}

#[test]
fn while_a_person_owns_the_conversation_a_doubtful_text_is_not_left_to_the_ai() {
    let mut talk = talk_with_contacts();
    talk.text("my sink is blocked");
    talk.apply(&Input::UserTookOver { user_id: "u1".into(), reason: "mine".into() });
    let decision = talk.text("Stop! I smell gas").clone();
    assert!(to_the_customer(&decision).is_empty(), "it is theirs to say");
    assert!(alert(&decision).contains("did NOT tell them"));
    talk.apply(&Input::Released { user_id: "u1".into() });
    assert_eq!(talk.state().window, None);
}
