//! One text that comes by both of Twilio's APIs is one message.

use rstest::rstest;

use super::*;
use crate::domain::conversation::pairing::find;

const MESSAGE: Uuid = Uuid::from_u128(7);

/// A text that came by Conversations, so many seconds before `at`.
fn unpaired(message_id: Uuid, body: &str, at: DateTime<Utc>, seconds: f64) -> UnpairedText {
    let received_at = at - TimeDelta::milliseconds((seconds * 1000.0) as i64);
    UnpairedText { message_id, twilio_sid: "IM1".into(), body: body.into(), received_at }
}

#[rstest]
#[case::at_the_same_time("Hello?", 0.0, "IM1", None, true)]
#[case::a_minute_before("Hello?", 60.0, "IM1", None, true)]
#[case::a_minute_after("Hello?", -60.0, "IM1", None, true)]
#[case::longer_before("Hello?", 60.1, "IM1", None, false)]
#[case::longer_after("Hello?", -60.1, "IM1", None, false)]
#[case::in_other_words("Hello!", 0.0, "IM1", None, false)]
#[case::with_a_blank_more("Hello? ", 0.0, "IM1", None, false)]
#[case::by_the_same_api("Hello?", 0.0, "SM9", None, false)]
#[case::as_an_mms("Hello?", 0.0, "MM9", None, false)]
#[case::an_opt_out_that_twilio_saw("Hello?", 0.0, "IM1", Some("STOP"), false)]
fn a_text_is_paired_by_words_way_and_time(
    #[case] body: &str,
    #[case] seconds: f64,
    #[case] sid: &str,
    #[case] opt_out_type: Option<&str>,
    #[case] is_paired: bool,
) {
    let talk = Talk::new();
    let text = UnpairedText { twilio_sid: sid.into(), ..unpaired(MESSAGE, body, talk.now, seconds) };
    let sms = InboundSms { opt_out_type: opt_out_type.map(str::to_owned), ..talk.sms("Hello?", talk.now) };
    let expected = Pairing { message_id: MESSAGE, twilio_sid: sms.twilio_sid.clone(), received_at: talk.now };
    assert_eq!(find(&sms, &[text]), is_paired.then_some(expected));
}

#[rstest]
#[case::a_word("STOP", "STOP", true)]
#[case::another_word("Unsubscribe", "STOP", true)]
#[case::a_sentence("please stop texting me", "STOP", true)]
#[case::back_in("START", "START", true)]
#[case::help("help", "HELP", true)]
#[case::a_word_of_the_account("pineapple", "STOP", false)]
#[case::an_everyday_answer("yes", "START", false)]
#[case::another_meaning("STOP", "START", false)]
#[case::a_type_that_is_not_known("Hello?", "LATER", false)]
fn an_opt_out_that_twilio_saw_is_paired_if_its_words_say_so(
    #[case] body: &str,
    #[case] opt_out_type: &str,
    #[case] is_paired: bool,
) {
    let talk = Talk::new();
    let text = unpaired(MESSAGE, body, talk.now, 0.0);
    let sms = InboundSms { opt_out_type: Some(opt_out_type.into()), ..talk.sms(body, talk.now) };
    assert_eq!(find(&sms, &[text]).is_some(), is_paired);
}

#[test]
fn the_oldest_that_fits_is_taken() {
    let talk = Talk::new();
    let at = |id: u128, seconds: f64| unpaired(Uuid::from_u128(id), "Hello?", talk.now, seconds);
    let texts = [at(1, 2.0), at(2, 30.0), at(3, 61.0)];
    let found = find(&talk.sms("Hello?", talk.now), &texts).unwrap();
    assert_eq!(found.message_id, Uuid::from_u128(2));
}

#[test]
fn a_second_arrival_changes_nothing_but_arms_the_timer() {
    let mut talk = Talk::new();
    talk.text("My sink is blocked");
    let before = talk.state().clone();
    talk.unpaired_texts = vec![unpaired(MESSAGE, "My sink is blocked", talk.now, 0.0)];
    let decision = talk.text("My sink is blocked").clone();
    assert!(decision.changed && decision.paired.is_some());
    assert!(decision.messages.is_empty() && decision.windows.is_empty() && events(&decision).is_empty());
    assert!(matches!(decision.effects[..], [Effect::ArmTimer { .. }]), "{:?}", decision.effects);
    let after = decision.conversation;
    assert_eq!((after.window, after.epoch, after.last_activity), (before.window, before.epoch, before.last_activity));
}

#[test]
fn a_second_arrival_does_not_open_a_conversation_again() {
    let mut talk = Talk::new();
    talk.text("My sink is blocked");
    let end = Input::Completed { user_id: "joe".into(), outcome: "done".into(), summary: None };
    talk.apply(&end);
    talk.unpaired_texts = vec![unpaired(MESSAGE, "My sink is blocked", talk.now, 1.0)];
    talk.text("My sink is blocked");
    assert_eq!(talk.state().status, Status::Completed);
}
