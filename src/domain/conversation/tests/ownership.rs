//! Ownership of a conversation.

use rstest::rstest;

use super::*;

fn take_over() -> Input {
    Input::UserTookOver { user_id: "u1".into(), reason: "high_value_lead".into() }
}

fn reply(body: &str) -> Input {
    Input::UserReplied { user_id: "u1".into(), body: body.into() }
}

fn release() -> Input {
    Input::Released { user_id: "u1".into() }
}

fn complete() -> Input {
    Input::Completed { user_id: "u1".into(), outcome: "booked".into(), summary: Some("Friday".into()) }
}

/// The progress of a conversation.
enum At {
    MissedCall,
    Collecting,
    Analyzing,
    Replying,
    Answered,
}

fn talk_at(at: &At) -> Talk {
    let mut talk = Talk::new();
    talk.call_missed();
    if matches!(at, At::MissedCall) {
        return talk;
    }
    talk.report(0, accepted());
    talk.later(10.0).text("my sink is blocked");
    if matches!(at, At::Collecting) {
        return talk;
    }
    let window = talk.close_window();
    if matches!(at, At::Analyzing) {
        return talk;
    }
    talk.answered(window, "We can help.");
    if matches!(at, At::Replying) {
        return talk;
    }
    talk.report(1, accepted());
    talk
}

#[rstest]
#[case::before_the_customer_wrote(At::MissedCall)]
#[case::while_the_window_is_open(At::Collecting)]
#[case::while_dispatchbot_is_asked(At::Analyzing)]
#[case::while_the_reply_waits(At::Replying)]
#[case::when_all_is_answered(At::Answered)]
fn a_takeover_gives_the_conversation_to_a_person_and_fences_the_ai(#[case] at: At) {
    let mut talk = talk_at(&at);
    let before = talk.state().clone();
    let decision = talk.later(1.0).apply(&take_over()).clone();
    let state = talk.state();
    assert_eq!((state.ownership, state.status), (Ownership::User, Status::UserHandling));
    assert_eq!(state.user_takeover_at, Some(talk.now));
    assert!(state.epoch > before.epoch && state.hard_epoch > before.hard_epoch);
    assert!(state.answering.is_none());
    assert!(state.window.as_ref().is_none_or(|window| window.deadline.is_none()));
    assert_eq!(events(&decision), ["conversation.user_taken"]);
    assert_eq!(event_data(&decision, EventType::UserTaken)["reason"], "high_value_lead");
    assert!(!is_sent(&decision) && !is_analyzed(&decision));
}

#[test]
fn taking_over_twice_changes_nothing() {
    let mut talk = talk_at(&At::Collecting);
    talk.apply(&take_over());
    assert!(!talk.later(1.0).apply(&take_over()).changed);
}

#[test]
fn a_takeover_drops_the_answer_that_dispatchbot_works_on() {
    let mut talk = talk_at(&At::Analyzing);
    let window = talk.state().answering.clone().unwrap().window_id;
    let decision = talk.apply(&take_over()).clone();
    assert_eq!(windows(&decision), [(WindowState::Open, "takeover"), (WindowState::Superseded, "takeover")]);
    assert!(is_dropped(talk.answered(window, "We can help.")));
    assert!(is_dropped(talk.later(500.0).answered(window, "We can help.")), "nor ever");
}

#[test]
fn a_takeover_holds_back_the_reply_that_waits() {
    let mut talk = talk_at(&At::Replying);
    talk.apply(&take_over());
    assert_eq!(talk.sent[1].status, MessageStatus::Superseded);
}

#[test]
fn a_takeover_leaves_a_reply_alone_that_is_on_its_way() {
    let mut talk = talk_at(&At::Replying);
    talk.sent[1].status = MessageStatus::Sending;
    talk.apply(&take_over());
    assert_eq!(talk.sent[1].status, MessageStatus::Sending);
    assert_eq!(events(talk.report(1, accepted())), ["message.sent"]);
    assert_eq!(talk.state().ownership, Ownership::User);
}

