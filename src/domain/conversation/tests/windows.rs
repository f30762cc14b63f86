//! When a window closes, what joins it, and what a timer does when it fires.

use rstest::rstest;

use super::*;

#[rstest]
#[case::one_text_waits_for_a_person(&[0.0], 60.0)]
#[case::a_text_within_the_hold_changes_nothing(&[0.0, 10.0], 60.0)]
#[case::quiet_counts_from_the_last(&[0.0, 59.0], 61.0)]
#[case::a_steady_texter_is_answered_at_the_latest(&[0.0, 30.0, 59.0, 60.5, 62.0, 63.5, 65.0, 66.0, 67.5, 69.0, 70.5, 72.0, 73.0, 74.0, 75.0, 76.0, 77.0, 78.0, 79.0, 80.0, 81.0, 82.0, 83.0, 84.0, 85.0, 86.0, 87.0, 88.0, 89.0], 90.0)]
fn a_window_closes_after_hold_and_quiet_and_never_after_max(#[case] texts: &[f64], #[case] closes: f64) {
    let mut talk = Talk::new();
    for at in texts {
        talk.now = talk.start() + TimeDelta::milliseconds((at * 1000.0) as i64);
        talk.text("more");
    }
    assert_eq!(talk.deadline(), Some(closes));
}

#[test]
fn where_the_ai_owns_the_conversation_only_quiet_counts() {
    let mut talk = Talk::new();
    talk.text("hello");
    let window = talk.close_window();
    talk.answered(window, "hi");
    talk.report(0, accepted());
    talk.later(40.0).text("and?");
    assert_eq!(talk.deadline(), Some(102.0));
}

#[test]
fn while_a_person_owns_the_conversation_a_window_has_no_deadline() {
    let mut talk = Talk::new();
    talk.text("hello");
    talk.state.as_mut().unwrap().ownership = Ownership::User;
    let decision = talk.later(1.0).text("more").clone();
    assert_eq!(talk.deadline(), None);
    assert!(!decision.effects.iter().any(|effect| matches!(effect, Effect::ArmTimer { .. })));
    let fire = talk.later(500.0).due();
    assert!(fire.windows.is_empty() && !is_analyzed(fire));
}

#[test]
fn the_ai_timer_starts_once() {
    let mut talk = Talk::new();
    talk.text("one");
    let decision = talk.later(1.0).text("two").clone();
    assert_eq!(events(&decision), ["message.received"]);
    assert_eq!(talk.state().ai_timer_started_at, Some(talk.start()));
}

#[test]
fn every_text_is_in_exactly_one_window_and_re_arms_its_timer() {
    let mut talk = Talk::new();
    let mut windows = Vec::new();
    for _ in 0..3 {
        let decision = talk.later(1.0).text("text").clone();
        assert_eq!(decision.messages.len(), 1);
        windows.push(decision.messages[0].window_id.unwrap());
        assert!(decision.effects.iter().any(|effect| matches!(effect, Effect::ArmTimer { .. })));
    }
    assert!(windows.iter().all(|window| *window == windows[0]));
    assert_eq!(talk.state().window.as_ref().unwrap().id, windows[0]);
}

#[rstest]
#[case::it_arms_a_timer_of_its_own(false, 61.0, true)]
#[case::the_window_is_not_late(true, 59.0, true)]
#[case::the_one_that_follows_arms_it(true, 61.0, false)]
fn a_text_of_a_backlog_leaves_the_timer_of_a_late_window_to_the_text_that_follows(
    #[case] is_followed: bool,
    #[case] decided_at: f64,
    #[case] arms: bool,
) {
    let mut talk = Talk::new();
    talk.text("hello");
    let received_at = talk.now;
    talk.later(decided_at);
    let sms = talk.sms("is anybody there", received_at);
    let decision = talk.apply(&Input::SmsReceived(InboundSms { is_followed, ..sms }));
    assert_eq!(decision.effects.iter().any(|effect| matches!(effect, Effect::ArmTimer { .. })), arms);
}

#[test]
fn a_fire_that_comes_too_early_arms_again_and_writes_nothing() {
    let mut talk = Talk::new();
    talk.text("hello");
    let decision = talk.later(59.0).due().clone();
    assert!(!decision.changed);
    assert_eq!(decision.effects, [Effect::ArmTimer { at: talk.start() + TimeDelta::seconds(60) }]);
}

#[rstest]
#[case::nothing_is_known(None)]
#[case::an_earlier_text_is_missing(Some(TimeDelta::seconds(59)))]
fn a_window_that_misses_texts_waits_for_them_until_its_maximum(#[case] complete: Option<TimeDelta>) {
    let mut talk = Talk::new();
    talk.text("hello");
    let due = Input::WindowDue { complete_until: complete.map(|complete| talk.start() + complete) };
    for later in [60.0, 29.9] {
        let decision = talk.later(later).apply(&due).clone();
        assert!(!decision.changed);
        assert_eq!(decision.effects, [Effect::ArmTimer { at: talk.start() + TimeDelta::seconds(60) }]);
    }
    let decision = talk.later(0.1).apply(&due);
    assert_eq!(decision.windows[0].state, WindowState::Claimed);
}

