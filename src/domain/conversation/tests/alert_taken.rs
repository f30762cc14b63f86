//! "1 = I take it": who may take an emergency, and what follows.

use rstest::rstest;

use super::*;

const OWNER: &str = "+15555552222";
const CONTACT: &str = "+15555553333";
const THIRD: &str = "+15555554444";

/// An emergency of which the owner and the first contact know.
fn alerted() -> Talk {
    let mut talk = Talk::new();
    talk.business.alert_numbers = [OWNER, CONTACT, THIRD].iter().map(|number| number.parse().unwrap()).collect();
    talk.text("Gas leak in house!");
    let window = talk.state().answering.clone().unwrap().window_id;
    talk.answered(window, "Get out.");
    talk.later(60.0).due();
    talk
}

fn takes(talk: &mut Talk, phone: &str, via: TakenVia) -> Decision {
    let at = talk.now;
    talk.apply(&Input::AlertTaken { phone: phone.parse().unwrap(), via, at }).clone()
}

/// The texts of a decision: to whom (`None`: the customer), and the words.
fn texts(decision: &Decision) -> Vec<(Option<String>, &str)> {
    let recipient = |message: &NewMessage| message.recipient.as_ref().map(ToString::to_string);
    decision.messages.iter().map(|message| (recipient(message), message.body.as_str())).collect()
}

#[rstest]
#[case::the_owner(OWNER, "u1", CONTACT, "the owner")]
#[case::a_contact(CONTACT, "phone:+15555553333", OWNER, CONTACT)]
fn who_answers_owns_the_conversation_and_the_others_and_the_customer_are_informed(
    #[case] phone: &str,
    #[case] by: &str,
    #[case] other: &str,
    #[case] named: &str,
) {
    let mut talk = alerted();
    let decision = takes(&mut talk, phone, TakenVia::Sms);
    let taken = event_data(&decision, EventType::UserTaken);
    assert_eq!((taken["by"].as_str(), taken["reason"].as_str()), (Some(by), Some("alert_answered_by_sms")));
    assert_eq!((talk.state().ownership, talk.state().memory.alerting.is_none()), (Ownership::User, true));
    let told = texts(&decision);
    let to_other =
        format!("Joe's Plumbing: the emergency of +12125551234 is taken, by {named}. You need not do anything.");
    assert_eq!(told[0], (Some(other.to_owned()), to_other.as_str()));
    assert_eq!(
        told[1],
        (None, "A person at Joe's Plumbing has your message and is on it. They will contact you shortly.")
    );
    assert_eq!(told.len(), 2);
    assert!(talk.later(60.0).due().messages.is_empty(), "nobody else is alerted");
}

#[test]
fn the_customer_is_informed_although_a_takeover_silences_the_ai() {
    let mut talk = alerted();
    let decision = takes(&mut talk, OWNER, TakenVia::Call);
    let to_customer = decision.messages.iter().find(|message| message.kind == MessageKind::Taken).unwrap();
    let standing = Standing::of(talk.state());
    let fence = to_customer.fence;
    let message = Fenced { is_to_customer: true, fence, in_reply_to_window: None };
    assert!(standing.lets_pass(&message, talk.now));
    assert!(!Standing { never_text: true, ..standing }.lets_pass(&message, talk.now));
    assert!(!Standing { opted_out: true, ..standing }.lets_pass(&message, talk.now));
    assert_eq!(to_customer.kind.sender_type(), "user");
}

/// A text may be processed late, after another emergency's alert.
#[test]
fn what_was_written_before_an_alert_does_not_answer_it() {
    let mut talk = alerted();
    let at = talk.start() - TimeDelta::seconds(1);
    let early = Input::AlertTaken { phone: OWNER.parse().unwrap(), via: TakenVia::Sms, at };
    assert!(!events(talk.apply(&early)).contains(&"conversation.user_taken"));
}

#[rstest]
#[case::within_half_an_hour(29.9 * 60.0 - 60.0, true)]
#[case::later(30.0 * 60.0, false)]
fn an_alert_can_be_answered_for_half_an_hour(#[case] later: f64, #[case] may: bool) {
    let mut talk = alerted();
    talk.later(later);
    let decision = takes(&mut talk, OWNER, TakenVia::Sms);
    assert_eq!(events(&decision).contains(&"conversation.user_taken"), may);
}

#[test]
fn an_answer_that_is_processed_late_counts_by_its_arrival() {
    let mut talk = alerted();
    let at = talk.later(600.0).now;
    talk.later(3_600.0);
    let decision = talk.apply(&Input::AlertTaken { phone: OWNER.parse().unwrap(), via: TakenVia::Sms, at }).clone();
    assert!(events(&decision).contains(&"conversation.user_taken"));
}

