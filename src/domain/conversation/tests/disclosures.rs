//! The AI's first text in a conversation says that an AI writes.

use rstest::rstest;

use super::*;

const SAYS: &str = "This is the AI assistant of Joe's Plumbing.";

/// A conversation with a business that has not turned it off.
fn talk() -> Talk {
    let mut talk = Talk::new();
    talk.business.policy.ai_disclosure = None;
    talk
}

/// The customer writes, and DispatchBot answers; returns what is sent.
fn answer_to(talk: &mut Talk, text: &str, said: &str) -> String {
    talk.later(60.0).text(text);
    let window = talk.close_window();
    talk.answered(window, said).messages[0].body.clone()
}

fn delivered(status: DeliveryStatus) -> MessageReport {
    MessageReport::Delivery { twilio_sid: "SMx".into(), status, error_code: None, why: None }
}

#[test]
fn the_first_answer_says_so_and_no_later_one() {
    let mut talk = talk();
    assert_eq!(answer_to(&mut talk, "my sink is blocked", "We can help."), format!("{SAYS} We can help."));
    talk.report(0, accepted());
    assert_eq!(answer_to(&mut talk, "when?", "At 8."), "At 8.");
    talk.report(1, accepted());
    assert_eq!(answer_to(&mut talk, "thanks", "See you."), "See you.");
}

#[test]
fn the_missed_call_text_and_the_fallback_are_ours_and_say_nothing_of_it() {
    let mut talk = talk();
    talk.call_missed();
    talk.later(5.0).text("my sink is blocked");
    let window = talk.close_window();
    talk.apply(&Input::AnalysisFailed { window_id: window, reason: AnalysisReason::TimedOut });
    talk.report(1, accepted());
    let bodies: Vec<bool> = [0, 1].map(|n| talk.sent[n].kind == MessageKind::Reply).to_vec();
    assert_eq!(bodies, [false, false]);
    assert!(!talk.last.as_ref().unwrap().messages.iter().any(|message| message.body.contains("AI")));
    assert!(answer_to(&mut talk, "hello?", "We can help.").starts_with(SAYS), "it is the first of the AI");
}

#[test]
fn an_answer_that_was_held_back_has_told_nobody() {
    let mut talk = talk();
    answer_to(&mut talk, "my sink is blocked", "We can help.");
    talk.later(1.0).text("in the kitchen");
    talk.report(0, MessageReport::Superseded);
    let window = talk.close_window();
    assert!(talk.answered(window, "In the kitchen.").messages[0].body.starts_with(SAYS));
}

#[rstest]
#[case::not_accepted(&[MessageReport::Rejected { code: Some(21_211), why: "no".into() }], true)]
#[case::not_delivered(&[accepted(), delivered(DeliveryStatus::Undelivered)], true)]
#[case::it_is_not_known(&[MessageReport::Unknown], true)]
#[case::found_after_all(&[MessageReport::Unknown, delivered(DeliveryStatus::Delivered)], false)]
#[case::delivered(&[delivered(DeliveryStatus::Delivered)], false)]
fn what_became_of_the_first_decides_whether_the_next_says_so(#[case] reports: &[MessageReport], #[case] again: bool) {
    let mut talk = talk();
    answer_to(&mut talk, "my sink is blocked", "We can help.");
    for report in reports {
        talk.report(0, report.clone());
    }
    assert_eq!(answer_to(&mut talk, "when?", "At 8.").starts_with(SAYS), again);
}

#[test]
fn a_reopened_conversation_is_the_same_one_and_a_new_one_begins_anew() {
    let mut talk = talk();
    let complete = Input::Completed { user_id: "joe".into(), outcome: "done".into(), summary: None };
    answer_to(&mut talk, "my sink is blocked", "We can help.");
    talk.report(0, accepted());
    talk.apply(&complete);
    assert_eq!(answer_to(&mut talk, "one more thing", "Yes?"), "Yes?");
    talk.report(1, accepted());
    talk.apply(&complete);
    talk.later(25.0 * 3600.0);
    assert!(answer_to(&mut talk, "the tap drips", "We can help.").starts_with(SAYS));
}

#[test]
fn it_is_in_the_customers_language_and_in_the_words_of_the_business() {
    let mut talk = talk();
    let said = answer_to(&mut talk, "hola, necesito un plomero por favor", "Claro.");
    assert_eq!(said, "Le escribe el asistente de IA de Joe's Plumbing. Claro.");
    let mut own = self::talk();
    own.business.templates.en.ai_disclosure = Some("Joe's robot here:".into());
    assert_eq!(answer_to(&mut own, "my sink is blocked", "We can help."), "Joe's robot here: We can help.");
}

/// Otherwise an answer would be held back only because it is the first.
#[rstest]
#[case::of_gsm_7("x".repeat(459))]
#[case::of_ucs_2("ж".repeat(201))]
fn it_does_not_count_for_the_segments_of_an_answer(#[case] three_segments: String) {
    let mut talk = talk();
    talk.business.policy.max_segments = Some(3);
    let said = answer_to(&mut talk, "my sink is blocked", &three_segments);
    assert_eq!(said, format!("This is the AI assistant of Joe's Plumbing. {three_segments}"));
    talk.text("hello?");
    let window = talk.close_window();
    let decision = talk.answered(window, &format!("{three_segments}x"));
    assert_eq!(decision.analysis.as_ref().unwrap().drop_reason, Some(AnalysisReason::AnswerTooLong));
}

/// A sign outside GSM-7 in the words of the business costs the AI's words segments.
#[rstest]
#[case::of_gsm_7("Joe's robot here:", 459, true)]
#[case::of_gsm_7_and_longer("Joe's robot here:", 460, false)]
#[case::with_an_emoji("🤖 Joe's robot here:", 201, true)]
#[case::with_an_emoji_and_longer("🤖 Joe's robot here:", 202, false)]
#[case::with_an_accent("El robot de Joe está aquí:", 202, false)]
#[case::with_a_dash_that_is_folded("Joe's robot – here:", 459, true)]
fn the_segments_of_an_answer_are_those_in_the_alphabet_of_the_whole_text(
    #[case] disclosure: &str,
    #[case] length: usize,
    #[case] is_sent: bool,
) {
    let mut talk = talk();
    talk.business.templates.en.ai_disclosure = Some(disclosure.into());
    talk.text("my sink is blocked");
    let window = talk.close_window();
    let decision = talk.answered(window, &"x".repeat(length));
    let drop_reason = decision.analysis.as_ref().unwrap().drop_reason;
    assert_eq!(drop_reason, (!is_sent).then_some(AnalysisReason::AnswerTooLong));
}

#[test]
fn the_whole_text_is_no_longer_than_an_sms() {
    let mut talk = talk();
    talk.business.policy.max_segments = Some(11);
    let disclosure = "This is the AI assistant of Joe's Plumbing. ".len();
    let longest = "x".repeat(1_600 - disclosure);
    talk.text("my sink is blocked");
    let window = talk.close_window();
    let decision = talk.answered(window, &format!("{longest}x"));
    assert_eq!(decision.messages[0].kind, MessageKind::Fallback);
    assert_eq!(decision.analysis.as_ref().unwrap().drop_reason, Some(AnalysisReason::AnswerTooLong));
    talk.report(0, accepted());
    assert_eq!(answer_to(&mut talk, "hello?", &longest).len(), 1_600);
}