#[test]
fn a_fire_with_nothing_open_does_nothing() {
    let mut talk = Talk::new();
    talk.call_missed();
    let decision = talk.later(100.0).due();
    assert!(!decision.changed && decision.effects.is_empty());
}

#[test]
fn a_due_window_is_claimed_once_and_the_ai_takes_the_conversation() {
    let mut talk = Talk::new();
    talk.text("hello");
    let decision = talk.later(60.0).due().clone();
    assert!(is_analyzed(&decision));
    assert_eq!(events(&decision), ["conversation.ai_taken"]);
    assert_eq!(windows(&decision), [(WindowState::Claimed, "deadline")]);
    assert_eq!((talk.state().status, talk.state().ownership), (Status::AiHandling, Ownership::Ai));
    let again = talk.due();
    assert!(!again.changed && again.effects.is_empty(), "a second fire claims nothing");
}

#[test]
fn the_ai_takes_the_conversation_once() {
    let mut talk = Talk::new();
    talk.text("hello");
    let window = talk.close_window();
    talk.answered(window, "hi");
    talk.report(0, accepted());
    talk.later(1.0).text("more");
    talk.close_window();
    assert_eq!(events(talk.last.as_ref().unwrap()), Vec::<&str>::new());
}

#[test]
fn beyond_ai_max_a_window_is_handed_over() {
    let mut talk = Talk::new();
    talk.policy.ai_max_replies = 2;
    for n in 0..2 {
        talk.later(10.0).text("beep");
        let window = talk.close_window();
        talk.answered(window, "boop");
        talk.report(n, accepted());
    }
    talk.later(10.0).text("beep");
    talk.close_window();
    let decision = talk.last.clone().unwrap();
    assert!(!is_analyzed(&decision));
    assert_eq!(windows(&decision), [(WindowState::HandedOver, "ai_max")]);
    assert_eq!(event_data(&decision, EventType::NeedsAttention)["reason"], "ai_max");
    talk.later(3600.0).text("still there?");
    talk.close_window();
    assert!(is_analyzed(talk.last.as_ref().unwrap()), "the guard looks back over its period only");
}

#[test]
fn a_backlog_is_one_burst_that_counts_from_now() {
    let mut talk = Talk::new();
    let stamped = talk.start();
    talk.later(3600.0).text_stamped("one", stamped);
    assert_eq!(talk.deadline(), Some(3660.0));
    talk.text_stamped("two", stamped + TimeDelta::seconds(30));
    assert_eq!(talk.deadline(), Some(3660.0));
}

#[test]
fn a_stamp_from_the_future_counts_as_now() {
    let mut talk = Talk::new();
    let stamped = talk.start() + TimeDelta::seconds(30);
    talk.text_stamped("hello", stamped);
    assert_eq!(talk.deadline(), Some(60.0));
}

#[test]
fn a_text_that_is_processed_late_keeps_its_place_and_joins_the_open_window() {
    let mut talk = Talk::new();
    let stamped = talk.start();
    talk.later(5.0).text("second");
    let decision = talk.later(1.0).text_stamped("first", stamped).clone();
    assert_eq!(decision.messages[0].created_at, stamped);
    assert_eq!(decision.messages[0].window_id, talk.state().window.as_ref().map(|w| w.id));
    assert!(decision.windows.is_empty());
}

/// A text that came so late that its window is due already, and that another one follows.
fn late(talk: &Talk, stream_sequence: i64) -> Input {
    let sms = talk.sms("My sink is blocked", talk.now - TimeDelta::seconds(80));
    Input::SmsReceived(InboundSms { is_followed: true, stream_sequence, ..sms })
}

fn arms_the_timer(decision: &Decision) -> bool {
    decision.effects.iter().any(|effect| matches!(effect, Effect::ArmTimer { .. }))
}

#[test]
fn a_late_text_arms_the_timer_if_the_one_that_follows_was_decided_on_first() {
    let mut talk = Talk::new();
    let late_text = late(&talk, 7);
    assert!(!arms_the_timer(talk.apply(&late_text)));
    let mut talk = Talk::new();
    let stop_it = InboundSms { stream_sequence: 9, ..talk.sms("stop it", talk.now) };
    talk.apply(&Input::SmsReceived(stop_it));
    assert!(arms_the_timer(talk.apply(&late_text)));
}

#[rstest]
#[case::a_reaction("Liked “We can help.”")]
#[case::an_automatic_reply("I'm driving right now. I'll get back to you later.")]
#[case::a_keyword("HELP")]
fn what_is_not_answered_arms_the_timer_for_the_late_text_before_it(#[case] follows: &str) {
    let mut talk = Talk::new();
    let late_text = late(&talk, 7);
    talk.apply(&late_text);
    assert!(arms_the_timer(talk.text(follows)));
}
