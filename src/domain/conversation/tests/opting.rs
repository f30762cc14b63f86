//! Opting out of texts and back in.

use rstest::rstest;

use super::*;

#[test]
fn a_stop_is_kept_entered_and_never_answered() {
    let mut talk = Talk::new();
    talk.text("my sink is blocked");
    let decision = talk.later(1.0).text("STOP").clone();
    assert_eq!(events(&decision), ["message.received", "conversation.opted_out"]);
    assert_eq!(decision.ledger, Some(LedgerChange::Out { by: "word".into(), at: talk.now, note: None }));
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
    assert_eq!(decision.ledger, Some(LedgerChange::Out { by: "word".into(), at: talk.now, note: None }));
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
    assert_eq!(
        decision.ledger,
        Some(LedgerChange::Out { by: "carrier".into(), at: talk.sent[0].created_at, note: None })
    );
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
    assert_eq!(
        decision.ledger,
        Some(LedgerChange::Out { by: "carrier".into(), at: talk.sent[0].created_at, note: None })
    );
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

fn opt_out() -> Input {
    let note = Some("told Joe".to_owned());
    Input::OptOutRecorded { user_id: "joe".into(), source: OptOutSource::Phone, note }
}

fn opt_in() -> Input {
    Input::OptOutLifted { user_id: "joe".into(), proof: "the form of May 3".into() }
}

#[test]
fn an_opt_out_that_a_person_records_is_one_like_a_stop() {
    let mut talk = Talk::new();
    talk.text("my sink is blocked");
    let window = talk.close_window();
    talk.answered(window, "We can help.");
    talk.later(1.0).text("hello?");
    let decision = talk.later(1.0).apply(&opt_out()).clone();
    assert_eq!(events(&decision), ["conversation.opted_out"]);
    assert_eq!(event_data(&decision, EventType::OptedOut)["by"], "phone");
    let note = Some("told Joe".to_owned());
    assert_eq!(decision.ledger, Some(LedgerChange::Out { by: "phone".into(), at: talk.now, note }));
    assert_eq!(talk.sent[0].status, MessageStatus::Superseded, "what is not claimed yet stays");
    assert!(windows(&decision).contains(&(WindowState::HandedOver, "opted_out")));
    assert!(talk.state().opted_out && talk.state().window.is_none() && talk.state().answering.is_none());
    assert_eq!(talk.state().last_activity, talk.now);
    assert!(talk.later(1.0).call_missed().messages.is_empty());
}

#[test]
fn what_a_person_records_counts_after_a_word_that_was_stamped_by_a_clock_ahead() {
    let mut talk = Talk::new();
    talk.text("STOP");
    talk.later(60.0).text("START");
    talk.later(-30.0).apply(&opt_out());
    assert!(talk.state().opted_out && talk.opted_out_at.is_some());
    talk.later(-10.0).apply(&opt_in());
    assert!(!talk.state().opted_out && talk.opted_out_at.is_none());
}

#[test]
fn the_last_answer_of_a_conversation_that_is_over_is_held_back_too() {
    let mut talk = Talk::new();
    talk.text("my sink is blocked");
    let window = talk.close_window();
    let last = Answer { complete: true, outcome: Some("scheduled".into()), ..answer("See you at 8.") };
    talk.apply(&Input::AnalysisReady { window_id: window, answer: last });
    let ended_at = talk.state().last_activity;
    talk.later(1.0).apply(&opt_out());
    assert_eq!((talk.sent[0].status, talk.state().status), (MessageStatus::Superseded, Status::Completed));
    assert_eq!(talk.state().last_activity, ended_at, "it is as old as it was");
}

#[test]
fn who_gave_consent_to_a_person_is_answered_again() {
    let mut talk = Talk::new();
    talk.text("STOP");
    let decision = talk.later(10.0).apply(&opt_in()).clone();
    assert_eq!((events(&decision), &decision.ledger), (vec!["conversation.opted_in"], &Some(LedgerChange::In)));
    let said_at = talk.now - TimeDelta::seconds(5);
    assert_eq!(talk.later(1.0).text_stamped("STOP", said_at).ledger, None, "an older word has no effect");
    talk.later(1.0).text("my sink is blocked");
    assert!(talk.deadline().is_some());
    assert_eq!(talk.later(1.0).apply(&opt_in()).ledger, None, "there is nothing to lift");
}