#[test]
fn while_a_person_owns_the_conversation_the_timer_claims_nothing() {
    let mut talk = talk_at(&At::Collecting);
    talk.apply(&take_over());
    talk.later(1.0).text("hello?");
    let fire = talk.later(1000.0).due();
    assert!(fire.windows.is_empty() && !is_analyzed(fire));
}

#[test]
fn a_reply_is_sent_without_a_fence_and_answers_what_was_collected() {
    let mut talk = talk_at(&At::Collecting);
    let decision = talk.apply(&reply("I am on my way.")).clone();
    assert_eq!(events(&decision), ["conversation.user_taken"]);
    let message = &decision.messages[0];
    assert_eq!((message.kind, message.user_id.as_deref(), message.fence), (MessageKind::User, Some("u1"), None));
    assert_eq!(windows(&decision), [(WindowState::HandedOver, "answered by a person")]);
    assert!(is_sent(&decision) && talk.state().window.is_none());
    let sent = talk.report(1, accepted()).clone();
    assert_eq!(event_data(&sent, EventType::MessageSent)["sender_type"], "user");
}

#[test]
fn a_second_reply_takes_over_no_more_but_raises_the_epoch() {
    let mut talk = talk_at(&At::Collecting);
    talk.apply(&reply("I am on my way."));
    let before = talk.state().hard_epoch;
    assert_eq!(events(talk.apply(&reply("Ten minutes."))), Vec::<&str>::new());
    assert!(talk.state().hard_epoch > before);
}

#[test]
fn a_release_gives_what_is_unanswered_its_window() {
    let mut talk = talk_at(&At::Collecting);
    talk.apply(&take_over());
    talk.later(500.0).text("hello?");
    let decision = talk.later(500.0).apply(&release()).clone();
    assert_eq!(events(&decision), ["conversation.released"]);
    assert_eq!((talk.state().ownership, talk.state().status), (Ownership::Ai, Status::AiHandling));
    assert!(decision.effects.iter().any(|effect| matches!(effect, Effect::ArmTimer { .. })));
    talk.close_window();
    assert!(is_analyzed(talk.last.as_ref().unwrap()));
}

#[rstest]
#[case::while_dispatchbot_is_asked(At::Analyzing)]
#[case::while_the_reply_waits(At::Replying)]
fn what_a_takeover_left_without_its_answer_is_answered_after_a_release(#[case] at: At) {
    let mut talk = talk_at(&at);
    talk.apply(&take_over());
    talk.later(500.0).apply(&release());
    talk.close_window();
    assert!(is_analyzed(talk.last.as_ref().unwrap()));
}

#[test]
fn what_a_takeover_left_without_its_answer_is_answered_by_the_persons_reply() {
    let mut talk = talk_at(&At::Analyzing);
    talk.apply(&take_over());
    let decision = talk.later(5.0).apply(&reply("I am on my way.")).clone();
    assert_eq!(windows(&decision), [(WindowState::HandedOver, "answered by a person")]);
    talk.apply(&release());
    assert_eq!(talk.state().window, None);
}

/// Twilio had the answer when the takeover came, and its confirmation came only afterwards.
#[rstest]
#[case::still_the_persons(false)]
#[case::given_back(true)]
fn an_answer_that_had_gone_out_is_not_given_again_after_a_release(#[case] given_back: bool) {
    let mut talk = talk_at(&At::Replying);
    talk.sent[1].status = MessageStatus::Sending;
    talk.apply(&take_over());
    if given_back {
        talk.apply(&release());
        talk.close_window();
    }
    let decision = talk.report(1, accepted()).clone();
    let after_all = "sent after all";
    assert_eq!(windows(&decision), [(WindowState::Answered, after_all), (WindowState::Superseded, after_all)]);
    assert_eq!((&talk.state().window, &talk.state().answering), (&None, &None));
}

