//! Numbers that the business never texts.

use super::*;

fn never_texted() -> Talk {
    let mut talk = Talk::new();
    talk.business.never_text = Arc::new([customer()].into());
    talk
}

#[test]
fn a_text_of_a_number_that_is_never_texted_is_kept_and_a_person_is_told() {
    let mut talk = never_texted();
    let decision = talk.text("Dad, when are you home?").clone();
    assert_eq!(event_data(&decision, EventType::NeedsAttention)["reason"], "never_text");
    assert!(decision.messages.len() == 1 && talk.state().window.is_none() && !is_sent(&decision));
    assert!(!is_sent(talk.call_missed()));
}

#[test]
fn an_emergency_of_such_a_number_alerts_the_owner_and_says_that_the_customer_was_not_told() {
    let mut talk = never_texted();
    talk.business.alert_numbers = vec!["+15555550001".parse().unwrap()];
    let decision = talk.text("I smell gas in the kitchen").clone();
    let alerts: Vec<&NewMessage> = decision.messages.iter().filter(|m| m.kind == MessageKind::Alert).collect();
    assert!(alerts[0].body.contains("never texted") && alerts[0].body.contains("We did NOT tell them"), "{alerts:?}");
    assert!(decision.messages.iter().all(|message| message.kind != MessageKind::Notice));
}

#[test]
fn a_person_may_still_write_to_such_a_number() {
    let mut talk = never_texted();
    talk.text("Dad, when are you home?");
    let reply = Input::UserReplied { user_id: "u1".into(), body: "At six.".into() };
    assert!(is_sent(talk.apply(&reply)));
}

#[test]
fn a_window_is_handed_over_when_the_number_comes_on_the_list_meanwhile() {
    let list = never_texted().business.never_text;
    let mut open = Talk::new();
    open.text("my sink is blocked");
    open.business.never_text = Arc::clone(&list);
    let due = open.later(60.0).due().clone();
    assert_eq!(windows(&due), [(WindowState::HandedOver, "never_text")]);
    assert_eq!(event_data(&due, EventType::NeedsAttention)["reason"], "never_text");
    let mut claimed = Talk::new();
    claimed.text("my sink is blocked");
    let window = claimed.close_window();
    claimed.business.never_text = list;
    let answered = claimed.answered(window, "We can help.").clone();
    assert_eq!(windows(&answered), [(WindowState::HandedOver, "never_text")]);
    assert!(!is_sent(&answered));
}

#[test]
fn a_takeover_names_what_else_is_open_with_the_customer() {
    let mut talk = Talk::new();
    talk.text("my sink is blocked");
    let other = Uuid::from_u128(7);
    talk.other_conversations = vec![other];
    let decision = talk.apply(&Input::UserTookOver { user_id: "u1".into(), reason: "mine".into() }).clone();
    assert_eq!(event_data(&decision, EventType::UserTaken)["other_conversations"], serde_json::json!([other]));
}
