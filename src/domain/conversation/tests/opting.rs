//! Opting out of texts and back in.

use rstest::rstest;

use super::*;

#[test]
fn a_stop_is_kept_entered_and_never_answered() {
    let mut talk = Talk::new();
    talk.text("my sink is blocked");
    let decision = talk.later(1.0).text("STOP").clone();
    assert_eq!(events(&decision), ["message.received", "conversation.opted_out"]);
    assert_eq!(decision.ledger, Some(LedgerChange::Out { by: "word".into(), at: talk.now }));
    assert_eq!(windows(&decision), [(WindowState::HandedOver, "opted_out")]);
    assert_eq!((decision.messages.len(), decision.messages[0].window_id), (1, None));
    assert!(talk.state().opted_out && talk.state().window.is_none());
    assert!(!talk.later(100.0).due().changed);
}

#[test]
fn a_stop_drops_the_answer_under_way() {
    let mut talk = Talk::new();
    talk.text("my sink is blocked");
    let window = talk.close_window();
    talk.text("stop");
    assert!(is_dropped(talk.later(500.0).answered(window, "We can help.")));
}

#[test]
fn a_stop_holds_back_the_reply_that_waits() {
    let mut talk = Talk::new();
    talk.text("my sink is blocked");
    let window = talk.close_window();
    talk.answered(window, "We can help.");
    talk.text("please stop texting me");
    assert_eq!(talk.sent[0].status, MessageStatus::Superseded);
}

#[test]
fn a_second_stop_is_kept_and_told_no_more() {
    let mut talk = Talk::new();
    talk.text("STOP");
    let decision = talk.text("STOP").clone();
    assert_eq!(events(&decision), ["message.received"]);
    assert_eq!(decision.ledger, None);
}

#[test]
fn what_one_writes_who_is_out_goes_to_a_person() {
    let mut talk = Talk::new();
    talk.text("STOP");
    let decision = talk.text("actually, what would it cost?").clone();
    assert_eq!(events(&decision), ["message.received", "conversation.needs_attention"]);
    assert_eq!(event_data(&decision, EventType::NeedsAttention)["reason"], "opted_out");
    assert!(talk.state().window.is_none());
}

#[rstest]
#[case::start("START")]
#[case::unstop("UNSTOP")]
#[case::yes("yes")]
fn one_who_is_out_gets_back_in_without_an_answer(#[case] word: &str) {
    let mut talk = Talk::new();
    talk.text("STOP");
    let decision = talk.text(word).clone();
    assert_eq!(events(&decision), ["message.received", "conversation.opted_in"]);
    assert_eq!(decision.ledger, Some(LedgerChange::In));
    assert!(!talk.state().opted_out && talk.state().window.is_none());
    talk.text("my sink is blocked");
    assert!(talk.deadline().is_some(), "and is answered again");
}

#[rstest]
#[case::start("START", &["message.received"])]
#[case::yes_which_was_an_answer_then("yes", &["message.received", "conversation.needs_attention"])]
fn a_word_that_comes_late_does_not_undo_a_newer_stop(#[case] word: &str, #[case] told: &[&str]) {
    let mut talk = Talk::new();
    let before = talk.now;
    talk.later(5.0).text("please stop texting me");
    let decision = talk.later(1.0).text_stamped(word, before).clone();
    assert_eq!((events(&decision), &decision.ledger), (told.to_vec(), &None));
    assert!(talk.state().opted_out && talk.state().window.is_none());
    assert_eq!(talk.later(1.0).text("START").ledger, Some(LedgerChange::In));
}

#[test]
fn a_stop_that_comes_late_does_not_undo_a_newer_start() {
    let mut talk = Talk::new();
    let before = talk.now;
    talk.later(5.0).text("START");
    let decision = talk.later(1.0).text_stamped("STOP", before).clone();
    assert_eq!((events(&decision), &decision.ledger), (vec!["message.received"], &None));
    assert!(!talk.state().opted_out);
}