/// A takeover and a release came while an answer was at Twilio, and now a second one to the same texts is there, too.
fn posted_again_after_a_release() -> Talk {
    let mut talk = talk_at(&At::Replying);
    talk.sent[1].status = MessageStatus::Sending;
    talk.apply(&take_over());
    talk.apply(&release());
    let window = talk.close_window();
    talk.answered(window, "We can help.");
    talk.sent[2].status = MessageStatus::Sending;
    talk
}

/// Two takeovers have each stopped an answer to the same texts, and one of the answers had gone out.
#[rstest]
#[case::the_first(1)]
#[case::the_second(2)]
fn an_answer_that_had_gone_out_before_one_of_two_takeovers_is_not_given_again(#[case] gone_out: usize) {
    let mut talk = posted_again_after_a_release();
    talk.apply(&take_over());
    talk.report(gone_out, accepted());
    assert_eq!((&talk.state().window, &talk.state().answering), (&None, &None));
    let decision = talk.apply(&release()).clone();
    assert!(!is_analyzed(&decision) && talk.state().window.is_none());
}

#[test]
fn an_answer_that_is_not_wanted_any_more_is_fenced_though_it_was_claimed() {
    let mut talk = posted_again_after_a_release(); // Twilio is busy, so it will be queued again
    let before = talk.state().hard_epoch;
    talk.report(1, accepted());
    assert!(talk.state().hard_epoch > before);
}

#[test]
fn a_newer_text_is_answered_though_the_older_answer_had_gone_out() {
    let mut talk = talk_at(&At::Replying);
    talk.sent[1].status = MessageStatus::Sending;
    talk.apply(&take_over());
    talk.later(1.0).text("hello?");
    assert_eq!(windows(talk.report(1, accepted())), [(WindowState::Answered, "sent after all")]);
    talk.apply(&release());
    talk.close_window();
    assert!(is_analyzed(talk.last.as_ref().unwrap()));
}

#[test]
fn a_release_with_everything_answered_starts_nothing() {
    let mut talk = talk_at(&At::Collecting);
    talk.apply(&reply("I am on my way."));
    let decision = talk.apply(&release()).clone();
    assert!(!decision.effects.iter().any(|effect| matches!(effect, Effect::ArmTimer { .. })));
    talk.later(5.0).text("thanks");
    assert!(talk.deadline().is_some(), "the next text is the AI's");
}

#[test]
fn only_what_a_person_owns_can_be_released() {
    let mut talk = talk_at(&At::Collecting);
    assert!(!talk.apply(&release()).changed);
}

#[rstest]
#[case::while_the_window_is_open(At::Collecting, WindowState::HandedOver)]
#[case::while_dispatchbot_is_asked(At::Analyzing, WindowState::HandedOver)]
fn a_completion_hands_over_what_is_unanswered(#[case] at: At, #[case] state: WindowState) {
    let mut talk = talk_at(&at);
    let decision = talk.apply(&complete()).clone();
    assert_eq!(windows(&decision), [(state, "completed")]);
    assert_eq!(talk.state().status, Status::Completed);
    assert_eq!((talk.state().outcome.as_deref(), talk.state().summary.as_deref()), (Some("booked"), Some("Friday")));
    let data = event_data(&decision, EventType::ConversationCompleted);
    assert_eq!((data["by"].as_str(), data["user_id"].as_str()), (Some("user"), Some("u1")));
}

#[rstest]
#[case::a_takeover(take_over())]
#[case::a_reply(reply("too late"))]
#[case::a_release(release())]
#[case::a_completion(complete())]
fn a_completed_conversation_takes_no_command(#[case] command: Input) {
    let mut talk = talk_at(&At::Answered);
    talk.apply(&complete());
    assert!(!talk.apply(&command).changed);
}
