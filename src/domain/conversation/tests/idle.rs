//! A conversation in which nothing happens.

use super::*;

const IDLE: f64 = 72.0 * 3_600.0;

fn took_over() -> Input {
    Input::UserTookOver { user_id: "u1".into(), reason: "mine".into() }
}

/// A person has taken over after the customer's text, and nothing happens any more.
fn taken_over() -> Talk {
    let mut talk = Talk::new();
    talk.call_missed();
    talk.later(10.0).text("My sink is blocked");
    talk.later(10.0).apply(&took_over());
    talk
}

#[test]
fn three_days_after_a_takeover_the_conversation_ends_and_what_waits_is_handed_over() {
    let mut talk = taken_over();
    let at = talk.state().memory.idle_at.unwrap();
    assert_eq!(at, talk.now + TimeDelta::hours(72));
    let fire = talk.later(IDLE - 1.0).due();
    assert_eq!(fire.conversation.status, Status::UserHandling);
    let decision = talk.later(1.0).due();
    let conversation = &decision.conversation;
    assert_eq!((conversation.status, conversation.outcome.as_deref()), (Status::Completed, Some("idle")));
    assert_eq!(windows(decision), [(WindowState::HandedOver, "idle")]);
    assert_eq!(events(decision), ["conversation.needs_attention", "conversation.completed"]);
    assert_eq!((conversation.next_look(), conversation.memory.idle_at), (None, None));
}

#[test]
fn nobody_is_told_of_an_idle_conversation_in_which_nothing_waits() {
    let mut talk = taken_over();
    talk.apply(&Input::UserReplied { user_id: "u1".into(), body: "I am on my way.".into() });
    assert_eq!(events(talk.later(IDLE).due()), ["conversation.completed"]);
}

#[test]
fn ninety_days_after_a_takeover_a_missed_call_gets_its_text_in_a_new_conversation() {
    let mut talk = taken_over();
    let before = talk.state().id;
    let decision = talk.later(90.0 * 86_400.0).call_missed();
    let conversation = &decision.conversation;
    assert_ne!(conversation.id, before);
    assert_eq!((conversation.status, conversation.ownership), (Status::Active, Ownership::None));
    assert_eq!(decision.messages[0].kind, MessageKind::MissedCall);
}

#[test]
fn a_text_to_an_idle_conversation_begins_a_new_one_in_which_the_owner_has_their_hold() {
    let mut talk = taken_over();
    let before = talk.state().id;
    talk.later(IDLE).text("Hello again");
    let conversation = talk.state();
    assert_ne!(conversation.id, before);
    let window = conversation.window.as_ref().unwrap();
    assert_eq!(window.deadline, Some(talk.now + TimeDelta::seconds(60)));
}

#[test]
fn an_idle_end_is_never_reopened() {
    let mut talk = taken_over();
    let before = talk.state().id;
    talk.later(IDLE).due();
    talk.later(1.0).text("Hello again");
    assert_ne!(talk.state().id, before);
}

#[test]
fn what_the_ai_owns_ends_likewise() {
    let mut talk = Talk::new();
    talk.text("My sink is blocked");
    let window = talk.close_window();
    talk.answered(window, "We can help.");
    talk.report(0, MessageReport::Accepted { twilio_sid: "SMx".into(), segments: None });
    let decision = talk.later(IDLE).due();
    assert_eq!(decision.conversation.outcome.as_deref(), Some("idle"));
}

#[test]
fn a_report_on_a_message_is_no_activity_but_a_command_is() {
    let mut talk = taken_over();
    let at = talk.state().memory.idle_at;
    talk.later(3_600.0).report(0, MessageReport::Accepted { twilio_sid: "SMx".into(), segments: None });
    assert_eq!(talk.state().memory.idle_at, at);
    talk.later(3_600.0).apply(&Input::Released { user_id: "u1".into() });
    assert_eq!(talk.state().memory.idle_at, Some(talk.now + TimeDelta::hours(72)));
}

#[test]
fn a_text_that_arrived_in_time_belongs_to_the_conversation_however_late_it_is_processed() {
    let mut talk = taken_over();
    let (before, received_at) = (talk.state().id, talk.now + TimeDelta::hours(71));
    talk.later(IDLE).text_stamped("Are you coming?", received_at);
    assert_eq!(talk.state().id, before);
}

#[test]
fn a_window_that_is_still_to_be_answered_keeps_its_conversation() {
    let mut talk = Talk::new();
    talk.text("My sink is blocked");
    let window = talk.state().window.clone().unwrap().id;
    talk.later(IDLE).due();
    assert_eq!(talk.state().answering.as_ref().map(|answering| answering.window_id), Some(window));
}

#[test]
fn a_reaction_ends_and_begins_nothing() {
    let mut talk = taken_over();
    let before = talk.state().id;
    talk.later(IDLE).text("Liked “I am on my way.”");
    assert_eq!((talk.state().id, talk.state().status), (before, Status::UserHandling));
}

#[test]
fn a_business_sets_its_own_time() {
    let mut talk = taken_over();
    talk.business.policy.idle_after = Some("1h".parse().unwrap());
    let decision = talk.later(3_600.0).due();
    assert_eq!(decision.conversation.outcome.as_deref(), Some("idle"));
    let mut talk = taken_over();
    talk.business.policy.idle_after = Some("30d".parse().unwrap());
    talk.later(IDLE).due();
    assert_eq!(talk.state().status, Status::UserHandling);
    assert_eq!(talk.state().memory.idle_at, Some(talk.now - TimeDelta::hours(72) + TimeDelta::days(30)));
}