#[test]
fn who_opts_in_by_another_number_of_the_business_is_answered_by_this_one() {
    let mut talk = Talk::new();
    talk.text("STOP");
    talk.opted_out_at = None; // START went to the other number
    talk.text("my sink is blocked");
    assert!(!talk.state().opted_out && talk.deadline().is_some());
}

#[test]
fn a_second_stop_counts_from_its_own_moment() {
    let mut talk = Talk::new();
    talk.text("STOP");
    let between = talk.later(5.0).now;
    let decision = talk.later(5.0).text("STOP").clone();
    assert_eq!(decision.ledger, Some(LedgerChange::Out { by: "word".into(), at: talk.now }));
    assert_eq!(events(&decision), ["message.received"]);
    assert_eq!(talk.text_stamped("START", between).ledger, None);
}

#[test]
fn yes_is_an_everyday_answer_of_one_who_is_not_out() {
    let mut talk = Talk::new();
    talk.text("yes");
    assert!(talk.state().window.is_some());
}

#[test]
fn help_is_twilios_to_answer_and_leaves_an_answer_under_way_alone() {
    let mut talk = Talk::new();
    talk.text("my sink is blocked");
    let window = talk.close_window();
    let decision = talk.text("HELP").clone();
    let expected = vec!["message.received", "conversation.needs_attention"];
    assert_eq!((events(&decision), decision.messages[0].window_id), (expected, None));
    assert!(is_sent(talk.answered(window, "We can help.")));
}

#[test]
fn a_conversation_of_one_who_is_out_begins_knowing_it() {
    let mut talk = Talk::new();
    talk.opted_out_at = Some(talk.now);
    let decision = talk.call_missed().clone();
    assert!(!is_sent(&decision));
    assert!(talk.state().opted_out);
    assert!(!talk.apply(&Input::UserReplied { user_id: "u1".into(), body: "hi".into() }).changed);
}

#[test]
fn a_carriers_refusal_enters_the_ledger() {
    let mut talk = Talk::new();
    talk.call_missed();
    let decision = talk.report(0, MessageReport::Rejected { code: Some(21610), why: "opted out".into() }).clone();
    assert_eq!(events(&decision), ["message.failed", "conversation.needs_attention", "conversation.opted_out"]);
    assert_eq!(decision.ledger, Some(LedgerChange::Out { by: "carrier".into(), at: talk.sent[0].created_at }));
}

#[rstest]
#[case::failed(DeliveryStatus::Failed)]
#[case::undelivered(DeliveryStatus::Undelivered)]
fn a_carriers_refusal_that_comes_late_enters_the_ledger_too(#[case] status: DeliveryStatus) {
    let mut talk = Talk::new();
    talk.call_missed();
    talk.report(0, accepted());
    let report = MessageReport::Delivery { twilio_sid: "SMx".into(), status, error_code: Some(21610), why: None };
    let decision = talk.later(5.0).report(0, report.clone()).clone();
    assert_eq!(events(&decision), ["message.failed", "conversation.needs_attention", "conversation.opted_out"]);
    assert_eq!(decision.ledger, Some(LedgerChange::Out { by: "carrier".into(), at: talk.sent[0].created_at }));
    assert!(talk.state().opted_out);
    assert!(!talk.report(0, report).changed, "once");
}

#[test]
fn a_carriers_refusal_of_before_a_start_undoes_nothing() {
    let mut talk = Talk::new();
    talk.call_missed();
    talk.report(0, accepted());
    talk.later(5.0).text("START");
    let (status, error_code) = (DeliveryStatus::Failed, Some(21610));
    let report = MessageReport::Delivery { twilio_sid: "SMx".into(), status, error_code, why: None };
    assert_eq!(talk.later(5.0).report(0, report).ledger, None);
}

#[test]
fn a_sentence_tells_a_person_for_nobody_else_answers_it() {
    let mut talk = Talk::new();
    let decision = talk.text("don't text me, call me").clone();
    assert!(events(&decision).ends_with(&[
        "message.received",
        "conversation.opted_out",
        "conversation.needs_attention"
    ]));
    assert_eq!(event_data(&decision, EventType::NeedsAttention)["reason"], "opted_out_call_them");
}