#[test]
fn an_alert_that_was_long_on_its_way_can_be_answered_from_its_arrival() {
    let mut talk = alerted();
    talk.later(25.0 * 60.0);
    let alert = talk.sent.iter().position(|sent| sent.kind == MessageKind::Alert).unwrap();
    talk.report(alert, accepted());
    talk.later(25.0 * 60.0);
    assert!(events(&takes(&mut talk, OWNER, TakenVia::Sms)).contains(&"conversation.user_taken"));
}

#[rstest]
#[case::who_was_not_alerted(THIRD, None)]
#[case::a_stranger("+15555550000", None)]
#[case::after_a_false_alarm(OWNER, Some(Input::FalseAlarm { user_id: "u1".into() }))]
#[case::after_the_end(OWNER, Some(Input::Completed { user_id: "u1".into(), outcome: "done".into(), summary: None }))]
fn nobody_else_takes_it(#[case] phone: &str, #[case] before: Option<Input>) {
    let mut talk = alerted();
    if let Some(before) = before {
        talk.apply(&before);
    }
    let decision = takes(&mut talk, phone, TakenVia::Sms);
    assert!(!decision.changed && decision.effects.is_empty());
}

#[rstest]
#[case::by_sms_the_answer_says_so(TakenVia::Sms, 0)]
#[case::in_a_call_a_text_says_so(TakenVia::Call, 1)]
fn the_second_does_not_take_it(#[case] via: TakenVia, #[case] texts: usize) {
    let mut talk = alerted();
    takes(&mut talk, CONTACT, TakenVia::Sms);
    let owner: PhoneNumber = OWNER.parse().unwrap();
    let state = talk.state().alert_to(&owner, talk.now);
    let Some(AlertState::Taken(taken)) = state else { panic!("{state:?}") };
    assert_eq!((taken.by.as_str(), name_of("u1", &taken).as_str()), ("phone:+15555553333", CONTACT));
    let decision = takes(&mut talk, OWNER, via);
    assert!(events(&decision).is_empty());
    assert_eq!(decision.messages.len(), texts);
    assert!(takes(&mut talk, CONTACT, via).messages.is_empty(), "who has it hears nothing more");
}

#[test]
fn who_took_over_in_the_app_has_the_emergency() {
    let mut talk = alerted();
    talk.apply(&Input::UserTookOver { user_id: "u7".into(), reason: "mine".into() });
    let decision = takes(&mut talk, CONTACT, TakenVia::Sms);
    assert!(!decision.changed);
    let state = talk.state().alert_to(&CONTACT.parse().unwrap(), talk.now);
    assert!(matches!(state, Some(AlertState::Taken(taken)) if taken.by == "u7" && taken.phone.is_none()));
}

#[test]
fn an_owner_who_has_the_conversation_takes_the_new_emergency_in_it() {
    let mut talk = Talk::new();
    talk.business.alert_numbers = vec![OWNER.parse().unwrap(), CONTACT.parse().unwrap()];
    talk.text("my sink is blocked");
    talk.apply(&Input::UserTookOver { user_id: "u7".into(), reason: "mine".into() });
    talk.text("basement is flooding");
    let decision = takes(&mut talk, OWNER, TakenVia::Sms);
    assert_eq!(event_data(&decision, EventType::UserTaken)["by"], "u1");
}

#[rstest]
#[case::another_emergency(1_800.0, "the pipe burst")]
#[case::a_new_danger(10.0, "there is a fire!")]
fn what_is_new_is_to_be_taken_again(#[case] later: f64, #[case] said: &str) {
    let mut talk = alerted();
    takes(&mut talk, CONTACT, TakenVia::Sms);
    talk.apply(&Input::Released { user_id: "u1".into() });
    talk.later(later).text(said);
    let owner: PhoneNumber = OWNER.parse().unwrap();
    assert_eq!(talk.state().alert_to(&owner, talk.now), Some(AlertState::Open));
    assert_eq!(event_data(&takes(&mut talk, OWNER, TakenVia::Sms), EventType::UserTaken)["by"], "u1");
}

#[test]
fn a_customer_who_wants_no_texts_gets_none_and_the_emergency_is_taken() {
    let mut talk = alerted();
    talk.text("STOP");
    let decision = takes(&mut talk, OWNER, TakenVia::Sms);
    assert!(events(&decision).contains(&"conversation.user_taken"));
    assert!(decision.messages.iter().all(|message| message.recipient.is_some()));
}

#[test]
fn the_answer_in_progress_is_left_to_the_person() {
    let mut talk = Talk::new();
    talk.business.alert_numbers = vec![OWNER.parse().unwrap()];
    talk.text("Gas leak in house!");
    let decision = takes(&mut talk, OWNER, TakenVia::Sms);
    let reasons = windows(&decision);
    assert_eq!(reasons, [(WindowState::Open, "alert_taken"), (WindowState::Superseded, "alert_taken")]);
}
